"""The comparison behind `make same-plan`: the same plans in every Python, whatever the order of the input."""
