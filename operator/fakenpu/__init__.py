"""A kit that stands in for NPUs where there are none: for tests, demos and development."""
