"""Allotment: which watts of budgets go to which nodes where there are too few for all. A guide, no proof.

It tells which columns go together with caps, which nodes are dear because others under the same budget make
more of its watts, and which have to stay closed because there are no watts for them.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from kwatt.planning.capacity import Capacity
from kwatt.planning.choice import Stock, chosen_at
from kwatt.planning.columns import SCALE, Columns
from kwatt.planning.guide import Guide
from kwatt.planning.lagrangian import Prices, Relaxation, sum_of
from kwatt.planning.layout import Ints
from kwatt.planning.prices import ascended
from kwatt.planning.shares import (
    LEAST_USE,
    Shares,
    by_node,
    idle_of,
    pools_of_nodes,
    rooms_of_cells,
    with_idle,
)

_STEP: Final = 500  # milliwatts: surcharges that differ by less are alike
_TIGHT: Final = 0.97  # from this part of the watts on caps count: replicas come in whole numbers
_ROUNDS: Final = 16
_PRECISION: Final = 10**5  # smaller parts by which the ascent rises do not count

_Floats = npt.NDArray[np.float64]


class Allotment(NamedTuple):
    """A column per service (`chosen`), what columns are `paid` and what there is of what they need.

    `cost` is that of the chosen columns, with the idle draw of the NPUs they take.
    """

    chosen: Ints
    paid: Ints
    stock: Stock
    guide: Guide
    cost: int


def allotted(
    capacity: Capacity, relaxation: Relaxation, prices: Prices, before: Ints, waste: int
) -> Allotment:
    """Choose within budgets that bind; those over others are dealt out by the choice `before`.

    `prices` are those without budgets. `waste` thousandths of the watts are left out.
    """
    problem = with_idle(relaxation, capacity)
    columns = problem.columns
    rooms = rooms_of_cells(capacity, columns, before)
    shares = Shares(capacity, problem, rooms - waste * (rooms // 1000))
    first = np.array([getattr(prices, name) for name in shares.names])
    idle = idle_of(capacity, relaxation.kinds)
    first[0] = np.maximum(0, first[0] - SCALE * idle)
    price = ascended(columns, shares, first, _PRECISION)
    needs = np.array([getattr(columns, name) for name in shares.names])
    paid = columns.cost.copy()
    for need, of_kind in zip(needs, price, strict=True):
        paid += of_kind[columns.kind] * need
    stock = Stock(needs, shares.supply, idle)
    chosen = chosen_at(columns, paid, stock)
    each = 1000 * _densities(capacity, columns, chosen)
    value = shares.marginal(price)[capacity.layout.domain_numbers] / SCALE
    surcharges = np.rint(value * by_node(capacity, each) / _STEP) * _STEP
    npus = _by_kind(columns.kind[chosen], columns.npus[chosen], len(each))
    spare = _spare(capacity, shares, each, npus)
    guide = Guide(surcharges.astype(np.int64), spare, _planned(capacity, shares, spare))
    return Allotment(chosen, paid, stock, guide, sum_of(columns.cost[chosen]))


def do_budgets_bind(capacity: Capacity, columns: Columns, chosen: Ints) -> bool:
    """Tell whether chosen columns may need more watts than the budgets have for the nodes of their kind."""
    kinds = len(capacity.kinds)
    npus = _by_kind(columns.kind[chosen], columns.npus[chosen], kinds)
    watts = _by_kind(columns.kind[chosen], columns.watts[chosen], kinds)
    known = capacity.kind >= 0
    in_all = _by_kind(capacity.kind[known], capacity.usable[known], kinds)
    use = np.clip(npus / np.maximum(1, in_all), LEAST_USE, 1)
    wanted = capacity.usable * by_node(capacity, _densities(capacity, columns, chosen))
    dealt = _dealt(capacity, wanted, by_node(capacity, use))
    in_stock = np.bincount(capacity.kind[known], weights=dealt[known], minlength=kinds)
    binds = watts > _TIGHT * in_stock
    binds |= (npus / np.maximum(1, in_all) < watts / np.maximum(1.0, in_stock)) & (npus > 0)
    return bool(binds.any())


def _spare(
    capacity: Capacity, shares: Shares, each: _Floats, npus: _Floats
) -> npt.NDArray[np.bool_]:
    """Tell which nodes there are no watts for, with so many milliwatts for `each` of the `npus` of a kind.

    Where too few would be left, cells with few watts get those that reserve less, as there are `npus` to seat.
    """
    pools, watts = shares.pools
    usable = _usable(capacity, pools, capacity.kind >= 0)
    kinds = pools % len(each)
    watts_of_npu, wanted = np.maximum(1.0, each), np.zeros(len(pools))
    for _ in range(_ROUNDS):
        wanted = np.minimum(usable, watts / watts_of_npu[kinds])
        in_all = np.bincount(kinds, weights=wanted, minlength=len(each))
        watts_of_npu *= np.clip(in_all / np.maximum(1.0, npus), 0.5, 1.0)
    return _beyond(capacity, pools, wanted)


def _beyond(capacity: Capacity, pools: Ints, wanted: _Floats) -> npt.NDArray[np.bool_]:
    """Tell which nodes are not needed for so many NPUs of each pool, those that cost least taken first."""
    left = dict(zip(pools.tolist(), wanted.tolist(), strict=True))
    numbers, usable = pools_of_nodes(capacity).tolist(), capacity.usable.tolist()
    beyond = np.zeros(len(usable), dtype=np.bool_)
    cost = capacity.opening / np.maximum(1, capacity.usable)
    for node in np.argsort(cost, kind="stable").tolist():
        if numbers[node] in left:
            beyond[node] = left[numbers[node]] < usable[node] / 2
            left[numbers[node]] -= usable[node]
    return beyond


def _planned(capacity: Capacity, shares: Shares, spare: npt.NDArray[np.bool_]) -> Ints:
    """Return the milliwatts of each pool by node, in proportion to NPUs, spare nodes left out."""
    pools, watts = shares.pools
    each = watts / np.maximum(1.0, _usable(capacity, pools, ~spare))
    place = np.minimum(np.searchsorted(pools, pools_of_nodes(capacity)), len(pools) - 1)
    used = (capacity.kind >= 0) & ~spare
    return np.where(used, np.floor(each[place] * capacity.usable), 0).astype(np.int64)


def _usable(capacity: Capacity, pools: Ints, which: npt.NDArray[np.bool_]) -> _Floats:
    """Return the NPUs of each pool on the nodes told by `which`."""
    numbers = pools_of_nodes(capacity)
    known = (numbers >= 0) & which
    place = np.searchsorted(pools, numbers[known])
    npus = np.bincount(place, weights=capacity.usable[known], minlength=len(pools))
    return npus.astype(np.float64)


def _dealt(capacity: Capacity, wanted: _Floats, use: _Floats) -> _Floats:
    """Return the least that any budget deals to each node, at most a little more than it wants."""
    dealt: _Floats = wanted * 1.3
    for number, members in enumerate(capacity.layout.members):
        nodes = np.array(members, dtype=np.int64)
        share: _Floats = wanted[nodes] * use[nodes]
        room = float(capacity.rooms[number])
        if capacity.layout.budgets[number].empty_off:
            room -= float((capacity.opening[nodes] * use[nodes]).sum())
        if share.sum() > 0:
            each: _Floats = (
                max(0.0, room) / 1000 * share / share.sum() / np.maximum(use[nodes], 1e-9)
            )
            dealt[nodes] = np.minimum(dealt[nodes], each)
    return dealt


def _densities(capacity: Capacity, columns: Columns, chosen: Ints) -> _Floats:
    """Return the watts of columns per NPU by kind, of a kind that nobody takes those of all its columns."""
    kinds = len(capacity.kinds)
    npus = _by_kind(columns.kind[chosen], columns.npus[chosen], kinds)
    watts = _by_kind(columns.kind[chosen], columns.watts[chosen], kinds)
    of_all = _by_kind(columns.kind, columns.watts, kinds)
    of_all /= np.maximum(1, _by_kind(columns.kind, columns.npus, kinds))
    return np.where(npus > 0, watts / np.maximum(1, npus), of_all)


def _by_kind(kind: Ints, amounts: Ints, kinds: int) -> _Floats:
    return np.bincount(kind, weights=amounts, minlength=kinds).astype(np.float64)
