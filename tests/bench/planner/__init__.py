"""Families of planning problems, baselines and an evaluation that trusts no planner."""
