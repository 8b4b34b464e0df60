"""Columns: every way to serve a service's share, as vectors (design 6).

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
from kwatt.planning.layout import UNLIMITED, Ints
from kwatt.planning.menu import Menu
from kwatt.planning.pairs import Pairs, Want, ceiling_of

SCALE: Final = 2**16  # costs and prices are integers in this part of a milliwatt
LARGEST: Final = 2**58  # a cost of this size is not exact any more
_MOST_RATE: Final = 2**52
_MOST_NPUS: Final = 2**24
_UNSURE: Final = 2.0**-48  # more than the relative error of the few float operations of a cost

_Bools = npt.NDArray[np.bool_]
_Floats = npt.NDArray[np.float64]


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

    @property
    def lengths(self) -> Ints:
        """Return how many columns each service has."""
        lengths: Ints = np.diff(self.starts, append=len(self.service))
        return lengths

    def cheapest(self, paid: Ints) -> tuple[Ints, Ints]:
        """Return the least that each service pays if columns are `paid` so much, and its first such column."""
        least = np.minimum.reduceat(paid, self.starts)
        at_least = np.flatnonzero(paid == np.repeat(least, self.lengths))
        return least, at_least[np.diff(self.service[at_least], prepend=-1) > 0]

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
    pairs = Pairs(capacity, wants)
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
        nodes=ceiling_of(here, np.maximum(pairs.deepest[offer], 1)),
        cost=cost,
        starts=np.flatnonzero(np.diff(service, prepend=-1)),
    )


class _Part(NamedTuple):
    pair: Ints
    replicas: Ints
    at_home: Ints
    cost: Ints


def _columns(pairs: Pairs) -> Iterator[_Part]:
    """Yield columns, for each pair those of fewer replicas first."""
    best = np.full(len(pairs.service), 2**62, dtype=np.int64)
    none = np.zeros(0, dtype=np.int64)
    yield _Part(none, none, none, none)
    for place, (low, high) in _ranges(pairs):
        feasible = (low <= high) & pairs.meeting(place)
        first = np.flatnonzero(feasible)
        last = first[low[first] < high[first]]
        for at, ends in ((first, low), (last, high)):
            replicas = ends[at]
            cost = _cost(pairs, place, replicas, at)
            chosen = cost < best[at]
            best[at[chosen]] = cost[chosen]
            count = replicas[chosen]
            yield _Part(at[chosen], count, count, cost[chosen])
        if pairs.strays.any():
            yield from _with_strays(pairs, place, (low, high), feasible)


def _with_strays(
    pairs: Pairs, place: int, ends: tuple[Ints, Ints], feasible: _Bools
) -> Iterator[_Part]:
    """Yield the columns whose strays all stay; cost is linear in R up to their number and beyond it.

    Together with those without strays they span any number that stays.
    """
    low, high = ends
    for replicas in (low, np.clip(pairs.strays, low, np.maximum(low, high)), high):
        at = np.flatnonzero(feasible & (np.minimum(replicas, pairs.strays) > 0))
        count, strays = replicas[at], np.minimum(replicas[at], pairs.strays[at])
        yield _Part(at, count, count - strays, _cost(pairs, place, count, at, strays))


def _ranges(pairs: Pairs) -> Iterator[tuple[int, tuple[Ints, Ints]]]:
    """Yield each place, the last first, with the least and the most replicas whose share its point covers.

    r1 >= T/R > r0 with the rates r0 and r1 of the points below and at the place.
    """
    last = pairs.menu.rates.shape[1] - 1
    low, _ = _ends(pairs, last)
    for place in range(last, 0, -1):
        below, high = _ends(pairs, place - 1)
        yield place, (np.maximum(low, pairs.least), np.minimum(high, pairs.most))
        low = below
    yield 0, (np.maximum(low, pairs.least), pairs.most)


def _ends(pairs: Pairs, place: int) -> tuple[Ints, Ints]:
    """Return the fewest replicas whose share the rate of a point covers, and the most whose share is more."""
    rate, target = pairs.menu.rates[:, place].take(pairs.offer), pairs.target
    fewest = ceiling_of(target, np.maximum(rate, 1))
    if (rate > 0).all():
        return fewest, fewest - 1
    nothing = np.where(target > 0, UNLIMITED, 0)
    return np.where(rate > 0, fewest, nothing), np.where(rate > 0, fewest - 1, nothing)


def _cost(pairs: Pairs, place: int, replicas: Ints, at: Ints, strays: Ints | None = None) -> Ints:
    """Return R W(T/R) minus the idle draw of the NPUs taken, in milliwatts x SCALE, rounded down.

    Below the lowest point R p; between two points R p0 + (p1 - p0) (T - R r0) / (r1 - r0). `replicas` and
    `strays` are those of the pairs `at`.
    """
    count, offer = np.minimum(replicas, 2**31).astype(np.float64), pairs.offer[at]
    powers, slope = pairs.line(place, at)
    base, rise = count * powers, np.zeros(len(count))
    if place > 0:
        below = pairs.menu.rates[:, place - 1].take(offer)
        rise = slope * (pairs.target[at].astype(np.float64) - count * below)
    if strays is None:
        idle = count * pairs.menu.idle[offer]
    else:
        idle = np.maximum(count - strays, 0) * pairs.menu.idle[offer] + strays * pairs.credit[at]
    unsure = np.abs(base)
    unsure += np.abs(rise)
    unsure += np.abs(idle)
    unsure *= _UNSURE
    exact_or_less = base  # in place: fresh memory would take as long as the sums
    exact_or_less += rise
    exact_or_less -= idle
    exact_or_less -= unsure
    exact_or_less *= SCALE
    np.floor(exact_or_less, out=exact_or_less)
    np.clip(exact_or_less, -LARGEST, LARGEST, out=exact_or_less)
    return exact_or_less.astype(np.int64)
