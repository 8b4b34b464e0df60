"""Scarcity: what the watts of a cluster can't do, however they are used. A proof, no plan."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from kwatt.planning.capacity import Capacity
from kwatt.planning.columns import Columns

_UNSURE: Final = 2.0**-30  # more than the relative error of adding up a million figures

_Floats = npt.NDArray[np.float64]


def lacking(capacity: Capacity, columns: Columns) -> float:
    """Return which part of the services more than the budgets over all nodes have watts for, at least.

    Each counts as much as the leanest of its columns takes: 0 is for nobody too many, 1 if there are watts
    for nobody at all.
    """
    found = 0.0
    for room, opening in _budgets_over_all(capacity):
        takes = 1000.0 * columns.watts + opening[columns.kind] * columns.npus
        least = np.minimum.reduceat(takes, columns.starts)
        enough = room * (1 + _UNSURE) + 1
        lean = float(least.sum())
        found = max(found, 1 - enough / lean if lean > enough else 0.0)
        if least.min() > enough:
            return 1.0
    return found


def _budgets_over_all(capacity: Capacity) -> Iterator[tuple[int, _Floats]]:
    """Yield the room of each budget over all usable nodes, and what it counts for an NPU of each kind.

    That is the least share of opening a node, in milliwatts.
    """
    usable = (capacity.kind >= 0) & (capacity.usable > 0)
    least = np.full(len(capacity.kinds), np.inf)
    each = capacity.opening[usable] / capacity.usable[usable]
    np.minimum.at(least, capacity.kind[usable], each)
    least[np.isinf(least)] = 0.0
    for number, members in enumerate(capacity.layout.members):
        under = np.zeros(len(usable), dtype=np.bool_)
        under[list(members)] = True
        if not np.any(usable & ~under):
            is_off = capacity.layout.budgets[number].empty_off
            yield capacity.rooms[number], least if is_off else 0 * least
