"""Pairs: every service with every offer that it may choose and that meets its limits, as vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from kwatt.model.keys import Variant
from kwatt.model.snapshot import PodShape, Service
from kwatt.planning.capacity import Capacity
from kwatt.planning.layout import UNLIMITED, Ints, bounded, vector_of
from kwatt.planning.menu import NEVER, Menu, menu_of
from kwatt.planning.options import Offer, shape_on

_MOST_HOST: Final = 2**34  # millicores or MiB of one replica; to need less is never harder

_MOST_LARGEST: Final = 32  # nodes of a kind with which needs are compared one by one

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


class Pairs:
    """Every service with every offer that it may choose and that meets its limits, as vectors."""

    def __init__(self, capacity: Capacity, wants: Sequence[Want]) -> None:
        self.menu = menu = menu_of(want.offers for want in wants)
        kinds = [capacity.kinds[o.variant.npu_class, o.variant.resource] for o in menu.offers]
        deepest, slots = _slots(capacity, list(zip(kinds, menu.npus.tolist(), strict=True)))
        self.deepest = _vector(deepest)
        service, offer = _every_pair(menu, wants)
        services = [want.service for want in wants]
        latency = vector_of(
            [NEVER if s.latency_micros is None else s.latency_micros for s in services]
        )
        best = _best_rates(menu, offer, latency[service])
        can_serve = best > 0
        self.service, self.offer, best = service[can_serve], offer[can_serve], best[can_serve]
        self.kind = _vector(kinds)[self.offer]
        self.cpu, self.memory = self._host(services)
        self.strays, self.credit = self._strays(wants)
        fits = self._fits(capacity) | (self.strays > 0)
        if not fits.all():
            self.service, self.offer, best = self.service[fits], self.offer[fits], best[fits]
            self.kind, self.cpu, self.memory = self.kind[fits], self.cpu[fits], self.memory[fits]
            self.strays, self.credit = self.strays[fits], self.credit[fits]
        self.latency = latency[self.service]
        self.target = _vector([want.target for want in wants])[self.service]
        self.in_part = np.array([want.in_part for want in wants], dtype=np.bool_)[self.service]
        slots_in_all = _vector(slots)[self.offer]
        self.most = np.minimum(self._most(services), slots_in_all + self.strays)
        fewest = np.maximum(1, vector_of([s.min_replicas for s in services]))
        self.least = fewest[self.service]
        if self.in_part.any():
            enough = np.where(self.in_part, ceiling_of(self.target, best), 0)
            self.least = np.maximum(self.least, enough)

    def meeting(self, place: int) -> _Bools:
        """Tell which pairs allow a share that the point at `place` covers.

        In part all do: `least` sees to it, and a plan may as well serve more.
        """
        meets: _Bools = self.menu.p99[:, place].take(self.offer) <= self.latency
        if self.in_part.any():
            meets |= self.in_part & (place < self.menu.sizes[self.offer])
        return meets

    def line(self, place: int, at: Ints) -> tuple[_Floats, _Floats]:
        """Return, for pairs `at`, the power of the point below `place` and its rise by rate up to there.

        In part it is the least power from each of the points on. Below the first point nothing rises.
        """
        offer, (power, slope) = self.offer[at], self.menu.line(self.menu.powers, place)
        if not self.in_part.any():
            return power.take(offer), slope.take(offer)
        (least, by_rate), in_part = self.menu.line(self.menu.powers_on, place), self.in_part[at]
        powers: _Floats = np.where(in_part, least.take(offer), power.take(offer))
        return powers, np.where(in_part, by_rate.take(offer), slope.take(offer))

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
        cpu = vector_of([s.shape.cpu_milli for s in services])
        memory = vector_of([s.shape.memory_bytes for s in services]) // 2**20
        cpu = np.minimum(cpu, _MOST_HOST)[self.service]
        memory = np.minimum(memory, _MOST_HOST)[self.service]
        for number in (n for n, service in enumerate(services) if service.shapes):
            service = services[number]
            for pair in np.flatnonzero(self.service == number).tolist():
                npu_class = self.menu.offers[self.offer[pair]].variant.npu_class
                shape = shape_on(service, npu_class)
                cpu[pair], memory[pair] = _cpu(shape), _memory(shape)
        return cpu, memory

    def _fits(self, capacity: Capacity) -> _Bools:
        """Tell which pairs have a node that takes at least one replica."""
        needs = np.stack([self.menu.npus[self.offer], self.cpu, self.memory])
        largest = [_largest(capacity, kind) for kind in range(len(capacity.kinds))]
        most = np.array([nodes.max(axis=0, initial=-1) for nodes in largest]).T
        fits = np.ones(len(self.kind), dtype=np.bool_)
        for need, of_kind in zip(needs, most, strict=True):
            fits &= need <= of_kind.take(self.kind)
        for kind, nodes in enumerate(largest):
            if len(nodes) > 1:
                here = np.flatnonzero(fits & (self.kind == kind))
                fits[here] = _is_within_any(needs[:, here], nodes)
        return fits

    def _strays(self, wants: Sequence[Want]) -> tuple[Ints, _Floats]:
        replicas = np.zeros(len(self.service), dtype=np.int64)
        credit = np.zeros(len(self.service), dtype=np.float64)
        for number in (n for n, want in enumerate(wants) if want.strays):
            for variant, stray in wants[number].strays.items():
                for pair in np.flatnonzero(self.service == number).tolist():
                    if self.menu.offers[self.offer[pair]].variant == variant:
                        replicas[pair], credit[pair] = stray
        return replicas, credit


def _slots(capacity: Capacity, asked: Sequence[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """Return, for NPUs of a kind, how many such replicas one node takes at most, and all nodes together."""
    found: dict[tuple[int, int], tuple[int, int]] = {}
    for kind, npus in sorted(set(asked)):
        of_kind = capacity.usable_of(kind) // npus
        found[kind, npus] = int(of_kind.max(initial=0)), int(of_kind.sum())
    return [found[one][0] for one in asked], [found[one][1] for one in asked]


def _largest(capacity: Capacity, kind: int) -> Ints:
    """Return (NPUs, millicores, MiB) of the nodes of a kind than which no other has more of all.

    Where these are many, one that has the most of each stands for them.
    """
    here = capacity.kind == kind
    of_nodes = np.stack([capacity.usable[here], capacity.cpu[here], capacity.memory[here]], axis=1)
    if not len(of_nodes):
        return of_nodes
    left = np.unique(of_nodes, axis=0)
    found: list[Ints] = []
    while len(left):
        if len(found) == _MOST_LARGEST:
            return np.array([of_nodes.max(axis=0)])
        found.append(left[(left / left.max(axis=0).clip(1)).sum(axis=1).argmax()])
        left = left[(left > found[-1]).any(axis=1)]
    return np.array(found)


def _is_within_any(needs: Ints, nodes: Ints) -> _Bools:
    """Tell which columns of `needs` are within at least one row of `nodes`."""
    within = np.zeros(needs.shape[1], dtype=np.bool_)
    for node in nodes:
        within |= (needs <= node[:, None]).all(axis=0)
    return within


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
        meets = menu.p99[:, place].take(offer) <= latency
        best = np.where(meets, menu.rates[:, place].take(offer), best)
    return best


def ceiling_of(numerator: Ints, denominator: Ints) -> Ints:
    """Return quotients rounded up."""
    return -(-numerator // denominator)


def _vector(amounts: Sequence[int]) -> Ints:
    return np.array(amounts, dtype=np.int64)
