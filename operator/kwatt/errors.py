"""The exception tree. Infeasible services and missing measurements are values, not exceptions.

KWattError
├── InvalidInput        a manifest or an argument that cannot be used; names the field and the remedy
└── ClusterError        the Kubernetes API refused or failed
    ├── Conflict        409: somebody wrote first, read again
    ├── Missing         404: the object or its namespace is gone
    ├── Refused         400, 403, 413, 422: the request will not succeed unless something changes
    └── Unavailable     429, 5xx, time-out, connection lost: try again later
"""

from __future__ import annotations


class KWattError(Exception):
    """Base of all errors raised by KWatt."""


class InvalidInput(KWattError):
    """A manifest or argument that cannot be used.

    `field` is a path such as `spec.throughput.perSecond`; the message says what is wrong and the remedy.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.field = field
        self.message = message


class ClusterError(KWattError):
    """The Kubernetes API refused or failed; `message` is the server's own sentence."""

    def __init__(self, status: int, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(f"{status} {message}" if status else message)
        self.status = status
        self.message = message
        self.retry_after_seconds = retry_after_seconds


class Conflict(ClusterError):
    """409: the object changed since it was read, or it exists already."""


class Missing(ClusterError):
    """404: the object, its namespace or its kind does not exist."""


class Refused(ClusterError):
    """The server will refuse this request every time: 400, 401, 403, 413, 415, 422."""


class Unavailable(ClusterError):
    """429, 5xx, a time-out or a lost connection: the same request may succeed later."""
