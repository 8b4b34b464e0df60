"""Seating: newcomers are packed at prices, and where budgets are in the way, at prices that know of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from kwatt.planning.allotment import Allotment, allotted, do_budgets_bind
from kwatt.planning.bins import Bins
from kwatt.planning.capacity import Capacity
from kwatt.planning.choice import Stock, chosen_at
from kwatt.planning.draft import Draft
from kwatt.planning.emptying import improve
from kwatt.planning.guide import Guide
from kwatt.planning.lagrangian import Prices, Relaxation, paid_at
from kwatt.planning.layout import Ints
from kwatt.planning.packing import Order, Packing
from kwatt.planning.pieces import Pieces
from kwatt.planning.prices import names_of, prices_of
from kwatt.planning.rounding import Rounding
from kwatt.planning.shares import idle_of
from kwatt.planning.weighing import Wanted, wanted_by, weighed

_WASTES: Final = (0, 15, 30)  # thousandths of watts that nodes filled in part are taken to waste
_FEW: Final = 50  # where more than this part of the services find no seat, no other waste is tried
_WEIGHINGS: Final = 2  # the first changes what is wanted, and so what the sizes take
MANY: Final = 2000  # services; with more, watts are left aside only where seats were wanting


class _Ways(NamedTuple):
    """Numbers of `steps` from a density to its double, within which densities count as alike.

    A packing will do that costs at most 1 / `near` more than what was chosen would cost without waste.
    """

    steps: tuple[int, ...]
    near: int


_BY_SIZE: Final = _Ways((16, 4), 200)
_TOGETHER: Final = _Ways(
    (4, 16), 10
)  # what goes together differs in density, and wastes cpu anyhow


def seated(
    draft: Draft, capacity: Capacity, relaxation: Relaxation, prices: Prices, pieces: Pieces
) -> Packing:
    """Return the best packing found: as sizes say, and where somebody has no seat, as parts of nodes."""
    seating, wanted = Seating(draft, capacity, relaxation, prices, pieces), Wanted()
    found = [seating.best()]
    for _ in range(_WEIGHINGS):
        if seating.seats_all(found[-1]):
            break
        wanted += wanted_by(relaxation.columns, seating.plain)
        problem = weighed(capacity, relaxation, wanted)
        if problem is None:
            break
        prices = prices_of(problem.relaxation)
        seating = Seating(draft, problem.capacity, problem.relaxation, prices, pieces)
        found.append(seating.best())
    return min(found, key=lambda packing: (-len(packing.seats), packing.cost))


class Seating:
    """Ways to seat the services of a relaxation, `prices` are those without budgets."""

    def __init__(
        self,
        draft: Draft,
        capacity: Capacity,
        relaxation: Relaxation,
        prices: Prices,
        pieces: Pieces,
    ) -> None:
        self._draft, self._capacity, self._pieces = draft, capacity, pieces
        self._relaxation, self._prices = relaxation, prices
        self._together = relaxation.counts_hosts
        self._ways = _TOGETHER if self._together else _BY_SIZE
        self._everybody = len(relaxation.columns.starts)
        self._paid = paid_at(relaxation, prices)
        self._stock = _stock(capacity, relaxation)
        self._plain = chosen_at(relaxation.columns, self._paid, self._stock)

    @property
    def plain(self) -> Ints:
        """Return the columns, one per service, that are chosen without regard to budgets."""
        return self._plain

    def best(self) -> Packing:
        """Return the best packing that is found."""
        if do_budgets_bind(self._capacity, self._relaxation.columns, self._plain):
            return self._within_budgets()
        plain = self._begun_plainly()
        if self._together or not plain.left:
            return self._best([self._ended(plain)])
        # The watts are enough in all, but maybe not on some racks.
        allotment = self._allotted(self._plain, 0)
        other = self._seated(allotment, self._ways.steps[0])
        if self.seats_all(other) and other.cost <= self._most(allotment):
            return other
        return self._best([other, self._ended(plain)])

    def _within_budgets(self) -> Packing:
        """Try ways until one costs hardly more than what was chosen would cost without waste."""
        found: list[Packing] = []
        before = self._plain
        for waste in _WASTES:
            allotment = self._allotted(before, waste)
            for steps in self._ways.steps:
                found.append(self._seated(allotment, steps))
                settled = self._settled(found, self._most(allotment))
                if settled is not None:
                    return settled
            before = allotment.chosen
        if self._everybody <= MANY or not any(map(self.seats_all, found)):
            found.append(self._ended(self._begun_plainly()))
        return self._best(found)

    def _settled(self, found: Sequence[Packing], most: int) -> Packing | None:
        """Return what no other packing is tried for: the last if it costs at most so much and seats everybody.

        Or the best, where watts are too few however all are packed. One before the last may draw less, and
        leave lower priorities fewer watts.
        """
        if self.seats_all(found[-1]):
            return found[-1] if found[-1].cost <= most else None
        seated = max(len(packing.seats) for packing in found)
        return self._best(found) if seated < self._everybody - self._everybody // _FEW else None

    def _best(self, found: Sequence[Packing]) -> Packing:
        """Return the packing with the most seats, of those with as many the one that costs least once improved.

        Where everybody has a seat they are improved already.
        """
        most = max(len(packing.seats) for packing in found)
        best = [packing for packing in found if len(packing.seats) == most]
        for packing in best if most < self._everybody else ():
            improve(packing)
        return min(best, key=lambda packing: packing.cost)

    def _allotted(self, before: Ints, waste: int) -> Allotment:
        return allotted(self._capacity, self._relaxation, self._prices, before, waste)

    def _most(self, allotment: Allotment) -> int:
        return allotment.cost + allotment.cost // self._ways.near

    def seats_all(self, packing: Packing) -> bool:
        """Tell whether every service has a seat."""
        return len(packing.seats) == self._everybody

    def _seated(self, allotment: Allotment, steps: int) -> Packing:
        chosen, paid, stock, guide, _ = allotment
        return self._ended(self._begun(self._packing(paid, stock, guide, steps), chosen, stock))

    def _begun_plainly(self) -> _Begun:
        """Seat services as if there were no budgets, as far as these let them."""
        packing = self._packing(self._paid, self._stock, None, 0)
        return self._begun(packing, self._plain, self._stock)

    def _begun(self, packing: Packing, chosen: Ints, stock: Stock) -> _Begun:
        if not self._together:
            columns = self._relaxation.columns
            chosen = Rounding(self._capacity, columns, packing.paid, stock).rounded(chosen)
        return _Begun(packing, packing.first_seats(chosen), chosen, stock)

    def _packing(self, paid: Ints, stock: Stock, guide: Guide | None, steps: int) -> Packing:
        bins = Bins(self._draft.layout, self._draft.crowd, guide)
        order = Order(steps, self._together)
        return Packing(bins, self._relaxation.columns, self._pieces, paid, stock, order)

    def _ended(self, begun: _Begun) -> Packing:
        """Seat the others too where there is room, and lower the cost where everybody has a seat."""
        packing, left, chosen, stock = begun
        packing.seat_anyhow(packing.make_room(left, chosen, stock))
        if self.seats_all(packing):
            improve(packing)
        return packing


class _Begun(NamedTuple):
    """A packing, and who found no seat in it at first as chosen."""

    packing: Packing
    left: list[int]
    chosen: Ints
    stock: Stock


def _stock(capacity: Capacity, relaxation: Relaxation) -> Stock:
    names = names_of(relaxation)
    amounts = np.zeros((len(names), relaxation.kinds), dtype=np.int64)
    for pool in relaxation.pools:
        of_node = {"npus": pool.usable, "cpu": pool.cpu, "memory": pool.memory}
        amounts[:, pool.kind] += [of_node[name] * pool.nodes for name in names]
    needs = np.array([getattr(relaxation.columns, name) for name in names])
    return Stock(needs, amounts, idle_of(capacity, relaxation.kinds))
