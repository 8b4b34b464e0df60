"""Send a cycle's changes in the order that keeps every cap, and learn from the answers.

    lower shares, remove, name victims ─► shrink, evict ─► grow, raise shares ─► release pods

What the API server answers goes into the store at once, so that the next cycle sees it. A write whose
outcome is unknown counts as done until it can't be any more.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from kwatt.changes.values import Changes, ShareChange
from kwatt.cluster.outbox import Applied, Failed, Outbox, Outcome, Request
from kwatt.errors import ClusterError, Conflict, Missing, Unavailable
from kwatt.metrics import Metrics
from kwatt.model.keys import ServiceKey
from kwatt.model.snapshot import Snapshot
from kwatt.reconciler.writes import (
    Scene,
    WriteKey,
    cost_writes,
    eviction_writes,
    release_writes,
    removal_writes,
    scale_writes,
    service_writes,
    share_writes,
)

_LOG = logging.getLogger(__name__)
_IN_THE_AIR_SECONDS: Final = 120.0  # longer than the API server works on any request (60 s)

Learn = Callable[[str, dict[str, Any]], None]


class Sent(NamedTuple):
    """How many writes were made, and after how many seconds the soonest failed one is due again."""

    writes: int
    retry_seconds: float | None


class Shares:
    """What every node advertises at most: as observed, or as a write in the air may have made it."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._unknown: dict[str, tuple[int, float]] = {}

    def advertised(self, snapshot: Snapshot) -> dict[str, int]:
        """Return the share of each node that advertises one, or may do so soon."""
        now = self._clock()
        self._unknown = {node: seen for node, seen in self._unknown.items() if seen[1] > now}
        shares = {
            n.name: n.advertised_watts for n in snapshot.nodes if n.advertised_watts is not None
        }
        for node, (watts, _) in self._unknown.items():
            shares[node] = max(shares.get(node, 0), watts)
        return shares

    def may_have_risen(self, change: ShareChange) -> None:
        """Note a raise that was sent and not answered."""
        self._unknown[change.node] = (change.after, self._clock() + _IN_THE_AIR_SECONDS)


class Applier:
    """Sends changes; remembers what failed for which service, and how it left each Deployment."""

    def __init__(self, outbox: Outbox, shares: Shares, metrics: Metrics, learn: Learn) -> None:
        self._outbox = outbox
        self._shares = shares
        self._metrics = metrics
        self._learn = learn
        self.generations: dict[str, int] = {}
        self.failures: dict[ServiceKey, str] = {}

    async def apply(self, changes: Changes, scene: Scene) -> Sent:
        """Send all changes; return how many were sent, and when the soonest failure is due again."""
        self.failures = {}
        sent = [
            await self._urgent(share_writes(changes.lower, "lower")),
            await self._urgent(removal_writes(changes.remove) + cost_writes(changes.costs)),
            await self._urgent(scale_writes(scene, changes.shrink)),
            await self._send(eviction_writes(changes.evict)),
            await self._send(service_writes(scene) + scale_writes(scene, changes.grow)),
        ]
        missed, raised = await self._raise(changes.raise_)
        releases = [release for release in changes.release if release.node not in missed]
        sent += [raised, await self._send(release_writes(scene.snapshot, releases))]
        waits = [one.retry_seconds for one in sent if one.retry_seconds is not None]
        return Sent(sum(one.writes for one in sent), min(waits, default=None))

    async def _urgent(self, requests: list[Request]) -> Sent:
        """Send what lowers power: an earlier failure must not hold it back."""
        for request in requests:
            self._outbox.forgive(request.key)
        return await self._send(requests)

    async def _raise(self, raises: Iterable[ShareChange]) -> tuple[set[str], Sent]:
        """Raise shares; return the nodes whose share is not known to have risen."""
        by_node = {change.node: change for change in raises}
        outcomes = await self._run(share_writes(by_node.values(), "raise"))
        missed = set()
        for change, outcome in zip(by_node.values(), outcomes, strict=True):
            if isinstance(outcome, Failed):
                missed.add(change.node)
                if outcome.attempted and isinstance(outcome.error, Unavailable):
                    self._shares.may_have_risen(change)
        return missed, _summary(outcomes)

    async def _send(self, requests: list[Request]) -> Sent:
        return _summary(await self._run(requests))

    async def _run(self, requests: list[Request]) -> list[Outcome]:
        outcomes = await self._outbox.run(requests)
        for outcome in outcomes:
            key = outcome.request.key
            if not isinstance(key, WriteKey):
                continue
            if isinstance(outcome, Applied):
                self._applied(key, outcome.body)
            else:
                self._failed(key, outcome.error, news=outcome.attempted)
        return outcomes

    def _applied(self, key: WriteKey, body: dict[str, Any]) -> None:
        metadata = body.get("metadata") or {}
        if body.get("kind") != key.target.kind or not metadata.get("uid"):
            return
        if key.target.kind == "Deployment":
            self.generations[metadata["uid"]] = int(metadata.get("generation") or 0)
        self._learn(key.target.kind, body)

    def _failed(self, key: WriteKey, error: ClusterError, *, news: bool) -> None:
        late = isinstance(
            error, Conflict | Missing
        )  # somebody was faster: the watch brings the news
        if news:
            self._metrics.failed(key.target.kind, type(error).__name__)
            level = logging.INFO if late else logging.WARNING
            _LOG.log(level, "write failed target=%s act=%s error=%s", key.target, key.act, error)
        if key.service is not None and not late:
            self.failures[key.service] = f"{key.target.kind} {key.target.name}: {error.message}"


def _summary(outcomes: list[Outcome]) -> Sent:
    waits = [outcome.retry_seconds for outcome in outcomes if isinstance(outcome, Failed)]
    writes = sum(not isinstance(outcome, Failed) or outcome.attempted for outcome in outcomes)
    return Sent(writes, min(waits, default=None))
