"""Openings: the idle watts of the nodes that replicas have to open, whatever budgets have left."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from typing import Final

from kwatt.planning.layout import Layout
from kwatt.planning.spots import Spots

_RATIO_SCALE: Final = 2**20  # idle watts per replica are compared as whole 2^-20 mW


class Openings:
    """What any number of replicas on some spots opens: nodes that are alike are counted together.

    As `fill` opens them where there are watts for all: replicas stay, open nodes come first, then the
    node with the least idle watts per replica.
    """

    def __init__(self, layout: Layout, spots: Spots, budget: int) -> None:
        """Count only the nodes under a budget."""
        over = (layout.off_rooms == budget).any(axis=1) | (layout.plain_rooms == budget).any(axis=1)
        usable = over[layout.domain_numbers[spots.nodes]] & (spots.slots > 0)
        self._elsewhere = int(spots.slots[~usable].sum())
        slots, opening = spots.slots[usable], spots.opening[usable]
        if not layout.budgets[budget].empty_off:
            opening = 0 * opening
        kept = spots.kept[usable]
        is_open = (opening == 0) | (kept > 0)
        self._kept, self._quota, self._quota_kept = int(kept.sum()), spots.quota, spots.quota_kept
        self._stays = int(opening[kept > 0].sum())
        self._on_open = int(slots[is_open].sum()) - self._kept
        self._alike = Counter(
            zip(opening[~is_open].tolist(), slots[~is_open].tolist(), strict=True)
        )

    def covers(self, replicas: int) -> bool:
        """Tell whether all that runs would be among so many replicas; else this does not know."""
        return not self._kept or self._kept <= min(replicas, self._quota_kept)

    def of(self, replicas: int) -> int:
        """Return the milliwatts opened for so many replicas, or for as many as there is room for."""
        left = max(0, min(replicas, self._quota) - self._kept) - self._on_open
        opened, alike = self._stays, dict(self._alike)
        while left > 0 and alike:
            best = min(alike, key=lambda node: _cost(node, left))
            opening, slots = best
            nodes, there = max(1, left // slots), alike.pop(best)
            if there > nodes:
                alike[best] = there - nodes
            nodes = min(nodes, there)
            opened, left = opened + nodes * opening, left - nodes * slots
        return opened

    def at_least(self, replicas: int) -> tuple[int, int]:
        """Return how many of so many replicas find no room elsewhere, and what these open at least."""
        under = max(0, replicas - self._elsewhere)
        left, least = under - self._kept - self._on_open, 0
        for (opening, slots), nodes in sorted(self._alike.items(), key=_idle_each):
            taken = min(left, nodes * slots)
            if taken <= 0:
                break
            least, left = least + opening * taken // slots, left - taken
        return under, least


def _idle_each(alike: tuple[tuple[int, int], int]) -> Fraction:
    (opening, slots), _ = alike
    return Fraction(opening, slots)


def _cost(node: tuple[int, int], left: int) -> tuple[int, int]:
    opening, slots = node
    taken = min(slots, left)
    return opening * _RATIO_SCALE // taken, -taken
