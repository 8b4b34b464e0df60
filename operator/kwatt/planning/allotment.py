"""Allotment: the watts of budgets dealt out to nodes, so that watts have a price like NPUs. A guide only.

No bound comes from this: a budget may be used otherwise. It tells which columns go together with caps, and
which nodes are dear because other nodes under the same budget make more of its watts.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from kwatt.planning.capacity import Capacity
from kwatt.planning.columns import SCALE, Columns
from kwatt.planning.layout import Ints

_LEAST_USE: Final = 0.125  # a kind that nobody takes so far counts as if taken to this part
_STEP: Final = 500  # milliwatts: surcharges that differ by less are alike
_TIGHT: Final = 0.97  # from this part of the watts on caps count: replicas come in whole numbers

_Floats = npt.NDArray[np.float64]


def watts_of_nodes(capacity: Capacity, columns: Columns, chosen: Ints) -> Ints | None:
    """Return whole watts above idle for each node, or None where the chosen columns need no more.

    Each budget is dealt out in proportion to what its nodes would draw with services as chosen.
    """
    kinds = len(capacity.kinds)
    npus = _by_kind(columns.kind[chosen], columns.npus[chosen], kinds)
    watts = _by_kind(columns.kind[chosen], columns.watts[chosen], kinds)
    known = capacity.kind >= 0
    in_all = _by_kind(capacity.kind[known], capacity.usable[known], kinds)
    use = np.clip(npus / np.maximum(1, in_all), _LEAST_USE, 1)
    wanted = capacity.usable * _by_node(capacity, _densities(capacity, columns, chosen))
    dealt = _dealt(capacity, wanted, _by_node(capacity, use))
    in_stock = np.bincount(capacity.kind[known], weights=dealt[known], minlength=kinds)
    binds = watts > _TIGHT * in_stock
    binds |= (npus / np.maximum(1, in_all) < watts / np.maximum(1.0, in_stock)) & (npus > 0)
    return np.floor(dealt).astype(np.int64) if binds.any() else None


def surcharges_at(capacity: Capacity, columns: Columns, chosen: Ints, prices: Ints) -> Ints:
    """Return, by node, the milliwatts that the watts of one NPU are worth to others under its budgets.

    `prices` are those of a watt by kind, in milliwatts x SCALE. A budget's price is the mean of its nodes',
    each by the watts that it would draw when full.
    """
    price, each = (
        _by_node(capacity, prices / SCALE),
        _by_node(capacity, _densities(capacity, columns, chosen)),
    )
    drawn: _Floats = 1000 * each * capacity.usable + capacity.opening
    surcharges = np.zeros(len(drawn))
    for members in capacity.layout.members:
        nodes = np.array(members, dtype=np.int64)
        mean = float((drawn[nodes] * price[nodes]).sum()) / max(1.0, float(drawn[nodes].sum()))
        surcharges[nodes] = np.maximum(surcharges[nodes], mean * each[nodes])
    return (np.rint(surcharges / _STEP) * _STEP).astype(np.int64)


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
    """Return the watts above idle per NPU by kind, of a kind that nobody takes those of all its columns."""
    kinds = len(capacity.kinds)
    npus = _by_kind(columns.kind[chosen], columns.npus[chosen], kinds)
    watts = _by_kind(columns.kind[chosen], columns.watts[chosen], kinds)
    of_all = _by_kind(columns.kind, columns.watts, kinds)
    of_all /= np.maximum(1, _by_kind(columns.kind, columns.npus, kinds))
    return np.where(npus > 0, watts / np.maximum(1, npus), of_all)


def _by_node(capacity: Capacity, by_kind: _Floats) -> _Floats:
    """Return the figure of each node's kind, 0 for nodes that nobody can use."""
    return np.where(capacity.kind >= 0, by_kind[capacity.kind], 0.0)


def _by_kind(kind: Ints, amounts: Ints, kinds: int) -> _Floats:
    return np.bincount(kind, weights=amounts, minlength=kinds).astype(np.float64)
