"""Offered load over time. Every shape is constant between changes, so that energy can be integrated exactly.

Instants are milliseconds since the world began, rates millionths of a unit per second.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import Final, Protocol

NEVER: Final = 1 << 62
DAY: Final = 86_400_000


class Shape(Protocol):
    """A load: its rate at an instant, and when it next may differ."""

    def rate_at(self, now: int) -> int: ...

    def next_change(self, now: int) -> int: ...


@dataclass(frozen=True, slots=True)
class Constant:
    """The same rate for ever."""

    rate: int

    def rate_at(self, now: int) -> int:
        del now
        return self.rate

    def next_change(self, now: int) -> int:
        del now
        return NEVER


@dataclass(frozen=True, slots=True)
class Steps:
    """Rates from instants on, by rising instant; nothing before the first. `period` repeats, 0 does not."""

    steps: tuple[tuple[int, int], ...]
    period: int = 0

    def rate_at(self, now: int) -> int:
        position = bisect_right(self.steps, (self._within(now), NEVER)) - 1
        return self.steps[position][1] if position >= 0 else 0

    def next_change(self, now: int) -> int:
        within = self._within(now)
        position = bisect_right(self.steps, (within, NEVER))
        if position < len(self.steps):
            return now + self.steps[position][0] - within
        return now + self.period - within if self.period else NEVER

    def _within(self, now: int) -> int:
        return now % self.period if self.period else now


@dataclass(frozen=True, slots=True)
class Later:
    """A shape that begins at `start`; nothing before."""

    shape: Shape
    start: int

    def rate_at(self, now: int) -> int:
        return self.shape.rate_at(now - self.start) if now >= self.start else 0

    def next_change(self, now: int) -> int:
        if now < self.start:
            return self.start
        return min(NEVER, self.start + self.shape.next_change(now - self.start))


@dataclass(frozen=True, slots=True)
class Diurnal:
    """A day from `low` at its start to `high` in its middle and back, as a cosine in steps of `every`."""

    low: int
    high: int
    period: int = DAY
    every: int = 60_000

    def rate_at(self, now: int) -> int:
        step = now % self.period // self.every * self.every
        share = (1 - math.cos(2 * math.pi * step / self.period)) / 2
        return self.low + round((self.high - self.low) * share)

    def next_change(self, now: int) -> int:
        within = now % self.period
        return now - within + min(self.period, (within // self.every + 1) * self.every)
