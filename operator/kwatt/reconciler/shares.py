"""What every node may advertise of kwatt.dev/watts at most, when answers are missing or watches lag.

A raise without an answer may have happened. A share that fell may have had pods bound under it that
are not seen yet: Nodes and Pods are watched apart. Both count until they can't be any more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from kwatt.changes.values import ShareChange
from kwatt.cluster.ledger import version_number
from kwatt.model.snapshot import Node, Snapshot

_IN_THE_AIR_SECONDS: Final = 120.0  # longer than the API server works on any request (60 s)
_UNSEEN_SECONDS: Final = (
    900.0  # by then pods were listed anew, whatever versions say (Pace.list_seconds)
)
_LOOK_AGAIN_SECONDS: Final = 2.0


class _Risen(NamedTuple):
    """A raise that was sent when its node was at `version`: it can't happen any more at another one."""

    watts: int
    version: str
    until: float


class _Fallen(NamedTuple):
    """A former share: pods known up to `version` of the node are all that were bound under it."""

    watts: int
    version: int
    since: float


class Shares:
    """Remembers, in memory only, what makes the share of a node uncertain.

    `pods_seen` returns up to which version pods are known. Versions of Nodes and Pods compare because one
    etcd numbers both; where it does not, the clock ends the doubt.
    """

    def __init__(self, clock: Callable[[], float], pods_seen: Callable[[], int]) -> None:
        self._clock = clock
        self._pods_seen = pods_seen
        self._known: dict[str, int] = {}
        self._risen: dict[str, _Risen] = {}
        self._fallen: dict[str, _Fallen] = {}

    def advertised(self, snapshot: Snapshot) -> dict[str, int]:
        """Return the share of each node that advertises one, or may do so, or did until a moment ago."""
        now, before = self._clock(), self._known
        nodes = {node.name: node for node in snapshot.nodes}
        self._known = {
            n.name: n.advertised_watts for n in snapshot.nodes if n.advertised_watts is not None
        }
        for name, watts in before.items():
            if name in nodes and watts > self._known.get(name, 0):
                self._note_fall(nodes[name], watts, now)
        self._risen = {
            name: one
            for name, one in self._risen.items()
            if name in nodes and one.version == nodes[name].resource_version and one.until > now
        }
        seen = self._pods_seen()
        self._fallen = {
            name: one
            for name, one in self._fallen.items()
            if name in nodes and one.version > seen and now - one.since < _UNSEEN_SECONDS
        }
        doubts = [(name, one.watts) for name, one in self._risen.items()]
        doubts += [(name, one.watts) for name, one in self._fallen.items()]
        shares = dict(self._known)
        for name, watts in doubts:
            shares[name] = max(shares.get(name, 0), watts)
        return shares

    def may_have_risen(self, change: ShareChange) -> None:
        """Note a raise that was sent and not answered."""
        before = self._risen.get(change.node)
        watts = max(change.after, before.watts if before else 0)
        until = self._clock() + _IN_THE_AIR_SECONDS
        self._risen[change.node] = _Risen(watts, change.resource_version, until)

    def is_overdue(self) -> bool:
        """Tell whether pods should be listed, because no event told in time up to when they are known."""
        now = self._clock()
        return any(now - one.since >= _LOOK_AGAIN_SECONDS for one in self._fallen.values())

    def look_again_seconds(self) -> float | None:
        """Return when to look again, because no event says that pods are known up to some version."""
        return _LOOK_AGAIN_SECONDS if self._fallen else None

    def _note_fall(self, node: Node, watts: int, now: float) -> None:
        before = self._fallen.get(node.name)
        most = max(watts, before.watts if before else 0)
        version = version_number(node.resource_version)
        self._fallen[node.name] = _Fallen(most, version, now)
