"""Fake NPUs: exporters and serving runtimes whose watts follow the load, for trials and tests without cards.

A program of its own: it must not import kwatt, nor kwatt it, so that neither can hide a mistake of the other.
"""
