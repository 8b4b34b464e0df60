"""Fill spots with alike replicas: as many as wanted, within every budget over every node.

Where budgets are nested and no empty node costs idle watts, any assignment that can't be extended is a
largest one (budgets form a laminar family, so the feasible sets are those of a matroid). Otherwise the
greedy order opens few nodes, and a search with a step limit follows where few spots are left to try.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from kwatt.planning.layout import Ints, Layout
from kwatt.planning.ledger import Ledger
from kwatt.planning.search import SEARCH_SPOTS, largest_filling
from kwatt.planning.spots import Spots, fits, headroom_over, most_by_domain

_RATIO_SCALE: Final = 2**20  # idle watts per replica are compared as whole 2^-20 mW


@dataclass(frozen=True, slots=True)
class Filling:
    """Replicas per spot (by position) and the milliwatts of the idle NPUs on nodes opened for them."""

    counts: dict[int, int]
    opened: int

    @property
    def replicas(self) -> int:
        """Return the number of replicas in all."""
        return sum(self.counts.values())


def fill(ledger: Ledger, spots: Spots, wanted: int, preferred: Ints | None = None) -> Filling:
    """Return an assignment of at most `wanted` replicas, as many as found.

    `preferred` is how many replicas of each spot disturb nobody: those are used first.
    """
    if not fits(ledger.layout, ledger.room, spots, spots.opening).any():
        return Filling({}, 0)
    return _filled(ledger, spots, wanted, preferred)


def _filled(ledger: Ledger, spots: Spots, wanted: int, preferred: Ints | None) -> Filling:
    board = Board(ledger.layout, spots, ledger.room, wanted)
    board.keep()
    if board.missing() and preferred is not None:
        board.spread(preferred)
    if board.missing():
        board.spread(spots.slots)
    if board.missing():
        board.open_nodes()
    if board.missing() and _may_be_improved(ledger, spots):
        return _searched(ledger, spots, wanted, board.filling())
    return board.filling()


def fill_whole(
    ledger: Ledger, spots: Spots, wanted: int, preferred: Ints | None = None
) -> Filling | None:
    """Return an assignment of exactly `wanted` replicas, or None when none is found."""
    if not may_take(ledger, spots, wanted):
        return None
    filling = _filled(ledger, spots, wanted, preferred)
    return filling if filling.replicas == wanted else None


def may_take(ledger: Ledger, spots: Spots, wanted: int) -> bool:
    """Tell, from an upper bound, whether the spots may take so many replicas; cheap, and never wrongly no."""
    if wanted > max(spots.quota, spots.quota_kept):
        return False
    within = fits(ledger.layout, ledger.room, spots, spots.opening)
    return most_by_domain(ledger.layout, ledger.room, spots, within) >= wanted


class Board:
    """An assignment in the making, with what it leaves of the budgets."""

    def __init__(self, layout: Layout, spots: Spots, room: Ints, wanted: int) -> None:
        self.layout = layout
        self.spots = spots
        self.wanted = wanted
        self.room: list[int] = room.tolist()
        self.counts: dict[int, int] = {}
        self.placed = 0

    def missing(self) -> int:
        """Return how many more replicas are wanted."""
        return self.wanted - self.placed

    def filling(self) -> Filling:
        """Return the assignment so far."""
        opened = sum(int(self.spots.opening[place]) for place in self.counts)
        return Filling(dict(self.counts), opened)

    def keep(self) -> None:
        """Leave replicas where they run: on ready nodes first, cordoned ones last, then by name."""
        nodes, limit = self.layout.nodes, min(self.wanted, self.spots.quota_kept)
        places = np.flatnonzero(self.spots.kept).tolist()
        numbers = {place: int(self.spots.nodes[place]) for place in places}
        places.sort(
            key=lambda p: (not nodes[numbers[p]].ready, nodes[numbers[p]].unschedulable, numbers[p])
        )
        for place in places:
            self._put(place, min(int(self.spots.kept[place]), limit - self.placed))

    def spread(self, most: Ints) -> None:
        """Use nodes that cost no idle watts: fewest free NPUs first, then most headroom, then by name."""
        most = np.minimum(most, self.spots.slots)
        within = np.minimum(self._fits(), most)
        within[self._closed()] = 0
        saturated: set[int] = set()
        for place in self._tightest(within):
            domain = int(self.layout.domain_numbers[self.spots.nodes[place]])
            allowed = min(int(most[place]) - self.counts.get(place, 0), self._new_left())
            if allowed > 0 and domain not in saturated and self._put(place, allowed) < allowed:
                saturated.add(domain)
            if not self._new_left():
                return

    def open_nodes(self) -> None:
        """Open empty nodes, those with the least idle watts per replica first; copies of a node together."""
        while self._new_left():
            within = self._fits()
            within[~self._closed()] = 0
            if not within.any():
                return
            places, each = self._cheapest(within)
            for place in places[: self._alike_left(places[0], each)]:
                if not self._put(place, min(each, self._new_left())):
                    return

    def _new_left(self) -> int:
        return max(0, min(self.wanted, self.spots.quota) - self.placed)

    def _closed(self) -> npt.NDArray[np.bool_]:
        closed: npt.NDArray[np.bool_] = self.spots.opening > 0
        closed[list(self.counts)] = False
        return closed

    def _fits(self) -> Ints:
        opening = np.where(self._closed(), self.spots.opening, 0)
        room = np.array(self.room, dtype=np.int64)
        return fits(self.layout, room, self.spots, opening)

    def _tightest(self, within: Ints) -> list[int]:
        places = np.flatnonzero(within)
        order = np.lexsort(
            (self.spots.nodes[places], -self._headroom(places), self.spots.free[places])
        )
        return [int(place) for place in places[order]]

    def _cheapest(self, within: Ints) -> tuple[list[int], int]:
        """Return the spot with the least idle watts for each replica, of those that take any, and how many.

        Behind it are its copies, spots on the same node, as long as no other node is as good.
        """
        places = np.flatnonzero(within)
        taken = np.minimum(within[places], self._new_left())
        idle_each = self.spots.opening[places] * _RATIO_SCALE // taken
        best = np.flatnonzero(idle_each == idle_each.min())
        best = best[taken[best] == taken[best].max()]
        places, each, numbers = places[best], int(taken[best[0]]), self.spots.nodes[places[best]]
        if (numbers == numbers[0]).all():
            return places.tolist(), each
        order = np.lexsort((numbers, -self._headroom(places)))
        return [int(places[order[0]])], each

    def _alike_left(self, place: int, each: int) -> int:
        """Return how many copies of a spot may be opened at once, with so many replicas on each; at least 1."""
        spots, domain = self.spots, self.layout.domains[int(self.spots.nodes[place])]
        watts = each * int(spots.unit[place])
        opened = watts + int(spots.opening[place])
        by_watts = [self.room[b] // watts for b in domain.plain if watts]
        by_watts += [self.room[b] // opened for b in domain.off if opened]
        return max(1, min([self._new_left() // each, *by_watts]))

    def _headroom(self, places: Ints) -> Ints:
        room = np.array(self.room, dtype=np.int64)
        plain, off = headroom_over(self.layout, room, self.spots.nodes[places])
        least: Ints = np.minimum(plain, off)
        return least

    def _put(self, place: int, most: int) -> int:
        """Put up to `most` replicas on a spot, as budgets and slots allow, and return how many."""
        spots, domain = self.spots, self.layout.domains[int(self.spots.nodes[place])]
        unit, already = int(spots.unit[place]), self.counts.get(place, 0)
        opening = 0 if already else int(spots.opening[place])
        lefts = [self.room[b] for b in domain.plain] + [self.room[b] - opening for b in domain.off]
        by_watts = [(left // unit if unit else most) if left >= 0 else 0 for left in lefts]
        count = max(0, min([most, int(spots.slots[place]) - already, *by_watts]))
        if count:
            self.counts[place] = already + count
            self.placed += count
            for budget in domain.plain:
                self.room[budget] -= unit * count
            for budget in domain.off:
                self.room[budget] -= unit * count + opening
        return count


def _may_be_improved(ledger: Ledger, spots: Spots) -> bool:
    """Tell whether the greedy order is no proof, and few enough spots are left for a search."""
    usable = np.count_nonzero(spots.slots)
    is_proof = ledger.layout.nested and not np.any(spots.opening[spots.slots > 0])
    return bool(not is_proof and 0 < usable <= SEARCH_SPOTS)


def _searched(ledger: Ledger, spots: Spots, wanted: int, greedy: Filling) -> Filling:
    limit = min(wanted, spots.quota)
    if greedy.replicas >= limit:
        return greedy
    counts = largest_filling(ledger.layout, spots, ledger.room, limit)
    if sum(counts.values()) <= greedy.replicas:
        return greedy
    return Filling(counts, sum(int(spots.opening[place]) for place in counts))
