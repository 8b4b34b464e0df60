"""Losses: what ran on a lost node finds other nodes, with as few starts as the room allows.

A service stays on its kind of node where the replicas that it lost find room there. Where they don't, all its
replicas go elsewhere, and what it leaves behind makes room for others that lost theirs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from kwatt.model.keys import ServiceKey
from kwatt.planning.bins import merged, only
from kwatt.planning.draft import Holding

if TYPE_CHECKING:
    from kwatt.planning.standing import Standing


class Loss:
    """A lost node: what services held `before`, and hold `after`. Only the bins change by it."""

    def __init__(self, standing: Standing, number: int) -> None:
        """Take the node out of use."""
        self._standing, self._number = standing, number
        lost = sorted(standing.on_node.get(number, ()), key=standing.order)
        self.before = {key: standing.holdings[key] for key in lost}
        self.after: dict[ServiceKey, Holding] = {}
        for holding in self.before.values():
            standing.take(holding, only(holding.counts, number))
        standing.bins.withdraw(number)

    def is_made_good(self) -> bool:
        """Serve everybody in full elsewhere; where that fails, undo all and return False."""
        waiting = {key: held for key, held in self.before.items() if not self._stays(key)}
        stuck = self._make_room(waiting)
        left = [key for key in waiting if key not in self.after]
        left.sort(key=lambda key: key not in stuck)
        left = [key for key in left if not self._stays(key)]
        left.sort(key=lambda key: key in stuck)
        if all(self._stays(key) or (key not in stuck and self._leaves(key)) for key in left):
            return True
        self._undo()
        return False

    def _make_room(self, waiting: Mapping[ServiceKey, Holding]) -> set[ServiceKey]:
        """Let services leave until the others can stay; return who should, and found no other place."""
        movable, stuck = dict(waiting), set()
        needed = sum(npus_on(held, self._number) for held in waiting.values())
        while leaving := leavers(movable, self._number, needed):
            for key in leaving:
                held = movable.pop(key)
                if self._leaves(key):
                    needed -= npus_of(held)
                else:
                    stuck.add(key)
        return stuck

    def _stays(self, key: ServiceKey) -> bool:
        """Place what a service lost beside the rest of it, on other nodes of the same kind."""
        before, standing = self.before[key], self._standing
        missing = sum(count for _, count in only(before.counts, self._number))
        placed = standing.bins.place(standing.piece_of(key), missing)
        if placed is not None:
            counts = merged([*self._rest(key).counts, *placed])
            self.after[key] = Holding(before.demand, before.option, counts)
        return placed is not None

    def _leaves(self, key: ServiceKey) -> bool:
        """Place all of a service anew, as the cheapest candidate that there is room for, starts charged."""
        found = self._standing.elsewhere(self._standing.services[key], self._rest(key))
        if found is not None:
            self.after[key] = found
        return found is not None

    def _rest(self, key: ServiceKey) -> Holding:
        before = self.before[key]
        rest = tuple(place for place in before.counts if place[0] != self._number)
        return Holding(before.demand, before.option, rest)

    def _undo(self) -> None:
        """Take the node into use again, with all that services held; some hold `after` by now."""
        standing = self._standing
        standing.bins.readmit(self._number)
        for key, holding in self.before.items():
            if key in self.after:
                standing.take(self.after[key], self.after[key].counts)
            missing = holding.counts if key in self.after else only(holding.counts, self._number)
            standing.restore(holding, missing)


def leavers(
    holdings: Mapping[ServiceKey, Holding], number: int, needed: int
) -> Sequence[ServiceKey]:
    """Return who leaves a full kind of node of which a node was lost, until so many NPUs are not needed.

    Those first that lost most of their replicas: few that still run start elsewhere. Nobody leaves whose
    NPUs are more than enough.
    """
    found: list[ServiceKey] = []
    for key in sorted(holdings, key=lambda key: (-_share_on(holdings[key], number), key)):
        if needed <= 0:
            break
        found.append(key)
        needed -= npus_of(holdings[key])
    for key in reversed(found.copy()):
        if needed + npus_of(holdings[key]) <= 0:
            found.remove(key)
            needed += npus_of(holdings[key])
    return found


def npus_of(holding: Holding) -> int:
    """Return how many NPUs all replicas of a holding hold."""
    return holding.demand.variant.npus * holding.replicas


def npus_on(holding: Holding, number: int) -> int:
    """Return how many NPUs the replicas on a node hold."""
    return holding.demand.variant.npus * sum(n for _, n in only(holding.counts, number))


def _share_on(holding: Holding, number: int) -> Fraction:
    return Fraction(npus_on(holding, number), npus_of(holding))
