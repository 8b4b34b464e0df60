"""Whole nodes: what prices choose may fill a small part of a node, which draws its whole idle watts then.

At prices every NPU pays its share of a node's idle draw, so it seems to cost nothing to begin a node for a
few of them. Where those who pay least to go elsewhere leave so many NPUs of a kind that one node fewer is
enough, and that draws less in all, they go (rounding of a linear relaxation, node by node).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from kwatt.planning.capacity import Capacity
from kwatt.planning.choice import Stock
from kwatt.planning.columns import SCALE, Columns
from kwatt.planning.lagrangian import sum_of
from kwatt.planning.layout import Ints

_SMALL: Final = 4000  # waste below such a part of the cost is left
_ROUNDS: Final = 4
_NEVER: Final = 2**61


class Rounding:
    """Nodes by kind, those first that cost least to open per NPU; costs are in milliwatts x SCALE."""

    def __init__(self, capacity: Capacity, columns: Columns, paid: Ints, stock: Stock) -> None:
        """`paid` is what columns cost at the prices."""
        self._columns, self._paid, self._stock = columns, paid, stock
        self._lengths = columns.lengths
        kinds = range(len(capacity.kinds))
        of_kinds = [_by_cost(capacity, kind) for kind in kinds]
        none = np.zeros(1, dtype=np.int64)
        self._npus = [np.append(none, np.cumsum(capacity.usable[nodes])) for nodes in of_kinds]
        self._opening = [np.append(none, np.cumsum(capacity.opening[nodes])) for nodes in of_kinds]

    def rounded(self, chosen: Ints) -> Ints:
        """Return a choice, one column per service, that draws no more with all nodes that it opens."""
        cost = self.cost_of(chosen)
        for kind in self._wasteful(chosen, cost):
            others = [
                self._with_one_less(chosen, kind, sparing=sparing) for sparing in (True, False)
            ]
            for other in others:
                if other is not None and (less := self.cost_of(other)) < cost:
                    chosen, cost = other, less
        return chosen

    def cost_of(self, chosen: Ints) -> int:
        """Return what chosen columns draw above idle, with the idle draw of as few nodes as have the NPUs."""
        used = self._stock.used(self._columns, chosen)[0].tolist()
        opened = sum(self._opened(kind, npus) for kind, npus in enumerate(used))
        return sum_of(self._columns.cost[chosen]) + SCALE * opened

    def _wasteful(self, chosen: Ints, cost: int) -> list[int]:
        """Return the kinds of whose last node much is wasted, most first."""
        used = self._stock.used(self._columns, chosen)[0].tolist()
        wasted = [(-self._wasted(kind, npus), kind) for kind, npus in enumerate(used)]
        return [kind for waste, kind in sorted(wasted) if -waste * SCALE * _SMALL > abs(cost)]

    def _nodes(self, kind: int, npus: int) -> int:
        """Return how many nodes of a kind have so many NPUs, of all if these are too few."""
        return min(len(self._npus[kind]) - 1, int(np.searchsorted(self._npus[kind], npus)))

    def _opened(self, kind: int, npus: int) -> int:
        return int(self._opening[kind][self._nodes(kind, npus)])

    def _wasted(self, kind: int, npus: int) -> int:
        """Return the milliwatts that the NPUs not used of the last node cost."""
        nodes = self._nodes(kind, npus)
        if not nodes:
            return 0
        has, opening = self._npus[kind], self._opening[kind]
        free, size = max(0, has[nodes] - npus), has[nodes] - has[nodes - 1]
        return int((opening[nodes] - opening[nodes - 1]) * free // max(1, size))

    def _with_one_less(self, chosen: Ints, kind: int, *, sparing: bool) -> Ints | None:
        """Return a choice that needs one node of a kind less, None if there is no way.

        `sparing`: whoever goes pays for what he opens elsewhere, even if others could share it.
        """
        before, used = chosen, self._stock.used(self._columns, chosen)
        room = int(self._npus[kind][self._nodes(kind, int(used[0, kind])) - 1])
        for _ in range(_ROUNDS):
            ways = self._ways_out(chosen, used, kind, sparing=sparing)
            after = self._moved(chosen, used, kind, int(used[0, kind]) - room, ways)
            if after is chosen:
                return None
            chosen, used = after, self._stock.used(self._columns, after)
            spare = room - int(used[0, kind])
            if spare >= 0:
                return self._without_needless(before, chosen, kind, spare)
        return None

    def _ways_out(
        self, chosen: Ints, used: Ints, kind: int, *, sparing: bool
    ) -> tuple[Ints, Ints, Ints]:
        """Return who could leave a kind or take less of it, as which column, and what that costs more.

        The services are those places in `chosen` for which there is a way, each with the one that costs least.
        """
        columns, needs = self._columns, self._stock.needs
        inside = np.flatnonzero(columns.kind[chosen] == kind)
        if not len(inside):
            return inside, inside, inside
        lengths = self._lengths[inside]
        first = np.cumsum(lengths) - lengths
        at = np.arange(lengths.sum()) + np.repeat(columns.starts[inside] - first, lengths)
        goal, now = columns.kind[at], np.repeat(chosen[inside], lengths)
        left = self._stock.amounts - used
        goes = (goal != kind) & (needs[:, at] <= left[:, goal]).all(axis=0)
        goes |= (goal == kind) & (columns.npus[at] < columns.npus[now])
        more = self._paid[at] - self._paid[now]
        if sparing:
            more += self._extra(at, used, kind)
        more = np.where(goes, more, _NEVER)
        least = np.minimum.reduceat(more, first)
        best = np.flatnonzero(more == np.repeat(least, lengths))
        _, unique = np.unique(np.repeat(np.arange(len(inside)), lengths)[best], return_index=True)
        possible = least < _NEVER
        return inside[possible], at[best[unique]][possible], least[possible]

    def _extra(self, at: Ints, used: Ints, kind: int) -> Ints:
        """Return what columns in other kinds cost beside their share of nodes, if they open any."""
        extra = np.zeros(len(at), dtype=np.int64)
        goal, npus = self._columns.kind[at], self._columns.npus[at]
        for other in np.unique(goal[goal != kind]).tolist():
            here, has = np.flatnonzero(goal == other), self._npus[other]
            opening = self._opening[other]
            before = int(used[0, other])
            nodes = np.minimum(np.searchsorted(has, before + npus[here]), len(has) - 1)
            opened = opening[nodes] - self._opened(other, before)
            share = int(self._stock.idle[other]) * npus[here]
            extra[here] = SCALE * (opened - share)
        return extra

    def _moved(
        self,
        chosen: Ints,
        used: Ints,
        kind: int,
        excess: int,
        ways: tuple[Ints, Ints, Ints],
    ) -> Ints:
        """Move those first that pay least for each NPU that is in excess; others may take their room."""
        columns, needs = self._columns, self._stock.needs
        places, then, more = ways
        stays = np.where(columns.kind[then] == kind, columns.npus[then], 0)
        freed = columns.npus[chosen[places]] - stays
        each = more / np.maximum(1, np.minimum(freed, excess))
        left, after = self._stock.amounts - used, chosen
        for way in np.lexsort((places, each)).tolist():
            place, column = int(places[way]), int(then[way])
            goal = int(columns.kind[column])
            if freed[way] <= 0 or (goal != kind and (needs[:, column] > left[:, goal]).any()):
                continue
            if after is chosen:
                after = chosen.copy()
            after[place] = column
            left[:, goal] -= needs[:, column]
            left[:, kind] += needs[:, chosen[place]]
            excess -= int(freed[way])
            if excess <= 0:
                break
        return after

    def _without_needless(self, before: Ints, after: Ints, kind: int, spare: int) -> Ints:
        """Return the choice with those back, dearest first, for whom there are NPUs to spare."""
        columns = self._columns
        moved = np.flatnonzero(before != after)
        paid_more = self._paid[after[moved]] - self._paid[before[moved]]
        for place in moved[np.lexsort((moved, -paid_more))].tolist():
            old, new = int(before[place]), int(after[place])
            stays = int(columns.npus[new]) if int(columns.kind[new]) == kind else 0
            freed = int(columns.npus[old]) - stays
            if freed <= spare and self._paid[new] > self._paid[old]:
                after[place] = old
                spare -= freed
        return after


def _by_cost(capacity: Capacity, kind: int) -> Ints:
    """Return the nodes of a kind that have NPUs, those first that cost least to open per NPU."""
    nodes = np.flatnonzero((capacity.kind == kind) & (capacity.usable > 0))
    each = capacity.opening[nodes] / capacity.usable[nodes]
    found: Ints = nodes[np.lexsort((nodes, each))]
    return found
