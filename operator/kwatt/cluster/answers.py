"""What the API server's answers mean: the one place that turns failures into kwatt.errors.

ClusterError
├── Unavailable
│   └── Expired       410: the version or the list's continuation is too old, list again
└── as in kwatt.errors
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

import aiohttp
from kubernetes.aio.config import ConfigException

from kwatt.errors import ClusterError, Conflict, Missing, Refused, Unavailable

Body: TypeAlias = dict[str, Any]

_TRY_AGAIN: Final = frozenset({408, 423, 425, 429})
# Said of a JSON patch whose test or path fails, never of a body that is invalid.
_PATCH_FAILED: Final = "the server rejected our request due to an error in our request"
# Server-side apply says 500 of a field that does not exist or has the wrong type.
_UNREADABLE_APPLY: Final = "failed to create typed patch object"
_LONGEST_PLAIN_TEXT: Final = 300


class Expired(Unavailable):
    """410: the resourceVersion or the continuation is older than the server's history."""


class Event(NamedTuple):
    """One line of a watch: ADDED, MODIFIED, DELETED or BOOKMARK."""

    type: str
    body: Body


@contextlib.contextmanager
def translated(request: str) -> Iterator[None]:
    """Turn what the network, the TLS layer or the JSON parser raise into Unavailable."""
    try:
        yield
    except TimeoutError as error:
        raise Unavailable(0, f"{request}: no answer in time") from error
    except (aiohttp.ClientError, OSError, ConfigException) as error:
        raise Unavailable(0, f"{request}: {error or type(error).__name__}") from error
    except ValueError as error:
        raise Unavailable(0, f"{request}: the answer is not JSON: {error}") from error


def error_for(status: int, headers: Mapping[str, str], content: bytes) -> ClusterError:
    """Return the error that an HTTP answer stands for, with the server's own sentence."""
    answer = _status_in(content)
    message = answer.get("message") or _plain_text(content) or "no message"
    wait = headers.get("Retry-After") or _details(answer).get("retryAfterSeconds")
    return _error(status, str(message), wait)


def event_in(line: bytes) -> Event:
    """Return the event on one line of a watch; raise what an ERROR event stands for."""
    match json.loads(line):
        case {"type": str(kind), "object": dict(body)}:
            pass
        case _:
            raise ValueError(f"not a watch event: {line[:80]!r}")
    if kind == "ERROR":
        message = body.get("message") or "the watch failed without a message"
        raise _error(
            int(body.get("code") or 500), str(message), _details(body).get("retryAfterSeconds")
        )
    return Event(kind, body)


def _error(status: int, message: str, wait: object) -> ClusterError:
    if status == 422 and message == _PATCH_FAILED:
        return Conflict(status, "a test or a path of the patch failed: the object has changed")
    return _class_for(status, message)(status, message, _seconds(wait))


def _class_for(status: int, message: str) -> type[ClusterError]:
    match status:
        case 404:
            return Missing
        case 409:
            return Conflict
        case 410:
            return Expired
        case 500 if message.startswith(_UNREADABLE_APPLY):
            return Refused
        case _ if 400 <= status < 500 and status not in _TRY_AGAIN:
            return Refused
        case _:
            return Unavailable


def _status_in(content: bytes) -> Body:
    try:
        answer = json.loads(content)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _plain_text(content: bytes) -> str:
    """Proxies and the server's own filters answer in plain text."""
    return content.decode(errors="replace").strip()[:_LONGEST_PLAIN_TEXT]


def _details(answer: Body) -> Body:
    return answer.get("details") or {}


def _seconds(value: object) -> float | None:
    """A Retry-After may be a date too; the API server sends seconds, anything else is ignored."""
    try:
        return float(str(value)) if value else None
    except ValueError:
        return None
