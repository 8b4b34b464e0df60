"""Declared against measured watts by operating point, over the same replica-seconds.

A profile belongs to everybody who uses it, what replicas run and count to the team of their namespace. So no
namespace alone changes what others are planned with, by counters that lie or pods that draw more than the
model: where several use a point, the median of their ratios counts, of an even number the lower one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, NamedTuple

from kwatt.energy.counters import PLAUSIBLE_FACTOR
from kwatt.energy.holdings import Curve
from kwatt.energy.integration import energy_of
from kwatt.model.measurements import PointKey, PointMeasured
from kwatt.units import Throughput

HALF_MS: Final = 900_000
"""What is older than two of these quarters of an hour is forgotten, so that the sums follow a change."""


class _Key(NamedTuple):
    """A point as the replicas of one namespace run it."""

    point: PointKey
    namespace: str


@dataclass(slots=True)
class _Sums:
    declared: int = 0
    measured: int = 0
    milliseconds: int = 0

    def add(self, declared: int, measured: int, span: int) -> None:
        self.declared += 2 * declared * span
        self.measured += 2 * measured * span
        self.milliseconds += span


class Points:
    """Sums over the last quarter to half of an hour."""

    def __init__(self) -> None:
        self._begun: int | None = None
        self._now: dict[_Key, _Sums] = {}
        self._before: dict[_Key, _Sums] = {}

    def turn(self, now_ms: int) -> None:
        """Begin a new half where the present one is full."""
        if self._begun is None:
            self._begun = now_ms
        elif now_ms - self._begun >= HALF_MS:
            self._before, self._now, self._begun = self._now, {}, now_ms

    def add(self, point: PointKey, namespace: str, declared: int, measured: int, span: int) -> None:
        """Add one replica's milliwatts as declared and as measured, over so many milliseconds."""
        sums = self._now.setdefault(_Key(point, namespace), _Sums())
        sums.add(declared, measured, span)

    def measured(self) -> dict[PointKey, PointMeasured]:
        """Return the sums of both halves, by what the median namespace measured of what it declared."""
        teams: defaultdict[PointKey, list[_Sums]] = defaultdict(list)
        for key in sorted(self._now.keys() | self._before.keys()):
            halves = (half[key] for half in (self._before, self._now) if key in half)
            teams[key.point].append(_sum(halves))
        return {point: _agreed(sums) for point, sums in teams.items()}


def _sum(sums: Iterable[_Sums]) -> _Sums:
    total = _Sums()
    for one in sums:
        total.declared += one.declared
        total.measured += one.measured
        total.milliseconds += one.milliseconds
    return total


def _agreed(teams: Sequence[_Sums]) -> PointMeasured:
    told = sorted((one for one in teams if one.declared > 0), key=_ratio)
    total, median = _sum(told), told[(len(told) - 1) // 2] if told else _Sums(declared=1)
    return PointMeasured(
        declared=energy_of(total.declared),
        measured=energy_of(total.declared * median.measured // median.declared),
        replica_seconds=total.milliseconds // 1000,
    )


def _ratio(one: _Sums) -> Fraction:
    return Fraction(one.measured, one.declared)


def is_plausible(curve: Curve, rate: Throughput) -> bool:
    """Tell whether one replica can serve so much by its curve."""
    return rate.micros <= PLAUSIBLE_FACTOR * curve[-1][0]


def declared_at(curve: Curve, rate: Throughput) -> int:
    """Return the milliwatts of one replica by its curve: linear between points, flat outside (design 6).

    Above the fastest point nothing is declared; its watts are the most that the profile knows.
    """
    low = curve[0]
    for high in curve:
        if rate.micros <= high[0]:
            return _between(low, high, rate.micros)
        low = high
    return low[1]


def _between(low: tuple[int, int], high: tuple[int, int], micros: int) -> int:
    run = high[0] - low[0]
    if not run or micros <= low[0]:
        return low[1] if micros <= low[0] else high[1]
    return low[1] + (high[1] - low[1]) * (micros - low[0]) // run
