"""The text that each exporter and runtime writes, from values; pure."""
