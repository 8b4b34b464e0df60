"""Send a cycle's changes in the order that keeps every cap, and learn from the answers.

    lower shares, weights that fall ─► remove, name victims ─► shrink, evict ─► grow, raise shares
    ─► release pods ─► Services ─► routes

What the API server answers goes into the store at once, so that the next cycle sees it. A write whose
outcome is unknown counts as done until it can't be any more.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from typing import Any, Final, NamedTuple

from kwatt.changes.values import Changes, Scale, ShareChange
from kwatt.cluster.lease import NotLeading
from kwatt.cluster.outbox import Applied, Failed, Outbox, Outcome, Outdated, Request, portion
from kwatt.errors import ClusterError, Conflict, Missing, Unavailable
from kwatt.metrics import Metrics
from kwatt.model.keys import ServiceKey
from kwatt.reconciler.aside import aside
from kwatt.reconciler.memo import Memo
from kwatt.reconciler.routing import Routing, routing_writes
from kwatt.reconciler.shares import Shares
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
_BATCH: Final = 500
_DRAIN_SECONDS: Final = 1.0  # requests may fail meanwhile; a cap that is exceeded waits no longer

Learn = Callable[[str, dict[str, Any]], None]


class Sent(NamedTuple):
    """How many writes were made, and after how many seconds the soonest failed one is due again."""

    writes: int
    retry_seconds: float | None

    def and_(self, other: Sent) -> Sent:
        """Return both together."""
        waits = [one.retry_seconds for one in (self, other) if one.retry_seconds is not None]
        return Sent(self.writes + other.writes, min(waits, default=None))


class Applier:
    """Sends changes; remembers what failed for which service, and how it left what others may edit.

    `hashes` are those of the manifests of the last cycle, for the scene of the next one.
    """

    def __init__(self, outbox: Outbox, shares: Shares, metrics: Metrics, learn: Learn) -> None:
        self._outbox = outbox
        self._shares = shares
        self._metrics = metrics
        self._learn = learn
        self.generations: dict[str, int] = {}
        self.hashes: Memo[str] = Memo()
        self.failures: dict[ServiceKey, str] = {}

    async def apply(
        self,
        changes: Changes,
        scene: Scene,
        holds: Callable[[], bool],
        calm: Callable[[], bool] = lambda: False,
    ) -> Sent:
        """Send all changes; return how many were sent, and when the soonest failure is due again.

        Nothing is increased any more once `holds` is false: a cap that is cut must not wait until a long
        cycle that was planned with the old one has ended. Services follow a part at a time, more while it
        is `calm`.
        """
        self.failures = {}
        self._forget_gone(scene)
        scene.hashes.turn()
        size = len(scene.snapshot.services)
        most = portion(size)
        routing = await aside(size, routing_writes, scene, changes.splits)
        sent = [
            *await asyncio.gather(
                self._urgent(share_writes(changes.lower, "lower")), self._drain(routing, most)
            ),
            await self._urgent(removal_writes(changes.remove) + cost_writes(changes.costs)),
            await self._urgent(scale_writes(scene, changes.shrink)),
            await self._send(eviction_writes(changes.evict)),
            *await self._grow(scene, changes.grow, holds),
        ]
        missed, raised = await self._raise(changes.raise_, holds)
        releases = [release for release in changes.release if release.node not in missed]
        released = await self._run(release_writes(scene.snapshot, releases), holds)
        sent += [raised, _summary(released)]
        services = await aside(size, service_writes, scene)
        sent.append(await self._send_some(services, most, calm))
        sent += await self._route(routing, most)
        return reduce(Sent.and_, sent)

    async def close(self) -> None:
        """Close the outbox, which the reporter sends through too."""
        await self._outbox.close()

    def _forget_gone(self, scene: Scene) -> None:
        present = {one.uid for one in scene.snapshot.deployments}
        present.update(one.uid for one in scene.routes.values())
        for uid in self.generations.keys() - present:
            del self.generations[uid]

    async def _urgent(self, requests: list[Request]) -> Sent:
        """Send what lowers power: an earlier failure must not hold it back."""
        for request in requests:
            self._outbox.forgive(request.key)
        return await self._send(requests)

    async def _drain(self, routing: Routing, most: int) -> Sent:
        """Take requests away from variants before their pods go, as far as that is soon done."""
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
                return await self._send_some(routing.drain, most)
        except TimeoutError:
            return Sent(0, 0.0)

    async def _route(self, routing: Routing, most: int) -> list[Sent]:
        """Give requests to variants whose pods came; a Service is there before a route names it."""
        steps = (routing.services, routing.routes, routing.remove)
        return [await self._send_some(step, most) for step in steps]

    async def _grow(
        self, scene: Scene, scales: Sequence[Scale], holds: Callable[[], bool]
    ) -> list[Sent]:
        """Make and enlarge Deployments by batches: thousands of manifests are never held at once."""
        sent = []
        for start in range(0, len(scales), _BATCH):
            batch = scales[start : start + _BATCH]
            requests = await aside(len(batch), scale_writes, scene, batch)
            sent.append(_summary(await self._run(requests, holds)))
        return sent

    async def _raise(
        self, raises: Iterable[ShareChange], holds: Callable[[], bool]
    ) -> tuple[set[str], Sent]:
        """Raise shares; return the nodes whose share is not known to have risen."""
        by_node = {change.node: change for change in raises}
        outcomes = await self._run(share_writes(by_node.values(), "raise"), holds)
        missed = set()
        for change, outcome in zip(by_node.values(), outcomes, strict=True):
            if isinstance(outcome, Failed):
                missed.add(change.node)
                if outcome.attempted and isinstance(outcome.error, Unavailable):
                    self._shares.may_have_risen(change)
        return missed, _summary(outcomes)

    async def _send(self, requests: list[Request]) -> Sent:
        return _summary(await self._run(requests))

    async def _send_some(
        self, requests: list[Request], most: int, calm: Callable[[], bool] = lambda: False
    ) -> Sent:
        """Send a part; the next cycle, which is due at once then, finds the rest again."""
        sent, done = Sent(0, None), 0
        async for outcomes in self._outbox.run_some(requests, most, calm):
            sent, done = sent.and_(_summary(self._noted(outcomes))), done + len(outcomes)
        return sent if done == len(requests) else Sent(sent.writes, 0.0)

    async def _run(
        self, requests: list[Request], holds: Callable[[], bool] = lambda: True
    ) -> list[Outcome]:
        return self._noted(await self._outbox.run(requests, holds))

    def _noted(self, outcomes: list[Outcome]) -> list[Outcome]:
        """Learn from the answers, and remember what failed for the statuses."""
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
        if key.target.kind in ("Deployment", "HTTPRoute"):
            self.generations[metadata["uid"]] = int(metadata.get("generation") or 0)
        self._learn(key.target.kind, body)

    def _failed(self, key: WriteKey, error: ClusterError, *, news: bool) -> None:
        if isinstance(error, NotLeading):
            return  # the Lease tells it once, for all writes
        late = isinstance(
            error, Conflict | Missing | Outdated
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
