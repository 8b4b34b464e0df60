"""Faults under churn, and fuzzed objects, on a real control plane."""
