"""How much of a fleet the services take, so that a generator can aim at a load.

Load is the share of all NPUs taken if every service ran alone on the curve that draws least for its target.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kwatt.model.npu import OperatingPoint, Profile

Floats = npt.NDArray[np.float64]
_ROUNDS = 16  # halvings once the scale is known to a factor of two


class Wish(NamedTuple):
    """What a service asks of a model: rates are relative until a load is aimed at."""

    model: str
    weight: float
    replicas: int
    latency: int | None


@dataclass(frozen=True, slots=True)
class Cheapest:
    """The cheapest way to run each wish: NPUs, and watts reserved by all replicas."""

    npus: Floats
    reserved: Floats


def curves_of(profile: Profile) -> list[tuple[OperatingPoint, ...]]:
    """Return the points of each (class, npus), ascending by rate."""
    found: dict[tuple[str, int], list[OperatingPoint]] = {}
    for point in profile.points:
        found.setdefault((point.npu_class, point.npus), []).append(point)
    return [
        tuple(sorted(points, key=lambda p: p.rate.micros)) for _, points in sorted(found.items())
    ]


def best_within(points: Sequence[OperatingPoint], latency: int | None) -> OperatingPoint | None:
    """Return the fastest point within a latency limit in microseconds."""
    fit = [p for p in points if latency is None or (p.p99_micros or latency + 1) <= latency]
    return fit[-1] if fit else None


def reserved_of(points: Sequence[OperatingPoint], idle: int) -> int:
    """Return the milliwatts that one replica of a curve reserves (design 6): its highest draw, the part
    above the idle milliwatts of its NPUs rounded up to whole watts.
    """
    npus = points[0].npus
    above = max(point.power.milliwatts for point in points) - npus * idle
    return npus * idle + 1000 * max(0, -(-above // 1000))


def cheapest(
    wishes: Sequence[Wish],
    profiles: Mapping[str, Profile],
    idle: Mapping[str, int],
    scale: float,
) -> Cheapest:
    """Return what each wish takes at `scale` x its weight; `idle` is milliwatts of one NPU by class."""
    npus, reserved = np.zeros(len(wishes)), np.zeros(len(wishes))
    of_model: dict[str, list[int]] = {}
    for number, wish in enumerate(wishes):
        of_model.setdefault(wish.model, []).append(number)
    for model, numbers in of_model.items():
        group = [wishes[number] for number in numbers]
        here = np.array(numbers)
        npus[here], reserved[here] = _cheapest(curves_of(profiles[model]), group, idle, scale)
    return Cheapest(npus, reserved)


def _cheapest(
    curves: Sequence[tuple[OperatingPoint, ...]],
    wishes: Sequence[Wish],
    idle: Mapping[str, int],
    scale: float,
) -> tuple[Floats, Floats]:
    """Return NPUs and reserved watts of each wish for one model on its cheapest curve."""
    target = np.array([wish.weight for wish in wishes]) * scale
    least = np.array([wish.replicas for wish in wishes], dtype=np.float64)
    best = np.full(len(wishes), np.inf)
    npus, reserved = np.zeros(len(wishes)), np.zeros(len(wishes))
    for points in curves:
        rates = [p.rate.per_second for p in points]
        watts = [p.power.watts for p in points]
        known = {latency: best_within(points, latency) for latency in {w.latency for w in wishes}}
        sustained = np.array([_rate_of(known[wish.latency]) for wish in wishes])
        possible = sustained > 0
        each = np.maximum(sustained, 1e-12)
        replicas = np.where(possible, np.maximum(least, np.ceil(target / each - 1e-9)), 1)
        draw = np.where(possible, replicas * np.interp(target / replicas, rates, watts), np.inf)
        better = draw < best
        most = reserved_of(points, idle[points[0].npu_class]) / 1000
        best = np.where(better, draw, best)
        npus = np.where(better, replicas * points[0].npus, npus)
        reserved = np.where(better, replicas * most, reserved)
    return npus, reserved


def _rate_of(point: OperatingPoint | None) -> float:
    return point.rate.per_second if point else 0.0


def scale_for(wanted: float, taken: Callable[[float], float]) -> float:
    """Return the scale at which `taken(scale)`, ascending, comes nearest below `wanted`."""
    low, high = 0.0, 1.0
    while taken(high) < wanted and high < 2.0**60:
        low, high = high, 2 * high
    for _ in range(_ROUNDS):
        middle = (low + high) / 2
        low, high = (middle, high) if taken(middle) <= wanted else (low, middle)
    return low
