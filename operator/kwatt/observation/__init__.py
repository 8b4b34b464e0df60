"""From objects as the API server sends them to the Snapshot. Pure: no I/O, no clock, no log."""
