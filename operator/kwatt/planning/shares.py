"""Shares: which nodes get the watts of budgets, at prices for NPUs and for watts. A guide, no proof.

A kind's NPUs cost their idle draw at least, so here cost and watts of columns contain it. Under each set of
budgets (a cell: mostly a rack) the nodes that earn most for each watt come first: up to the least watts
that their NPUs can reserve, then up to the most, until the cell's watts are gone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from kwatt.planning.capacity import Capacity
from kwatt.planning.columns import SCALE, Columns
from kwatt.planning.lagrangian import Relaxation
from kwatt.planning.layout import Ints
from kwatt.planning.prices import LEAST_STEP, names_of, whole_sum

_KEPT: Final = 0.9  # of the mean of what was taken, in each round of the ascent
LEAST_USE: Final = 0.125  # a kind that nobody takes so far counts as if taken to this part
_ROUNDS: Final = 16

_Floats = npt.NDArray[np.float64]


class Shares:
    """The supply of an ascent: NPUs, cpu and memory of all nodes, watts as the cells have them.

    A pool is what a cell has of a kind; it is two parts, the least watts that it can take and the rest.
    """

    def __init__(self, capacity: Capacity, relaxation: Relaxation, rooms: Ints) -> None:
        """`relaxation` is that `with_idle`; `rooms` are the milliwatts of the cells."""
        self.names, self.kinds, self._rooms = names_of(relaxation), relaxation.kinds, rooms
        numbers = pools_of_nodes(capacity)
        nodes = np.flatnonzero(numbers >= 0)
        pools, place = np.unique(numbers[nodes], return_inverse=True)
        self._pools = pools
        usable = np.bincount(place, weights=capacity.usable[nodes], minlength=len(pools))
        self._cell, self._kind = np.tile(pools // self.kinds, 2), np.tile(pools % self.kinds, 2)
        reserved = idle_of(capacity, self.kinds)[:, None] + np.array(
            [[1000 * watts / npus for watts, npus in both] for both in relaxation.densities]
        )
        self._least = np.maximum(1.0, reserved[:, 0])
        reserved = np.maximum(1.0, reserved)  # what draws nothing holds NPUs all the same
        least, most = (reserved[pools % self.kinds, end] * usable for end in (0, 1))
        self._size = np.rint(np.concatenate([least, most - least])).astype(np.int64)
        self._each = np.concatenate([usable / np.maximum(1, self._size[: len(pools)]), 0 * usable])
        self._firsts = np.flatnonzero(np.diff(np.sort(self._cell), prepend=-1))
        self._amounts = _amounts(capacity, self.names, nodes, self.kinds)
        self._price: Ints | None = None
        self._taken = self._mean = self._size.astype(np.float64)
        self._ratio = np.zeros(len(self._size))

    def earned(self, price: Ints) -> int:
        """Return what nodes and watts earn at most at the prices, in milliwatts x SCALE."""
        self._take(price)
        hosts = price[1:-1].astype(np.float64) * self._amounts[1:-1]
        return whole_sum(np.rint(self._taken * self._ratio)) + whole_sum(hosts.ravel())

    def lack(self, price: Ints, used: Ints) -> _Floats:
        """Return the share of each resource and kind that is lacking, below 0 where some is left over."""
        self._take(price)
        supply = self._supply(self._taken)
        share: _Floats = (used - supply) / np.maximum(1.0, np.maximum(used, supply))
        left = float((price * (supply - used).astype(np.float64)).sum())
        if share.max() < LEAST_STEP and left <= LEAST_STEP * self.earned(price):
            self._mean = self._taken  # all is there, and hardly anything that costs is left over
            return np.zeros_like(share)
        self._mean = _KEPT * self._mean + (1 - _KEPT) * self._taken
        return np.where(np.abs(share) < LEAST_STEP, 0.0, share).clip(-1, 1)

    def at_least_opening(self, price: _Floats) -> Ints:
        """Return whole prices; here opening is among the costs of columns."""
        rounded: Ints = np.rint(price).astype(np.int64)
        return rounded

    def least_steps(self, typical: int) -> _Floats:
        """Return, for a price near 0, from what size steps are taken: an eighth of a typical NPU's worth."""
        amounts = np.maximum(1, self._amounts)
        steps: _Floats = typical * (amounts[0] / amounts) / 8
        steps[-1] = typical * 1000 / self._least / 8
        return steps + 1

    @property
    def supply(self) -> Ints:
        """Return what there is by resource and kind, in the mean of the last rounds."""
        return self._supply(self._mean)

    @property
    def pools(self) -> tuple[Ints, _Floats]:
        """Return number and milliwatts of each pool, in the mean of the last rounds."""
        half = len(self._size) // 2
        return self._pools, self._mean[:half] + self._mean[half:]

    def marginal(self, price: Ints) -> _Floats:
        """Return what one more milliwatt would earn in each cell, in milliwatts x SCALE."""
        self._take(price)
        found, cut = np.zeros(len(self._rooms)), self._taken < self._size
        np.maximum.at(found, self._cell[cut], self._ratio[cut])
        return found

    def _supply(self, taken: _Floats) -> Ints:
        supply = self._amounts.copy()
        for row, each in ((0, self._each), (-1, 0.001)):
            found = np.bincount(self._kind, weights=taken * each, minlength=self.kinds)
            supply[row] = np.floor(found).astype(np.int64)
        return supply

    def _take(self, price: Ints) -> None:
        """Let each cell's best parts take its watts, as many as it has."""
        if self._price is price:
            return
        watts = (price[-1] / 1000)[self._kind]  # of a milliwatt, as all below
        self._price, self._ratio = price, watts + price[0][self._kind] * self._each
        order = np.lexsort((-self._ratio, self._cell))
        size = self._size[order]
        before = np.cumsum(size) - size
        lengths = np.diff([*self._firsts, len(order)])
        before -= np.repeat(before[self._firsts], lengths)
        taken = np.minimum(size, np.maximum(0, self._rooms[self._cell[order]] - before))
        self._taken = np.empty(len(order))
        self._taken[order] = taken


