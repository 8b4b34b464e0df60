"""Weighing: replicas counted as the parts of nodes that they take, where sizes leave NPUs to nobody."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np

from kwatt.planning.capacity import Capacity, pools_of
from kwatt.planning.columns import Columns
from kwatt.planning.lagrangian import Relaxation
from kwatt.planning.layout import Ints
from kwatt.planning.patterns import parts_of_node

_PARTS: Final = 60  # of an NPU, in which parts of nodes are counted

Wanted = Counter[tuple[int, int]]  # replicas by kind and size


class Weighed(NamedTuple):
    """A problem in which an NPU is so many parts: good for choosing, not for a bound."""

    capacity: Capacity
    relaxation: Relaxation


def wanted_by(columns: Columns, chosen: Ints) -> Wanted:
    """Return how many replicas of each size chosen columns have on each kind."""
    sizes, replicas = _sizes(columns), _replicas(columns)
    wanted: Wanted = Counter()
    for column in chosen.tolist():
        wanted[int(columns.kind[column]), int(sizes[column])] += int(replicas[column])
    return wanted


def weighed(capacity: Capacity, relaxation: Relaxation, wanted: Wanted) -> Weighed | None:
    """Return the problem with replicas as the parts that they take of nodes, by what is wanted.

    None where that is what their NPUs are: sizes that divide each other leave none to nobody.
    """
    columns = relaxation.columns
    sizes, replicas = _sizes(columns), _replicas(columns)
    weights, is_other = _PARTS * sizes, False
    for kind in range(relaxation.kinds):
        here = columns.kind == kind
        found = _weights(capacity, kind, np.unique(sizes[here]).tolist(), wanted)
        for size, weight in found.items():
            weights[here & (sizes == size)] = weight
            is_other |= weight != _PARTS * size
    if not is_other:
        return None
    fine = replace(capacity, usable=_PARTS * capacity.usable)
    pools = pools_of(fine, (), whole=False, hosts=relaxation.counts_hosts)
    in_parts = replace(columns, npus=replicas * weights)
    return Weighed(fine, replace(relaxation, columns=in_parts, pools=pools))


def _weights(capacity: Capacity, kind: int, sizes: list[int], wanted: Wanted) -> dict[int, int]:
    """Return what a replica of each size takes of a usual node of a kind, nothing where NPUs tell it."""
    usable = capacity.usable_of(kind)
    amounts = Counter(usable[usable > 0].tolist())
    if not amounts or not sizes:
        return {}
    npus = max(amounts, key=lambda amount: (amounts[amount], amount))
    if all(large % small == 0 for small, large in zip(sizes, [*sizes[1:], npus], strict=True)):
        return {}
    parts = parts_of_node(npus, {size: 1 + wanted[kind, size] for size in sizes}) or {}
    return {size: round(_PARTS * npus * part) for size, part in parts.items()}


def _sizes(columns: Columns) -> Ints:
    return columns.menu.npus[columns.offer]


def _replicas(columns: Columns) -> Ints:
    """Return the replicas of each column that are on nodes of its kind."""
    found: Ints = columns.npus // _sizes(columns)
    return found
