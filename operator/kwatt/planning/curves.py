"""Power curves (design 6): what a replica draws at a share of the rate. Exact integers, no rounding here."""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_left
from dataclasses import dataclass
from itertools import pairwise

from kwatt.model.npu import OperatingPoint, Profile
from kwatt.units import Power, ceiling, plain

Env = tuple[tuple[str, str], ...]


def setting_of(env: Env) -> str:
    """Return the name of a server setting: six hex digits of its sorted `env`, "" without env."""
    if not env:
        return ""
    canonical = json.dumps(sorted(env), ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:6]


def meets(point: OperatingPoint, latency_micros: int | None) -> bool:
    """Tell whether the point's p99 is within the limit; a point without p99 meets no limit."""
    if latency_micros is None:
        return True
    return point.p99_micros is not None and point.p99_micros <= latency_micros


@dataclass(frozen=True, slots=True)
class Curve:
    """W(rate) of one replica of one (model, NPU class, npus, env); `points` ascend by rate.

    `rates` and `powers` are those of the points, in millionths of a unit per second and milliwatts.
    """

    npu_class: str
    npus: int
    setting: str
    points: tuple[OperatingPoint, ...]
    rates: tuple[int, ...]
    powers: tuple[int, ...]

    def place(self, micros: int, replicas: int) -> int:
        """Return which point covers a replica's share of `micros`: the lowest, or len(points) beyond all."""
        return bisect_left(self.rates, -(-micros // replicas))  # rounded up

    def covering(self, micros: int, replicas: int) -> OperatingPoint | None:
        """Return the lowest point whose rate covers a replica's share of `micros`, None beyond the curve."""
        place = self.place(micros, replicas)
        return self.points[place] if place < len(self.points) else None

    def draw(self, micros: int, replicas: int) -> tuple[int, int]:
        """Return what `replicas` draw together at `micros`, as an exact fraction of milliwatts.

        Linear between points, the lowest point's watts below it (design 6). With n replicas, share T/n
        between the points (r0, p0) and (r1, p1): n p0 + (p1 - p0) (T - n r0) / (r1 - r0).
        """
        return self.draw_at(self.place(micros, replicas), micros, replicas)

    def draw_at(self, place: int, micros: int, replicas: int) -> tuple[int, int]:
        """Return the same where it is known which point covers the share."""
        if place == 0:
            return replicas * self.powers[0], 1
        low, run = self.rates[place - 1], self.rates[place] - self.rates[place - 1]
        base, rise = self.powers[place - 1], self.powers[place] - self.powers[place - 1]
        return replicas * base * run + rise * (micros - replicas * low), run

    def watts_above(self, idle: Power) -> int:
        """Return the whole watts above the idle draw of its NPUs that one replica may reach (design 6)."""
        return max(0, ceiling(max(self.powers) - self.npus * idle.milliwatts, 1000))


def curves_of(profile: Profile) -> tuple[Curve, ...]:
    """Sort a profile's points into curves, ordered by class, npus and setting."""
    found: dict[tuple[str, int, str], list[OperatingPoint]] = {}
    for point in sorted(profile.points, key=lambda p: (p.rate.micros, p.name)):
        key = (point.npu_class, point.npus, setting_of(point.env))
        found.setdefault(key, []).append(point)
    return tuple(
        Curve(
            *key,
            points=tuple(points),
            rates=tuple(point.rate.micros for point in points),
            powers=tuple(point.power.milliwatts for point in points),
        )
        for key, points in sorted(found.items())
    )


def falling_latency(profile: Profile) -> str:
    """Say which p99 is lower than at less load, "" where none is."""
    for curve in curves_of(profile):
        timed = [point for point in curve.points if point.p99_micros is not None]
        for low, high in pairwise(timed):
            if (high.p99_micros or 0) < (low.p99_micros or 0):
                return (
                    f"on {curve.npu_class} (npus: {curve.npus}) the p99 falls from "
                    f"{_milliseconds(low)} at {low.rate} to {_milliseconds(high)} at {high.rate}; "
                    "both points are used as they are, measure them again"
                )
    return ""


def _milliseconds(point: OperatingPoint) -> str:
    return f"{plain(point.p99_micros or 0, 1000)} ms"
