"""What a replica truly draws and at most serves: W(rate) through the measured points of a profile."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from fakenpu.quantities import BadInput


class Point(NamedTuple):
    """One measured load of a replica: millionths of a unit per second, milliwatts of all its NPUs together."""

    rate: int
    milliwatts: int
    p99_microseconds: int | None = None


@dataclass(frozen=True, slots=True)
class Curve:
    """Points by rising rate. Linear between them, flat below the lowest; the highest rate is all it serves."""

    points: tuple[Point, ...]

    @classmethod
    def through(cls, points: Iterable[Point]) -> Curve:
        """Return the curve through `points`; raise BadInput without any, or where two share a rate."""
        ordered = tuple(sorted(points))
        if not ordered:
            raise BadInput("points: there are none; a curve needs at least one measured point")
        if len({point.rate for point in ordered}) < len(ordered):
            raise BadInput("points: two have the same perSecond; remove one")
        return cls(ordered)

    @property
    def capacity(self) -> int:
        """Return the most that one replica serves, in millionths of a unit per second."""
        return self.points[-1].rate

    def milliwatts_at(self, rate: int) -> int:
        """Return W(rate) = W0 + (W1 - W0) (rate - r0) / (r1 - r0), rounded down to the milliwatt."""
        previous = self.points[0]
        for point in self.points:
            if rate <= point.rate:
                return _between(previous, point, rate)
            previous = point
        return previous.milliwatts

    def concurrency_at(self, rate: int) -> int:
        """Return how many requests are worked on at once: Little's law with the p99 of the point above `rate`.

        Where the profile knows no p99, 1 stands for "some" (an assumption, only the gauge of running
        requests shows it).
        """
        if rate <= 0:
            return 0
        above = next((point for point in self.points if rate <= point.rate), self.points[-1])
        if above.p99_microseconds is None:
            return 1
        return max(1, -(-rate * above.p99_microseconds // 10**12))


def _between(low: Point, high: Point, rate: int) -> int:
    if rate <= low.rate or high.rate == low.rate:
        return low.milliwatts
    rise = (high.milliwatts - low.milliwatts) * (rate - low.rate)
    return low.milliwatts + rise // (high.rate - low.rate)
