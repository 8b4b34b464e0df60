"""From counters to rates: the increase over the window by its length, as Prometheus does, not extrapolated.

A counter that fell was reset and has counted from 0 since (Prometheus, functions `increase` and `rate`). Every
engine (`series`) of a pod has its own counter; rates are summed over those that are fresh.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from kwatt.units import Throughput

WINDOW_MS: Final = 60_000
"""Figures are means over the least span of samples that is at least so long."""


class Reading(NamedTuple):
    """A counter at one instant in millionths, resets taken out."""

    at: int
    total: int


@dataclass(slots=True)
class Track:
    """One counter over the window; `raw` is what it showed last."""

    raw: int | None = None
    readings: deque[Reading] = field(default_factory=deque)

    def take(self, at: int, value: int) -> None:
        """Add what the counter shows at an instant; older ones than the last are left out."""
        if self.readings and at <= self.readings[-1].at:
            return
        total = self.readings[-1].total if self.readings else 0
        if self.raw is not None:
            total += value - self.raw if value >= self.raw else value
        self.raw = value
        self.readings.append(Reading(at, total))
        while len(self.readings) > 2 and at - self.readings[1].at >= WINDOW_MS:
            self.readings.popleft()

    @property
    def at(self) -> int | None:
        """The instant of the last reading."""
        return self.readings[-1].at if self.readings else None

    @property
    def span(self) -> int:
        """The length of the window in milliseconds; 0 with less than two readings."""
        return self.readings[-1].at - self.readings[0].at if self.readings else 0

    def rate(self) -> Throughput | None:
        """Return the mean rate over the window, None with less than two readings."""
        if not self.span:
            return None
        increase = self.readings[-1].total - self.readings[0].total
        return Throughput(increase * 1000 // self.span)


def summed(tracks: Iterable[Track], since: int) -> Throughput | None:
    """Return the sum of the rates of counters read at `since` or later, None where there is none."""
    fresh = [track.rate() for track in tracks if track.at is not None and track.at >= since]
    known = [rate for rate in fresh if rate is not None]
    return Throughput(sum(rate.micros for rate in known)) if known else None
