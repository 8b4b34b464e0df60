"""Who decides how many replicas run: a fixed peak, the rule of a HorizontalPodAutoscaler, or KWatt.

HorizontalPodAutoscaler, with the defaults that the Kubernetes documentation gives
(https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#algorithm-details):
desired = ceil(current x metric / target), nothing within a tolerance of 0.1, pods that are not ready count
as 0 when more are wanted; up at most by 100 % or 4 pods in 15 s, whichever is more; down to the highest
recommendation of the last 300 s.
"""

from __future__ import annotations

import math
from collections import deque
from datetime import UTC, datetime
from typing import Final

from bench.following.shapes import TOKENS_PER_REQUEST
from bench.following.world import Rule, Seen
from kwatt.energy.feedback import FeedbackMaker
from kwatt.model.feedback import NO_FEEDBACK, Feedback
from kwatt.model.keys import ServiceKey
from kwatt.model.measurements import Demand, Measured, Measurements
from kwatt.observation.observe import observe
from kwatt.observation.remembering import grounds_of
from kwatt.observation.world import World
from kwatt.planning.plan import plan
from kwatt.units import Throughput

NOW: Final = datetime(2026, 11, 22, tzinfo=UTC)  # no window of any budget depends on it
TOLERANCE: Final = 0.1
STABLE_SECONDS: Final = 300


def fixed(replicas: int) -> Rule:
    """Run as many replicas as the peak needs, all day."""
    return lambda _: replicas


class Autoscaler:
    """The documented rule over units per second of one pod, `target` of them wanted."""

    def __init__(self, target: float, most: int, *, counts_arrivals: bool) -> None:
        self._target, self._most, self._counts_arrivals = target, most, counts_arrivals
        self._recommended: deque[tuple[int, int]] = deque()

    def __call__(self, seen: Seen) -> int:
        """Return the replicas wanted."""
        wanted = min(max(self._desired(seen), 1), self._most)
        self._recommended.append((seen.seconds, wanted))
        while self._recommended[0][0] <= seen.seconds - STABLE_SECONDS:
            self._recommended.popleft()
        if wanted < seen.replicas:
            return min(seen.replicas, max(one for _, one in self._recommended))
        return min(wanted, seen.replicas + max(seen.replicas, 4))

    def _desired(self, seen: Seen) -> int:
        total = seen.arrivals if self._counts_arrivals else seen.served
        ratio = total / max(1, seen.ready) / self._target
        if abs(ratio - 1) <= TOLERANCE:
            return seen.replicas
        if ratio < 1:
            return math.ceil(ratio * seen.ready)
        damped = total / max(1, seen.replicas) / self._target
        return seen.replicas if damped <= 1 + TOLERANCE else math.ceil(damped * seen.replicas)


class KWatt:
    """What the operator does between two readings: feedback, observation, plan. Nothing is left out."""

    def __init__(self, world: World, *, counts_arrivals: bool) -> None:
        self._world, self._counts_arrivals = world, counts_arrivals
        (service,) = world.services
        self._key = ServiceKey(service.namespace, service.name)
        self._maker = FeedbackMaker(NO_FEEDBACK, 0)
        self._feedback: Feedback = NO_FEEDBACK
        self._replan(NO_FEEDBACK)

    def __call__(self, seen: Seen) -> int:
        """Return the replicas that the plan has."""
        told = self._maker.take(self._measured(seen), self._grounds, seen.seconds * 1000)
        if told.demands != self._feedback.demands:
            self._feedback = told
            self._replan(told)
        return self._replicas

    def _replan(self, feedback: Feedback) -> None:
        snapshot = observe(self._world, NOW, feedback=feedback).snapshot
        planned = plan(snapshot)
        self._replicas = sum(row.replicas for row in planned.placements)
        self._grounds = grounds_of(self._world, snapshot, planned)

    def _measured(self, seen: Seen) -> Measurements:
        waiting = math.ceil(seen.waiting / TOKENS_PER_REQUEST)
        arrivals = _rate(seen.arrivals) if self._counts_arrivals else None
        return Measurements(
            services={self._key: Measured(rate=_rate(seen.served))},
            demands={self._key: Demand(arrivals, waiting, 60)},
        )


def _rate(per_second: float) -> Throughput:
    return Throughput(round(per_second * 10**6))
