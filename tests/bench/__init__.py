"""The benchmark behind `make bench`, and the observer of caps."""
