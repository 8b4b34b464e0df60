"""The largest assignment by search, for few spots: exact until a fixed number of steps, never by the clock."""

from __future__ import annotations

from typing import Final

import numpy as np

from kwatt.planning.layout import Ints, Layout
from kwatt.planning.spots import Spots

SEARCH_SPOTS: Final = 16  # more spots than these are left to the greedy order
SEARCH_STEPS: Final = 3000


def largest_filling(layout: Layout, spots: Spots, room: Ints, wanted: int) -> dict[int, int]:
    """Return replicas per spot: as many as possible, at most `wanted`."""
    return _Search(layout, spots, room, wanted).run()


class _Search:
    """Depth first over spots in order of slots; the bound is the slots of the spots not yet decided."""

    def __init__(self, layout: Layout, spots: Spots, room: Ints, wanted: int) -> None:
        self.layout, self.spots, self.wanted = layout, spots, wanted
        self.room: list[int] = room.tolist()
        order = np.lexsort((spots.nodes, spots.opening, -spots.slots))
        self.order = [int(place) for place in order if spots.slots[place] > 0]
        self.behind = [0] * (len(self.order) + 1)
        for depth in range(len(self.order) - 1, -1, -1):
            self.behind[depth] = self.behind[depth + 1] + int(spots.slots[self.order[depth]])
        self.counts: dict[int, int] = {}
        self.best: dict[int, int] = {}
        self.most = 0
        self.steps = SEARCH_STEPS

    def run(self) -> dict[int, int]:
        """Search and return the best assignment found."""
        self._descend(0, 0)
        return self.best

    def _descend(self, depth: int, placed: int) -> None:
        if placed > self.most:
            self.most, self.best = placed, dict(self.counts)
        if depth == len(self.order) or min(placed + self.behind[depth], self.wanted) <= self.most:
            return
        place = self.order[depth]
        for count in range(self._allowed(place, self.wanted - placed), -1, -1):
            self.steps -= 1
            if self.steps < 0:
                return
            self._take(place, count)
            self._descend(depth + 1, placed + count)
            self._take(place, -count)

    def _allowed(self, place: int, most: int) -> int:
        unit, opening = int(self.spots.unit[place]), int(self.spots.opening[place])
        domain = self.layout.domains[int(self.spots.nodes[place])]
        lefts = [self.room[b] for b in domain.plain] + [self.room[b] - opening for b in domain.off]
        by_watts = [(left // unit if unit else most) if left >= 0 else 0 for left in lefts]
        return max(0, min([most, int(self.spots.slots[place]), *by_watts]))

    def _take(self, place: int, count: int) -> None:
        if not count:
            return
        sign = 1 if count > 0 else -1
        watts, opening = int(self.spots.unit[place]) * count, int(self.spots.opening[place]) * sign
        domain = self.layout.domains[int(self.spots.nodes[place])]
        for budget in domain.plain:
            self.room[budget] -= watts
        for budget in domain.off:
            self.room[budget] -= watts + opening
        if count > 0:
            self.counts[place] = count
        else:
            del self.counts[place]
