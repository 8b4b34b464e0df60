"""Columns: every way to serve a service's share, as vectors for the bound (design 6).

With T the rate served, R alike replicas draw R W(T/R), which is linear in R while the share T/R stays
between two points. So for each segment of a curve the two ends of its range of R span every R within.
A column with a cheaper one of fewer replicas beside it is left out: it is worse at any prices.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from kwatt.planning.capacity import Capacity
from kwatt.planning.curves import Curve, meets
from kwatt.planning.layout import UNLIMITED, Ints, bounded
from kwatt.planning.options import Option, best_rate

SCALE: Final = 2**16  # costs and prices are integers in this part of a milliwatt
LARGEST: Final = 2**58  # a cost of this size is not exact any more
_MOST_RATE: Final = 2**52
_MOST_NPUS: Final = 2**24
_MOST_WATTS: Final = 2**32  # a larger figure is cut to it: to need less is never harder
_UNSURE: Final = 2.0**-48  # more than the relative error of the few float operations of a cost

_Bools = npt.NDArray[np.bool_]


class Want(NamedTuple):
    """One option of a service whose rate the bound asks for.

    `target` is the rate served, in millionths of a unit per second. `in_part`: it is less than the
    service asks for, and a plan that serves more of it counts too. `strays` replicas run on nodes with
    other NPUs and may stay there, which frees up to `credit` milliwatts of idle draw each.
    """

    service: int
    option: Option
    target: int
    in_part: bool
    strays: int
    credit: int


@dataclass(frozen=True, slots=True)
class Columns:
    """One entry per column, ascending by `service`; `starts` is where each service's begin.

    `npus` and whole `watts` above idle count the replicas on nodes of the column's kind, which occupy
    `nodes` at least. `cost` is the draw minus the idle draw of the NPUs taken, in milliwatts x SCALE,
    rounded down.
    """

    service: Ints
    kind: Ints
    npus: Ints
    watts: Ints
    nodes: Ints
    cost: Ints
    starts: Ints

    @property
    def are_exact(self) -> bool:
        """Tell whether no cost had to be cut."""
        return int(np.abs(self.cost).max(initial=0)) < LARGEST


def are_exact(capacity: Capacity, wants: Sequence[Want]) -> bool:
    """Tell whether rates and NPUs are small enough for the vectors: rates below 4.5 G a second."""
    rates = (rate for want in wants for rate in (want.target, want.option.curve.rates[-1]))
    return max(rates, default=0) < _MOST_RATE and capacity.usable.sum(dtype=np.float64) < _MOST_NPUS


def columns_of(capacity: Capacity, wants: Sequence[Want]) -> Columns:
    """Return the columns of all wants; wants of one variant of one model are handled together."""
    groups: dict[object, list[Want]] = {}
    for want in wants:
        groups.setdefault((id(want.option.curve), want.option.variant, want.in_part), []).append(
            want
        )
    parts = [part for group in groups.values() for part in _columns(capacity, group)]
    vectors = [np.concatenate(of_field) for of_field in zip(*parts, strict=True)]
    order = np.lexsort(vectors[::-1])
    service, kind, npus, watts, nodes, cost = (vector[order] for vector in vectors)
    starts = np.flatnonzero(np.diff(service, prepend=-1))
    return Columns(service, kind, npus, watts, nodes, cost, starts)


class _Group:
    """Wants that differ in rates and limits only, as vectors."""

    def __init__(self, capacity: Capacity, wants: Sequence[Want]) -> None:
        first, option = wants[0], wants[0].option
        variant = option.variant
        self.kind = capacity.kinds[variant.npu_class, variant.resource]
        slots = capacity.usable_of(self.kind) // variant.npus
        self.slots, self.deepest = int(slots.sum()), int(slots.max(initial=0))
        self.curve: Curve = option.curve
        self.powers = _least_from_here(self.curve.powers) if first.in_part else self.curve.powers
        self.npus, self.watts = variant.npus, min(option.demand.watts, _MOST_WATTS)
        self.idle = float(option.demand.idle.milliwatts)
        self.in_part = first.in_part
        self.wants = wants
        self.service = _vector([want.service for want in wants])
        self.target = _vector([want.target for want in wants])
        self.strays = _vector([want.strays for want in wants])
        self.credit = np.array([want.credit for want in wants], dtype=np.float64)
        most = [UNLIMITED if w.option.most is None else bounded(w.option.most) for w in wants]
        self.most = np.minimum(_vector(most), self.slots + self.strays)
        self.least = np.maximum(
            _vector([bounded(w.option.least) for w in wants]), self._sustaining()
        )

    def meeting(self, place: int) -> _Bools:
        """Tell which wants allow a share that the point at `place` covers."""
        if self.in_part:  # `least` sees to it: a plan may as well serve more
            return np.ones(len(self.wants), dtype=np.bool_)
        point = self.curve.points[place]
        known = {limit: meets(point, limit) for limit in {w.option.latency for w in self.wants}}
        return np.array([known[w.option.latency] for w in self.wants], dtype=np.bool_)

    def _sustaining(self) -> Ints:
        if not self.in_part:
            return np.zeros(len(self.wants), dtype=np.int64)
        best = [max(1, best_rate(self.curve, want.option.latency)) for want in self.wants]
        return _ceiling(self.target, _vector(best))


def _columns(capacity: Capacity, wants: Sequence[Want]) -> Iterator[tuple[Ints, ...]]:
    """Yield vectors for the fields of `Columns` but `starts`, those of fewer replicas first."""
    group = _Group(capacity, wants)
    best = np.full(len(wants), 2**62, dtype=np.int64)
    for place in range(len(group.powers) - 1, -1, -1):
        low, high = _range(group, place)
        feasible = (low <= high) & group.meeting(place)
        for replicas in (low, high):
            cost = _cost(group, place, replicas, strays=np.zeros_like(replicas))
            chosen = feasible & (cost < best)
            best = np.where(chosen, cost, best)
            yield _chosen(group, chosen, replicas, cost)
        if group.strays.any():
            yield from _with_strays(group, place, (low, high), feasible)


def _with_strays(
    group: _Group, place: int, ends: tuple[Ints, Ints], feasible: _Bools
) -> Iterator[tuple[Ints, ...]]:
    """Yield the columns whose strays all stay; cost is linear in R up to their number and beyond it.

    Together with those without strays they span any number that stays.
    """
    low, high = ends
    for replicas in (low, np.clip(group.strays, low, np.maximum(low, high)), high):
        strays = np.minimum(replicas, group.strays)
        cost = _cost(group, place, replicas, strays=strays)
        yield _chosen(group, feasible & (strays > 0), replicas - strays, cost)


def _chosen(group: _Group, chosen: _Bools, at_home: Ints, cost: Ints) -> tuple[Ints, ...]:
    here = at_home[chosen]
    return (
        group.service[chosen],
        np.full(len(here), group.kind, dtype=np.int64),
        here * group.npus,
        here * group.watts,
        _ceiling(here, _vector([max(1, group.deepest)])),
        cost[chosen],
    )


def _range(group: _Group, place: int) -> tuple[Ints, Ints]:
    """Return the least and the most replicas for which the point at `place` covers a share.

    r1 >= T/R > r0 with the rates r0 and r1 of the points below and at `place`.
    """
    rates, target = group.curve.rates, group.target
    unlimited = np.full(len(target), UNLIMITED, dtype=np.int64)
    low = _ceiling(target, _vector([max(1, rates[place])]))
    if rates[place] <= 0:
        low = np.where(target > 0, unlimited, 0)
    high = unlimited
    if place > 0:
        high = _ceiling(target, _vector([max(1, rates[place - 1])])) - 1
        if rates[place - 1] <= 0:
            high = np.where(target > 0, unlimited, 0)
    return np.maximum(low, group.least), np.minimum(high, group.most)


def _cost(group: _Group, place: int, replicas: Ints, *, strays: Ints) -> Ints:
    """Return R W(T/R) minus the idle draw of the NPUs taken, in milliwatts x SCALE, rounded down.

    Below the lowest point R p; between two points R p0 + (p1 - p0) (T - R r0) / (r1 - r0).
    """
    rates, powers = group.curve.rates, group.powers
    count = np.minimum(replicas, 2**31).astype(np.float64)
    base, rise = count * float(powers[max(0, place - 1)]), np.zeros(len(count))
    if place > 0:
        above = group.target.astype(np.float64) - count * rates[place - 1]
        slope = (powers[place] - powers[place - 1]) / (rates[place] - rates[place - 1])
        rise = slope * above
    idle = np.maximum(count - strays, 0) * group.idle + strays * group.credit
    unsure = _UNSURE * (np.abs(base) + np.abs(rise) + np.abs(idle))
    exact_or_less = np.floor((base + rise - idle - unsure) * SCALE)
    cost: Ints = exact_or_less.clip(-LARGEST, LARGEST).astype(np.int64)
    return cost


def _least_from_here(powers: Sequence[int]) -> tuple[int, ...]:
    """Return the least power of each point and those beyond it."""
    return tuple(min(powers[place:]) for place in range(len(powers)))


def _ceiling(numerator: Ints, denominator: Ints) -> Ints:
    return -(-numerator // denominator)


def _vector(amounts: Sequence[int]) -> Ints:
    return np.array(amounts, dtype=np.int64)
