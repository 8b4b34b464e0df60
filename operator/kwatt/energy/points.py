"""Declared against measured watts by operating point, over the same replica-seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from kwatt.energy.holdings import Curve
from kwatt.energy.integration import energy_of
from kwatt.model.measurements import PointKey, PointMeasured
from kwatt.units import Throughput

HALF_MS: Final = 900_000
"""What is older than two of these quarters of an hour is forgotten, so that the sums follow a change."""


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
        self._now: dict[PointKey, _Sums] = {}
        self._before: dict[PointKey, _Sums] = {}

    def turn(self, now_ms: int) -> None:
        """Begin a new half where the present one is full."""
        if self._begun is None:
            self._begun = now_ms
        elif now_ms - self._begun >= HALF_MS:
            self._before, self._now, self._begun = self._now, {}, now_ms

    def add(self, point: PointKey, declared: int, measured: int, span: int) -> None:
        """Add one replica's milliwatts as declared and as measured, over so many milliseconds."""
        self._now.setdefault(point, _Sums()).add(declared, measured, span)

    def measured(self) -> dict[PointKey, PointMeasured]:
        """Return the sums of both halves."""
        both = (self._before, self._now)
        return {key: _sum([half[key] for half in both if key in half]) for key in _keys(both)}


def _keys(halves: tuple[dict[PointKey, _Sums], ...]) -> list[PointKey]:
    return sorted({key for half in halves for key in half})


def _sum(sums: list[_Sums]) -> PointMeasured:
    return PointMeasured(
        declared=energy_of(sum(one.declared for one in sums)),
        measured=energy_of(sum(one.measured for one in sums)),
        replica_seconds=sum(one.milliseconds for one in sums) // 1000,
    )


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


Curves = Mapping[PointKey, Curve]
