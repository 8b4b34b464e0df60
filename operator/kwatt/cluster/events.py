"""Tell users what happened, as Events of an object. A lost Event is never an error of the caller.

The same (object, reason, message) is one Event with a count, found again by its name alone, also
after a restart. Messages should carry no counters or times, or each one is a new Event.
"""

from __future__ import annotations

import hashlib
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal, NamedTuple, TypeAlias

from kwatt.cluster.answers import Body
from kwatt.cluster.client import Client
from kwatt.cluster.paths import EVENTS
from kwatt.cluster.tokens import Bucket
from kwatt.errors import Conflict, KWattError, Missing
from kwatt.names import FIELD_MANAGER

BURST: Final = 10.0  # Events about one object at once
PER_SECOND: Final = 1 / 60  # and after that
_LONGEST: Final = 1024  # bytes of a message
_REMEMBERED: Final = 5000
_CLUSTER_WIDE: Final = "default"  # where Kubernetes keeps Events of objects without namespace

Type: TypeAlias = Literal["Normal", "Warning"]


class Subject(NamedTuple):
    """The object that an Event is about."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Posted:
    """The Event is in the cluster, for the `count`-th time as far as this process knows."""

    count: int


@dataclass(frozen=True, slots=True)
class Held:
    """Too many Events about one object: this one was not sent."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The API server did not take the Event."""

    error: KWattError


Outcome: TypeAlias = Posted | Held | Lost


class Events:
    """Posts Events in the name of this instance."""

    def __init__(
        self,
        client: Client,
        *,
        instance: str = "",
        burst: float = BURST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._instance = instance or socket.gethostname()
        self._burst = burst
        self._clock = clock
        self._counts: dict[str, int] = {}
        self._buckets: dict[str, Bucket] = {}

    async def post(self, subject: Subject, kind: Type, reason: str, message: str) -> Outcome:
        """Create the Event or raise its count."""
        if not self._bucket(subject.uid).take(self._clock()):
            return Held()
        event = self._event(subject, kind, reason, _shortened(message))
        try:
            return Posted(await self._sent(event))
        except KWattError as error:
            return Lost(error)

    async def _sent(self, event: Body) -> int:
        name = event["metadata"]["name"]
        known = self._counts.get(name)
        try:
            answer = await (
                self._created(event) if known is None else self._repeated(event, known + 1)
            )
        except Conflict:  # posted before a restart
            answer = await self._repeated(event, None)
        except Missing:  # the API server drops Events after an hour; or the namespace is gone
            answer = await self._created(event)
        _bound(self._counts)
        self._counts[name] = int(answer.get("count") or 1)
        return self._counts[name]

    async def _created(self, event: Body) -> Body:
        return await self._client.create(EVENTS.within(event["metadata"]["namespace"]), event)

    async def _repeated(self, event: Body, count: int | None) -> Body:
        """Without a count the old one stays, and its answer tells it: Events need no right to read."""
        patch: Body = {"lastTimestamp": event["lastTimestamp"]}
        if count is not None:
            patch["count"] = count
        path = EVENTS.named(event["metadata"]["name"], event["metadata"]["namespace"])
        return await self._client.merge_patch(path, patch)

    def _bucket(self, uid: str) -> Bucket:
        _bound(self._buckets)
        return self._buckets.setdefault(uid, Bucket(PER_SECOND, self._burst, self._clock()))

    def _event(self, subject: Subject, kind: Type, reason: str, message: str) -> Body:
        namespace, now = subject.namespace or _CLUSTER_WIDE, _now()
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": event_name(subject, reason, message), "namespace": namespace},
            "involvedObject": {
                "apiVersion": subject.api_version,
                "kind": subject.kind,
                "namespace": subject.namespace,
                "name": subject.name,
                "uid": subject.uid,
            },
            "type": kind,
            "reason": reason,
            "message": message,
            "count": 1,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "source": {"component": FIELD_MANAGER},
            "reportingComponent": FIELD_MANAGER,
            "reportingInstance": self._instance,
        }


def event_name(subject: Subject, reason: str, message: str) -> str:
    """Return the same name for the same Event, and another one for any other."""
    said = "\n".join((subject.uid, reason, message)).encode()
    digest = hashlib.sha256(said).hexdigest()[:16]
    return f"{subject.name[:200]}.{digest}"


def _shortened(message: str) -> str:
    encoded = message.encode()
    if len(encoded) <= _LONGEST:
        return message
    return encoded[: _LONGEST - 3].decode(errors="ignore") + "…"


def _bound(memory: dict[str, int] | dict[str, Bucket]) -> None:
    """Forget what was remembered first; a forgotten Event is found again by its name."""
    while len(memory) >= _REMEMBERED:
        memory.pop(next(iter(memory)))


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