def pools_of_nodes(capacity: Capacity) -> Ints:
    """Return the number of each node's pool: cell x kinds + kind; -1 where nobody can use it."""
    kinds = len(capacity.kinds)
    usable = (capacity.kind >= 0) & (capacity.usable > 0)
    return np.where(usable, capacity.layout.domain_numbers * kinds + capacity.kind, -1)


def idle_of(capacity: Capacity, kinds: int) -> Ints:
    """Return, by kind, the milliwatts that opening a node costs for each of its NPUs."""
    known = (capacity.kind >= 0) & (capacity.usable > 0)
    kind = capacity.kind[known]
    opening = np.bincount(kind, weights=capacity.opening[known], minlength=kinds)
    usable = np.bincount(kind, weights=capacity.usable[known], minlength=kinds)
    return np.floor(opening / np.maximum(1, usable)).astype(np.int64)


def with_idle(relaxation: Relaxation, capacity: Capacity) -> Relaxation:
    """Return the problem with the idle draw of the NPUs taken in the cost and the watts of columns."""
    columns = relaxation.columns
    idle = columns.npus * idle_of(capacity, relaxation.kinds)[columns.kind]
    cost, watts = columns.cost + idle * SCALE, columns.watts - -idle // 1000
    columns = replace(columns, cost=cost, watts=watts)
    return replace(relaxation, columns=columns, counts_watts=True)


def rooms_of_cells(capacity: Capacity, columns: Columns, chosen: Ints) -> Ints:
    """Return the milliwatts of each cell, by its row in the layout's tables: what its budgets deal to it.

    A budget over several cells is dealt out in proportion to what their nodes would draw with services as
    chosen, to none more than it can use.
    """
    layout, cell = capacity.layout, capacity.layout.domain_numbers
    most = _most_reserved(capacity, columns)
    likely = np.maximum(most * LEAST_USE, _reserved(capacity, columns, chosen))
    most_of_node, likely_of_node = (
        by_node(capacity, each) * capacity.usable for each in (most, likely)
    )
    rooms = np.bincount(cell, weights=most_of_node).astype(np.float64)
    wanted = np.bincount(cell, weights=likely_of_node).astype(np.float64)
    for _, number in sorted((len(nodes), number) for number, nodes in enumerate(layout.members)):
        nodes = np.array(layout.members[number], dtype=np.int64)
        room, cells = float(capacity.rooms[number]), np.unique(cell[nodes])
        if not layout.budgets[number].empty_off:  # it counts no idle draw here
            room += float(capacity.opening[nodes].sum())
        rooms[cells] = _dealt(room, wanted[cells], rooms[cells])
    return np.floor(rooms).astype(np.int64)


def by_node(capacity: Capacity, by_kind: _Floats) -> _Floats:
    """Return the figure of each node's kind, 0 for nodes that nobody can use."""
    return np.where(capacity.kind >= 0, by_kind[capacity.kind], 0.0)


def _dealt(room: float, wanted: _Floats, most: _Floats) -> _Floats:
    """Deal a room out in proportion to what is wanted, to each at most what it has use for."""
    dealt = np.zeros(len(most))
    for _ in range(_ROUNDS):
        asking = np.where(dealt < most, wanted, 0.0)
        left, asked = room - float(dealt.sum()), float(asking.sum())
        if asked <= 0 or left <= 0:
            break
        dealt = np.minimum(most, dealt + asking * (left / asked))
    return dealt


def _most_reserved(capacity: Capacity, columns: Columns) -> _Floats:
    """Return, by kind, the milliwatts that columns reserve at most for an NPU."""
    most = np.zeros(len(capacity.kinds))
    np.maximum.at(most, columns.kind, 1000 * columns.watts / np.maximum(1, columns.npus))
    return most


def _reserved(capacity: Capacity, columns: Columns, chosen: Ints) -> _Floats:
    """Return, by kind, the milliwatts that chosen columns reserve, for each NPU that there is."""
    kinds, known = len(capacity.kinds), capacity.kind >= 0
    watts = np.bincount(columns.kind[chosen], weights=columns.watts[chosen], minlength=kinds)
    npus = np.bincount(capacity.kind[known], weights=capacity.usable[known], minlength=kinds)
    each: _Floats = 1000 * watts / np.maximum(1, npus)
    return each


def _amounts(capacity: Capacity, names: tuple[str, ...], nodes: Ints, kinds: int) -> Ints:
    """Return what nodes have by resource and kind; watts, which cells have, are left 0."""
    of_node = {"npus": capacity.usable, "cpu": capacity.cpu, "memory": capacity.memory}
    amounts = np.zeros((len(names), kinds), dtype=np.int64)
    for row, name in enumerate(names[:-1]):
        np.add.at(amounts[row], capacity.kind[nodes], of_node[name][nodes])
    return amounts
