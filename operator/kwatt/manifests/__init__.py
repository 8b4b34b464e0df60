"""Kubernetes objects as plain data, built from values. Builders only construct; they never talk."""
