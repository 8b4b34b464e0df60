"""Every write that the API server saw, from its audit log: who, what, when, with which answer."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  verbs: [get, list, watch]
- level: Metadata
  users: ["system:serviceaccount:kwatt-system:kwatt"]
- level: None                       # heartbeats and Events of everybody else
  resources:
  - {group: coordination.k8s.io, resources: [leases]}
  - {group: "", resources: [events]}
  - {group: events.k8s.io, resources: [events]}
- level: Metadata
"""
OPERATOR = "system:serviceaccount:kwatt-system:kwatt"
NO_CHANGES = ("leases", "selfsubjectaccessreviews")  # a review is created, and stored nowhere


class Write(NamedTuple):
    """One request that may have changed something; `at` is when it was answered, in epoch seconds."""

    at: float
    user: str
    agent: str
    verb: str
    resource: str
    name: str
    code: int
    rehearsal: bool

    @property
    def succeeded(self) -> bool:
        """Tell whether it was accepted."""
        return self.code < 300

    @property
    def label(self) -> str:
        """Return what kind of write it is."""
        return f"{self.verb} {self.resource}"


class AuditLog:
    """The log of one cluster; every call reads on from where the last one ended."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offsets: dict[int, int] = {}  # by inode
        self._writes: list[Write] = []

    def writes(self, since: float = 0.0) -> list[Write]:
        """Return all writes after an instant."""
        self._read_on()
        return [write for write in self._writes if write.at >= since]

    def by_operator(self, since: float) -> list[Write]:
        """Return the operator's writes after an instant, but for its Lease and questions about its rights."""
        own = (w for w in self.writes(since) if w.user == OPERATOR)
        return [w for w in own if w.resource not in NO_CHANGES]

    def _read_on(self) -> None:
        """Read on; at 100 MB the API server renames the log after the time and begins a new one."""
        rotated = sorted(self._path.parent.glob(f"{self._path.stem}-*{self._path.suffix}"))
        for path in (*rotated, self._path):
            with path.open("rb") as log:
                self._read_file(log)

    def _read_file(self, log: BinaryIO) -> None:
        inode = os.fstat(log.fileno()).st_ino
        log.seek(self._offsets.get(inode, 0))
        for line in log:
            if not line.endswith(b"\n"):
                break  # still being written
            self._offsets[inode] = self._offsets.get(inode, 0) + len(line)
            self._writes.append(_parsed(json.loads(line)))


def _parsed(event: dict[str, Any]) -> Write:
    about = event.get("objectRef") or {}
    pieces = [about.get("resource", ""), about.get("subresource", "")]
    return Write(
        at=datetime.fromisoformat(event["stageTimestamp"]).timestamp(),
        user=event["user"]["username"],
        agent=event.get("userAgent", ""),
        verb=event["verb"],
        resource="/".join(piece for piece in pieces if piece),
        name=about.get("name", ""),
        code=(event.get("responseStatus") or {}).get("code", 0),
        rehearsal="dryRun=" in event["requestURI"],
    )


def real(writes: Iterable[Write]) -> list[Write]:
    """Leave the dry runs out."""
    return [write for write in writes if not write.rehearsal]


def tally(writes: Iterable[Write]) -> dict[str, int]:
    """Count writes by what they are, dry runs apart."""
    counts = Counter(f"{w.label}{' (dry run)' if w.rehearsal else ''}" for w in writes)
    return dict(counts.most_common())


Test = Callable[[Write], bool]


def pod_created(write: Write) -> bool:
    """Tell whether a pod came into being."""
    return (write.verb, write.resource, write.code) == ("create", "pods", 201)


def pod_bound(write: Write) -> bool:
    """Tell whether a pod was bound to a node."""
    return (write.verb, write.resource, write.code) == ("create", "pods/binding", 201)


def pod_released(write: Write) -> bool:
    """Tell whether the operator let a pod go."""
    alike = (write.verb, write.resource, write.code) == ("patch", "pods", 200)
    return alike and write.user == OPERATOR


def share_set(write: Write) -> bool:
    """Tell whether a node's share of watts was patched."""
    alike = (write.verb, write.resource) == ("patch", "nodes/status")
    return alike and write.succeeded and write.user == OPERATOR


def made(resource: str) -> Test:
    """Return a test for objects that came into being by server-side apply."""

    def test(write: Write) -> bool:
        alike = (write.verb, write.resource, write.code) == ("patch", resource, 201)
        return alike and not write.rehearsal

    return test


def rehearsed(write: Write) -> bool:
    """Tell whether a template was tried by a dry run."""
    return write.rehearsal and write.succeeded
