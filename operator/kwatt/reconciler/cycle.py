"""One cycle, from what was seen to what was done. `run` is the table of contents of KWatt."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from kwatt.changes.diff import diff
from kwatt.changes.values import Changes
from kwatt.metrics import Metrics
from kwatt.model.keys import ServiceKey
from kwatt.model.plan import Plan
from kwatt.model.snapshot import Snapshot
from kwatt.observation.memory import Memory
from kwatt.observation.observe import Observation, observe
from kwatt.observation.remembering import remembered_feedback
from kwatt.observation.values import ParsedClass, ParsedProfile
from kwatt.observation.world import World
from kwatt.planning.incremental import Planner
from kwatt.reconciler.alarm import Again
from kwatt.reconciler.applying import Applier
from kwatt.reconciler.aside import aside
from kwatt.reconciler.describing import Described, Findings, status_changes
from kwatt.reconciler.memo import Memo
from kwatt.reconciler.reporting import Reporter
from kwatt.reconciler.shares import Shares
from kwatt.reconciler.sighting import Lookout
from kwatt.reconciler.store import OWN_KINDS, Store, Written
from kwatt.reconciler.telemetry import Telemetry
from kwatt.reconciler.validation import Validator
from kwatt.reconciler.writes import Scene

_LOG = logging.getLogger(__name__)
Time = TypeVar("Time", float, datetime)


@dataclass(frozen=True, slots=True)
class Parts:
    """The long-lived parts that a cycle works with."""

    store: Store
    validator: Validator
    applier: Applier
    shares: Shares
    reporter: Reporter
    metrics: Metrics
    list_pods: Callable[[], Awaitable[None]]
    wall: Callable[[], datetime]
    telemetry: Telemetry
    lookout: Lookout
    moves_horizon: int | None = None  # in seconds, for nodes under no budget with its own


class Cycle:
    """Runs cycles; remembers the last plan and its hash, to log when it changes, and what it observed last."""

    def __init__(self, parts: Parts, clock: Callable[[], float] = time.perf_counter) -> None:
        self._parts = parts
        self._clock = clock
        self._hash = ""
        self._memory = Memory()
        self._world = World()
        self._own: dict[str, Written] = {}  # by uid, as they were when the world was seen
        self._planner = Planner()
        self._described: Described = Memo()

    async def run(self, now: datetime) -> Again:
        """Observe, plan, apply, describe; return when to look again.

        Where templates could not all be tried, only what lowers power is applied, and nothing is told.
        """
        parts, limits, news = self._parts, self._parts.store.limits, self._parts.store.trigger.news
        planner, self._planner = self._planner, Planner()
        if parts.shares.is_overdue():
            await parts.list_pods()
        with self._step("observe"):
            observation = await self._observe(now)
        size = len(observation.snapshot.services)
        with self._step("plan"):
            planned = await aside(size, planner.plan, observation.snapshot)
        parts.telemetry.see(parts.lookout.sighting(self._world, observation.snapshot, planned))
        with self._step("diff"):
            advertised = parts.shares.advertised(observation.snapshot)
            changes = await aside(size, diff, observation.snapshot, planned, advertised)

        def calm() -> bool:
            return parts.store.trigger.news == news and self._holds(limits, observation.boundary)

        with self._step("apply"):
            sent = await parts.applier.apply(
                changes,
                self._scene(observation),
                lambda: parts.validator.complete and self._holds(limits, observation.boundary),
                calm,
            )
        later: float | None = 0.0
        if parts.validator.complete:
            with self._step("describe"):
                later = await self._describe(observation, planned, changes, now, calm)
        self._show(observation, planned, changes, sent.writes)
        self._planner = planner  # had the cycle failed, one that remembers nothing would go on
        return Again(
            seconds=_soonest(sent.retry_seconds, parts.shares.look_again_seconds(), later),
            at=_soonest(observation.boundary, changes.wake),
        )

    async def _describe(
        self,
        observation: Observation,
        planned: Plan,
        changes: Changes,
        now: datetime,
        calm: Callable[[], bool],
    ) -> float | None:
        """Write the statuses that changed; return after how many seconds more are due."""
        findings, own = (
            self._findings(observation, planned, changes),
            list(self._observed(*OWN_KINDS)),
        )
        size, reporter = len(observation.snapshot.services), self._parts.reporter
        statuses = await aside(size, status_changes, own, findings, now, self._described)
        brought_on = _brought_on(observation.snapshot, changes)
        later = await reporter.report(statuses, brought_on, calm)
        await reporter.tell_moves(planned.moves)
        return later

    async def close(self) -> None:
        """Write nothing any more, and return when all that was sent is answered or timed out."""
        await self._parts.applier.close()

    def _holds(self, limits: int, boundary: datetime | None) -> bool:
        """Tell whether the caps that a cycle planned with are those to plan with now."""
        parts = self._parts
        return parts.store.limits == limits and (boundary is None or parts.wall() < boundary)

    async def _observe(self, now: datetime) -> Observation:
        store, validator = self._parts.store, self._parts.validator
        limits = store.limits
        observation = await self._seen(now)
        invalid = {(one.uid, one.generation) for one in observation.invalid}
        usable = [
            owner
            for owner in self._observed("InferenceService")
            if (owner.uid, owner.generation) not in invalid
            or (owner.uid, owner.generation) in validator.verdicts
        ]
        changed = await validator.validate(
            usable, observation.snapshot, lambda: self._holds(limits, observation.boundary)
        )
        if not validator.complete:
            observation = await self._seen(self._parts.wall())
        elif changed:
            observation = await self._seen(now)
        store.recognise(pod.uid for pod in observation.snapshot.pods)
        return observation

    async def _seen(self, now: datetime) -> Observation:
        """Observe what there is by now, at `now`."""
        self._world = self._look()
        return await aside(
            len(self._world.services),
            observe,
            self._world,
            now,
            self._parts.moves_horizon,
            memory=self._memory,
            feedback=self._parts.telemetry.feedback,
        )

    def _look(self) -> World:
        store = self._parts.store
        self._own = {own.uid: own for kind in OWN_KINDS for own in store.own(kind)}
        return store.world(self._parts.validator.verdicts)

    def _observed(self, *kinds: str) -> Iterator[Written]:
        """Yield own objects that are still there with the spec observed: later edits are for the next cycle."""
        for kind in kinds:
            for own in self._parts.store.own(kind):
                seen = self._own.get(own.uid)
                if seen is not None:
                    changed = seen.generation != own.generation
                    yield replace(seen, packed=own.packed) if changed else own

    def _scene(self, observation: Observation) -> Scene:
        store = self._parts.store
        return Scene(
            snapshot=observation.snapshot,
            owners={ServiceKey(o.namespace, o.name): o for o in self._observed("InferenceService")},
            services=store.services(),
            generations=self._parts.applier.generations,
            routes=store.routes(),
            hashes=self._parts.applier.hashes,
        )

    def _findings(self, observation: Observation, planned: Plan, changes: Changes) -> Findings:
        snapshot = observation.snapshot
        failures = {d.service: d.failure for d in snapshot.deployments if d.failure}
        classes = self._parts.store.parsed("NPUClass")
        profiles = self._parts.store.parsed("ModelProfile")
        return Findings(
            snapshot=snapshot,
            plan=planned,
            invalid=observation.invalid,
            missing={one.name: one.missing for one in classes if isinstance(one, ParsedClass)},
            failures={**failures, **self._parts.applier.failures},
            left=changes.left,
            profiles={p.name: p.profile for p in profiles if isinstance(p, ParsedProfile)},
            notices=observation.notices,
            sustained=changes.sustained,
            routes=self._parts.store.routes() if self._parts.store.serves_routes else None,
            measurements=self._parts.telemetry.measurements,
            feedback=self._parts.telemetry.feedback or remembered_feedback(self._world),
        )

    def _show(self, observation: Observation, planned: Plan, changes: Changes, writes: int) -> None:
        metrics, store = self._parts.metrics, self._parts.store
        kinds = [one.kind for one in observation.invalid]
        metrics.planned(planned, {kind: kinds.count(kind) for kind in sorted(set(kinds))})
        metrics.stored(store.sizes())
        if writes or planned.hash != self._hash:
            totals = planned.totals
            _LOG.info(
                "cycle plan=%s services=%d placed=%d partly=%d replicas=%d reserved=%s draw=%s "
                "moves=%d writes=%d released=%d evicted=%d",
                planned.hash[:12],
                totals.services,
                totals.placed,
                totals.partly,
                totals.replicas,
                totals.reserved,
                totals.draw,
                len(planned.moves),
                writes,
                len(changes.release),
                len(changes.evict),
            )
        self._hash = planned.hash

    @contextlib.contextmanager
    def _step(self, name: str) -> Iterator[None]:
        begun = self._clock()
        yield
        self._parts.metrics.step(name, self._clock() - begun)


def _brought_on(snapshot: Snapshot, changes: Changes) -> set[ServiceKey]:
    """Return the services whose replicas this cycle made or released."""
    released = {release.pod for release in changes.release}
    pods = snapshot.pods if released else ()
    return {scale.service for scale in changes.grow} | {
        pod.service for pod in pods if pod.key in released
    }


def _soonest(*times: Time | None) -> Time | None:
    return min((time for time in times if time is not None), default=None)
