"""The physics that all rules share: replicas start, serve from one queue and draw the profile's watts."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from bench.following.shapes import STEP_SECONDS, Floats
from kwatt.model.npu import NpuClass
from kwatt.planning.curves import Curve

START_SECONDS: Final = 120  # assumed: a language model is loaded
WINDOW_STEPS: Final = 60 // STEP_SECONDS  # figures are means over a minute
SYNC_STEPS: Final = 15 // STEP_SECONDS  # every 15 s, as `--horizontal-pod-autoscaler-sync-period`


class Seen(NamedTuple):
    """What a rule can know every 15 s: rates in units per second over a minute, and units that wait."""

    seconds: int
    arrivals: float
    served: float
    waiting: float
    ready: int
    replicas: int


Rule = Callable[[Seen], int]


@dataclass
class Day:
    """What one rule made of one day; `late` are units that did not find a free replica at once."""

    joules: float = 0.0
    asked: float = 0.0
    late: float = 0.0
    steps: int = 0
    met: int = 0
    starts: int = 0
    changes: int = 0
    replica_steps: int = 0
    longest_queue_seconds: float = 0.0


@dataclass
class Pool:
    """Cards of one class: some serve, some start, the others idle."""

    cards: int
    npu_class: NpuClass
    curve: Curve
    ready: int
    starting: deque[int] = field(default_factory=deque)

    @property
    def replicas(self) -> int:
        """Replicas that hold a card."""
        return self.ready + len(self.starting)

    @property
    def capacity(self) -> float:
        """Units per second that one replica serves at most."""
        return self.curve.rates[-1] / 10**6

    def resize(self, wanted: int, now: int) -> int:
        """Start or stop replicas, those that start first; return how many are started."""
        wanted = min(max(wanted, 1), self.cards)
        more = max(0, wanted - self.replicas)
        self.starting.extend([now + START_SECONDS] * more)
        while self.replicas > wanted and self.starting:
            self.starting.pop()
        self.ready = min(self.ready, wanted)
        return more

    def settle(self, now: int) -> None:
        """Let replicas become ready."""
        while self.starting and self.starting[0] <= now:
            self.starting.popleft()
            self.ready += 1

    def watts(self, rate: float) -> float:
        """Return what all cards draw: serving at `rate` together, starting (the most of the curve), idle."""
        milliwatts, run = self.curve.draw(round(rate * 10**6), max(1, self.ready))
        starting = max(self.curve.powers) * len(self.starting)
        idle = self.npu_class.idle.milliwatts * (self.cards - self.replicas)
        serving = milliwatts / run if self.ready else 0.0
        return (serving + starting + idle) / 1000


def replay(demand: Floats, pool: Pool, rule: Rule) -> Day:
    """Replay a day of demand: the rule is asked every 15 s for how many replicas there should be."""
    day, queue = Day(), 0.0
    recent: deque[tuple[float, float]] = deque(maxlen=WINDOW_STEPS)
    for step, asked in enumerate(demand.tolist()):
        now = step * STEP_SECONDS
        pool.settle(now)
        room = pool.ready * pool.capacity
        served = min(asked + queue / STEP_SECONDS, room)
        day.late += min(asked, max(0.0, asked + queue / STEP_SECONDS - room)) * STEP_SECONDS
        queue = max(0.0, queue + (asked - served) * STEP_SECONDS)
        recent.append((asked, served))
        _count(day, pool, asked, served, queue)
        if step % SYNC_STEPS == 0:
            seen = _seen(now, recent, queue, pool)
            _change(day, pool, rule(seen), now)
    return day


def _change(day: Day, pool: Pool, wanted: int, now: int) -> None:
    before = pool.replicas
    day.starts += pool.resize(wanted, now)
    day.changes += pool.replicas != before


def _count(day: Day, pool: Pool, asked: float, served: float, queue: float) -> None:
    day.joules += pool.watts(served) * STEP_SECONDS
    day.asked += asked * STEP_SECONDS
    day.steps += 1
    day.met += queue == 0.0
    day.replica_steps += pool.replicas
    if pool.ready:
        seconds = queue / (pool.ready * pool.capacity)
        day.longest_queue_seconds = max(day.longest_queue_seconds, seconds)


def _seen(now: int, recent: deque[tuple[float, float]], queue: float, pool: Pool) -> Seen:
    arrivals, served = (sum(column) / len(recent) for column in zip(*recent, strict=True))
    return Seen(now, arrivals, served, queue, pool.ready, pool.replicas)
