"""Columns: every way to serve a service's share, as vectors (design 6).

With T the rate served, R alike replicas draw R W(T/R), which is linear in R while the share T/R stays
between two points. So for each segment of a curve the two ends of its range of R span every R within.
A column with a cheaper one of fewer replicas beside it is left out: it is worse at any prices.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from kwatt.model.keys import Variant
from kwatt.model.snapshot import PodShape, Service
from kwatt.planning.capacity import Capacity
from kwatt.planning.layout import UNLIMITED, Ints, bounded
from kwatt.planning.menu import NEVER, Menu, menu_of
from kwatt.planning.options import Offer, shape_on

SCALE: Final = 2**16  # costs and prices are integers in this part of a milliwatt
LARGEST: Final = 2**58  # a cost of this size is not exact any more
_MOST_RATE: Final = 2**52
_MOST_NPUS: Final = 2**24
_MOST_HOST: Final = 2**34  # millicores or MiB of one replica; to need less is never harder
_UNSURE: Final = 2.0**-48  # more than the relative error of the few float operations of a cost

_Bools = npt.NDArray[np.bool_]
_Floats = npt.NDArray[np.float64]


class Stray(NamedTuple):
    """Replicas on nodes with other NPUs: staying there frees up to `credit` milliwatts of idle draw each."""

    replicas: int
    credit: int


class Want(NamedTuple):
    """A service whose rate is asked for, with the offers that it may choose.

    `target` is the rate to serve, in millionths of a unit per second. `in_part`: it is less than the
    service asks for, and a plan that serves more of it counts too.
    """

    service: Service
    offers: tuple[Offer, ...]
    target: int
    in_part: bool = False
    strays: Mapping[Variant, Stray] = {}


@dataclass(frozen=True, slots=True)
class Columns:
    """One entry per column, ascending by `service`; `starts` is where each service's begin.

    A column is `replicas` of an `offer` of the menu. `npus`, whole `watts` above idle, `cpu` (millicores)
    and `memory` (MiB, rounded down) count those on nodes of the column's kind, which occupy `nodes` at
    least. `cost` is the draw minus the idle draw of
    the NPUs taken, in milliwatts x SCALE, rounded down.
    """

    menu: Menu
    service: Ints
    offer: Ints
    replicas: Ints
    kind: Ints
    npus: Ints
    watts: Ints
    cpu: Ints
    memory: Ints
    nodes: Ints
    cost: Ints
    starts: Ints

    @property
    def are_exact(self) -> bool:
        """Tell whether no cost had to be cut."""
        return int(np.abs(self.cost).max(initial=0)) < LARGEST

    def only(self, chosen: npt.NDArray[np.bool_] | Ints) -> Columns:
        """Return some of the columns; the services without any are left out of `starts`."""
        service = self.service[chosen]
        return Columns(
            self.menu,
            service,
            self.offer[chosen],
            self.replicas[chosen],
            self.kind[chosen],
            self.npus[chosen],
            self.watts[chosen],
            self.cpu[chosen],
            self.memory[chosen],
            self.nodes[chosen],
            self.cost[chosen],
            np.flatnonzero(np.diff(service, prepend=-1)),
        )


def are_exact(capacity: Capacity, wants: Sequence[Want]) -> bool:
    """Tell whether rates and NPUs are small enough for the vectors: rates below 4.5 G a second."""
    targets = max((want.target for want in wants), default=0)
    distinct = {id(want.offers): want.offers for want in wants}.values()
    rates = max((o.curve.rates[-1] for offers in distinct for o in offers), default=0)
    npus = capacity.usable.sum(dtype=np.float64)
    return max(targets, rates) < _MOST_RATE and npus < _MOST_NPUS


def columns_of(capacity: Capacity, wants: Sequence[Want]) -> Columns:
    """Return the columns of all wants; those of one service are in the order of its offers."""
    pairs = _Pairs(capacity, wants)
    parts = list(_columns(pairs))
    chosen = np.concatenate([part.pair for part in parts])
    order = np.argsort(chosen, kind="stable")
    pair = chosen[order]
    replicas, here, cost = (
        np.concatenate(vectors)[order]
        for vectors in zip(*((p.replicas, p.at_home, p.cost) for p in parts), strict=True)
    )
    service, offer, kind = pairs.service[pair], pairs.offer[pair], pairs.kind[pair]
    return Columns(
        menu=pairs.menu,
        service=service,
        offer=offer,
        replicas=replicas,
        kind=kind,
        npus=here * pairs.menu.npus[offer],
        watts=here * pairs.menu.watts[offer],
        cpu=here * pairs.cpu[pair],
        memory=here * pairs.memory[pair],
        nodes=_ceiling(here, np.maximum(pairs.deepest[offer], 1)),
        cost=cost,
        starts=np.flatnonzero(np.diff(service, prepend=-1)),
    )


class _Part(NamedTuple):
    pair: Ints
    replicas: Ints
    at_home: Ints
    cost: Ints


class _Pairs:
    """Every service with every offer that it may choose and that meets its limits, as vectors."""

    def __init__(self, capacity: Capacity, wants: Sequence[Want]) -> None:
        self.menu = menu = menu_of(want.offers for want in wants)
        kinds = [capacity.kinds[o.variant.npu_class, o.variant.resource] for o in menu.offers]
        slots = [
            capacity.usable_of(kind) // npus
            for kind, npus in zip(kinds, menu.npus.tolist(), strict=True)
        ]
        self.deepest = _vector([int(of_kind.max(initial=0)) for of_kind in slots])
        service, offer = _every_pair(menu, wants)
        services = [want.service for want in wants]
        latency = _vector(
            [NEVER if s.latency_micros is None else s.latency_micros for s in services]
        )
        best = _best_rates(menu, offer, latency[service])
        can_serve = best > 0
        self.service, self.offer, best = service[can_serve], offer[can_serve], best[can_serve]
        self.latency = latency[self.service]
        self.kind = _vector(kinds)[self.offer]
        self.target = _vector([want.target for want in wants])[self.service]
        self.cpu, self.memory = self._host(services)
        self.in_part = np.array([want.in_part for want in wants], dtype=np.bool_)[self.service]
        self.strays, self.credit = self._strays(wants)
        slots_in_all = _vector([int(of_kind.sum()) for of_kind in slots])[self.offer]
        self.most = np.minimum(self._most(services), slots_in_all + self.strays)
        least = _vector([bounded(max(1, s.min_replicas)) for s in services])[self.service]
        enough = np.where(self.in_part, _ceiling(self.target, best), 0)
        self.least = np.maximum(least, enough)

    def meeting(self, place: int) -> _Bools:
        """Tell which pairs allow a share that the point at `place` covers.

        In part all do: `least` sees to it, and a plan may as well serve more.
        """
        known = place < self.menu.sizes[self.offer]
        meets = self.menu.p99[self.offer, place] <= self.latency
        within: _Bools = known & (self.in_part | meets)
        return within

    def powers(self, place: int) -> Ints:
        """Return the power of the point at `place`, or the least from there on where served in part."""
        exact: Ints = self.menu.powers[self.offer, place]
        if not self.in_part.any():
            return exact
        on: Ints = self.menu.powers_on[self.offer, place]
        return np.where(self.in_part, on, exact)

    def _most(self, services: Sequence[Service]) -> Ints:
        most = [UNLIMITED if s.max_replicas is None else bounded(s.max_replicas) for s in services]
        limits = [
            UNLIMITED if s.power_limit is None else bounded(s.power_limit.milliwatts)
            for s in services
        ]
        reserved = self.menu.reserved[self.offer]
        limit = _vector(limits)[self.service]
        by_power = np.where(
            (reserved > 0) & (limit < UNLIMITED), limit // np.maximum(reserved, 1), UNLIMITED
        )
        within: Ints = np.minimum(_vector(most)[self.service], by_power)
        return within

    def _host(self, services: Sequence[Service]) -> tuple[Ints, Ints]:
        """Return the millicores and MiB (rounded down) that one replica asks for."""
        cpu = _vector([_cpu(s.shape) for s in services])[self.service]
        memory = _vector([_memory(s.shape) for s in services])[self.service]
        for number, service in enumerate(services):
            for pair in np.flatnonzero(self.service == number).tolist() if service.shapes else ():
                npu_class = self.menu.offers[self.offer[pair]].variant.npu_class
                shape = shape_on(service, npu_class)
                cpu[pair], memory[pair] = _cpu(shape), _memory(shape)
        return cpu, memory

    def _strays(self, wants: Sequence[Want]) -> tuple[Ints, _Floats]:
        replicas = np.zeros(len(self.service), dtype=np.int64)
        credit = np.zeros(len(self.service), dtype=np.float64)
        for number, want in enumerate(wants):
            for variant, stray in want.strays.items():
                for pair in np.flatnonzero(self.service == number).tolist():
                    if self.menu.offers[self.offer[pair]].variant == variant:
                        replicas[pair], credit[pair] = stray
        return replicas, credit


def _cpu(shape: PodShape) -> int:
    return min(shape.cpu_milli, _MOST_HOST)


def _memory(shape: PodShape) -> int:
    return min(shape.memory_bytes // 2**20, _MOST_HOST)


def _every_pair(menu: Menu, wants: Sequence[Want]) -> tuple[Ints, Ints]:
    """Return the service and the offer of every pair, ascending by service."""
    lengths = _vector([len(want.offers) for want in wants])
    first = _vector([menu.first[id(want.offers)] for want in wants])
    service = np.repeat(np.arange(len(wants)), lengths)
    before = np.cumsum(lengths) - lengths
    offer = np.arange(len(service)) - np.repeat(before - first, lengths)
    return service, offer


def _best_rates(menu: Menu, offer: Ints, latency: Ints) -> Ints:
    """Return the highest rate of one replica within the latency limit, 0 without any."""
    best = np.zeros(len(offer), dtype=np.int64)
    for place in range(menu.rates.shape[1]):
        meets = (place < menu.sizes[offer]) & (menu.p99[offer, place] <= latency)
        best = np.where(meets, menu.rates[offer, place], best)
    return best


def _columns(pairs: _Pairs) -> Iterator[_Part]:
    """Yield columns, for each pair those of fewer replicas first."""
    best = np.full(len(pairs.service), 2**62, dtype=np.int64)
    none = np.zeros(len(pairs.service), dtype=np.int64)
    yield _Part(none[:0], none[:0], none[:0], none[:0])
    for place in range(pairs.menu.rates.shape[1] - 1, -1, -1):
        low, high = _range(pairs, place)
        feasible = (low <= high) & pairs.meeting(place)
        for replicas in (low, high):
            cost = _cost(pairs, place, replicas, strays=none)
            chosen = feasible & (cost < best)
            best = np.where(chosen, cost, best)
            yield _part(chosen, replicas, replicas, cost)
        if pairs.strays.any():
            yield from _with_strays(pairs, place, (low, high), feasible)


def _with_strays(
    pairs: _Pairs, place: int, ends: tuple[Ints, Ints], feasible: _Bools
) -> Iterator[_Part]:
    """Yield the columns whose strays all stay; cost is linear in R up to their number and beyond it.

    Together with those without strays they span any number that stays.
    """
    low, high = ends
    for replicas in (low, np.clip(pairs.strays, low, np.maximum(low, high)), high):
        strays = np.minimum(replicas, pairs.strays)
        cost = _cost(pairs, place, replicas, strays=strays)
        yield _part(feasible & (strays > 0), replicas, replicas - strays, cost)


def _part(chosen: _Bools, replicas: Ints, at_home: Ints, cost: Ints) -> _Part:
    return _Part(np.flatnonzero(chosen), replicas[chosen], at_home[chosen], cost[chosen])


def _range(pairs: _Pairs, place: int) -> tuple[Ints, Ints]:
    """Return the least and the most replicas for which the point at `place` covers a share.

    r1 >= T/R > r0 with the rates r0 and r1 of the points below and at `place`.
    """
    rates, target = pairs.menu.rates[pairs.offer], pairs.target
    nothing = np.where(target > 0, UNLIMITED, 0)
    at = rates[:, place]
    low = np.where(at > 0, _ceiling(target, np.maximum(at, 1)), nothing)
    high = np.full(len(target), UNLIMITED, dtype=np.int64)
    if place > 0:
        below = rates[:, place - 1]
        high = np.where(below > 0, _ceiling(target, np.maximum(below, 1)) - 1, nothing)
    return np.maximum(low, pairs.least), np.minimum(high, pairs.most)


def _cost(pairs: _Pairs, place: int, replicas: Ints, *, strays: Ints) -> Ints:
    """Return R W(T/R) minus the idle draw of the NPUs taken, in milliwatts x SCALE, rounded down.

    Below the lowest point R p; between two points R p0 + (p1 - p0) (T - R r0) / (r1 - r0).
    """
    count = np.minimum(replicas, 2**31).astype(np.float64)
    powers = pairs.powers(max(0, place - 1))
    base, rise = count * powers, np.zeros(len(count))
    if place > 0:
        below, run = pairs.menu.rates[pairs.offer, place - 1], _runs(pairs.menu, place)
        slope = (pairs.powers(place) - powers) / run[pairs.offer]
        rise = slope * (pairs.target.astype(np.float64) - count * below)
    idle = np.maximum(count - strays, 0) * pairs.menu.idle[pairs.offer] + strays * pairs.credit
    unsure = _UNSURE * (np.abs(base) + np.abs(rise) + np.abs(idle))
    exact_or_less = np.floor((base + rise - idle - unsure) * SCALE)
    cost: Ints = exact_or_less.clip(-LARGEST, LARGEST).astype(np.int64)
    return cost


def _runs(menu: Menu, place: int) -> Ints:
    """Return how far the point at `place` lies from the one below; 1 where there is none."""
    run = menu.rates[:, place] - menu.rates[:, place - 1]
    return np.where(place < menu.sizes, run, 1)


def _ceiling(numerator: Ints, denominator: Ints) -> Ints:
    return -(-numerator // denominator)


def _vector(amounts: Sequence[int]) -> Ints:
    return np.array(amounts, dtype=np.int64)
