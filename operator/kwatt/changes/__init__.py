"""The pure difference between what is planned and what is observed, in the order that keeps every cap."""
