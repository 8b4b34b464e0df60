"""The API server on loopback, for tests of whole cycles."""

from unit.cluster_io.conftest import api

__all__ = ["api"]
