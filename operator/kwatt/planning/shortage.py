"""Which budgets keep a service from being placed in full, and how many watts are missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from kwatt.planning.fill import Filling, fill
from kwatt.planning.layout import UNLIMITED, Layout
from kwatt.planning.ledger import Ledger
from kwatt.planning.openings import Openings
from kwatt.planning.spots import Spots
from kwatt.units import NO_POWER, Power


@dataclass(frozen=True, slots=True)
class Shortage:
    """A budget that takes no further replica although nodes under it have room for more.

    `needed` is what the whole service adds to it, idle watts of nodes to be opened included, and
    `available` its headroom before the service. `missing` is what the replicas left out need beyond
    what the largest part of the service leaves of it. `least` is what it lacks in any case.
    """

    budget: int
    needed: Power
    available: Power
    missing: Power
    least: Power


class Shortages:
    """What stops replicas on some spots, asked for one number of them after another.

    What does not depend on their number is found once; the ledger must not change meanwhile.
    """

    def __init__(self, ledger: Ledger, spots: Spots) -> None:
        self._ledger, self._spots = ledger, spots
        self._part: _Part | None = None
        self._openings: dict[int, Openings] = {}

    def of(self, replicas: int) -> Iterator[Shortage]:
        """Yield the budgets that stop the largest part, those over most of the nodes with room first."""
        part, unit = self._largest(replicas), int(self._spots.unit.min(initial=UNLIMITED))
        for budget in part.blocked:
            needed = Power(replicas * unit + self._opened(replicas, budget))
            available = Power(int(self._ledger.room[budget]))
            if needed > available:
                under, opened = self._openings_under(budget).at_least(replicas)
                least = Power(under * unit + opened) - available if under else NO_POWER
                missing = Power((replicas - part.replicas) * unit - part.room[budget])
                yield Shortage(budget, needed, available, missing, least)

    def _largest(self, replicas: int) -> _Part:
        """Return the largest part; one that was the largest of more replicas, or of fewer, still is."""
        part = self._part
        if part is None or part.replicas >= min(replicas, part.wanted):
            part = self._part = _part_of(self._ledger, self._spots, replicas)
        return part

    def _opened(self, replicas: int, budget: int) -> int:
        """Return the idle watts of nodes that the whole service opens under a budget, if that counts them."""
        if not self._ledger.layout.budgets[budget].empty_off:
            return 0
        openings = self._openings_under(budget)
        if openings.covers(replicas):
            return openings.of(replicas)
        return _opened_by_filling(self._ledger, self._spots, replicas, budget)

    def _openings_under(self, budget: int) -> Openings:
        if budget not in self._openings:
            self._openings[budget] = Openings(self._ledger.layout, self._spots, budget)
        return self._openings[budget]


def budget_shortages(ledger: Ledger, spots: Spots, replicas: int) -> Iterator[Shortage]:
    """Yield the budgets that stop the largest part, those over most of the nodes with room first."""
    return Shortages(ledger, spots).of(replicas)


class _Part(NamedTuple):
    """The replicas that were found room for out of those wanted, the rooms and the budgets behind them."""

    wanted: int
    replicas: int
    room: list[int]
    blocked: list[int]


def _part_of(ledger: Ledger, spots: Spots, wanted: int) -> _Part:
    filling = fill(ledger, spots, wanted)
    room = room_after(ledger, spots, filling)
    blocked = _blocked(ledger.layout, spots, filling, room)
    order = sorted(blocked, key=lambda b: (-blocked[b], -int(ledger.room[b]), b))
    return _Part(wanted, filling.replicas, room, order)


def _blocked(layout: Layout, spots: Spots, filling: Filling, room: list[int]) -> dict[int, int]:
    """Count, per budget, the nodes with room for a replica that the budget has no watts for."""
    rest, opening = spots.slots.copy(), spots.opening.copy()
    for place, count in filling.counts.items():
        rest[place] -= count
        opening[place] = 0
    open_for_more = rest > 0
    domains = layout.domain_numbers[spots.nodes[open_for_more]]
    unit = spots.unit[open_for_more][:, None]
    rooms = np.array(room, dtype=np.int64)
    found = np.zeros(len(room), dtype=np.int64)
    for table, needed in (
        (layout.plain_rooms[domains], unit),
        (layout.off_rooms[domains], unit + opening[open_for_more][:, None]),
    ):
        lacking = rooms[table] < np.maximum(needed, 0)
        np.add.at(found, table[lacking], 1)
    return {int(budget): int(found[budget]) for budget in np.flatnonzero(found[:-1])}


def room_after(ledger: Ledger, spots: Spots, filling: Filling) -> list[int]:
    """Return the milliwatts that budgets have left behind a filling, with one unlimited entry last."""
    room: list[int] = ledger.room.tolist()
    for place, count in filling.counts.items():
        domain = ledger.layout.domains[int(spots.nodes[place])]
        watts = int(spots.unit[place]) * count
        for budget in domain.plain:
            room[budget] -= watts
        for budget in domain.off:
            room[budget] -= watts + int(spots.opening[place])
    return room


def _opened_by_filling(ledger: Ledger, spots: Spots, replicas: int, budget: int) -> int:
    members = np.isin(spots.nodes, np.array(ledger.layout.members[budget], dtype=np.int64))
    under = replace(spots, slots=np.where(members, spots.slots, 0))
    free = ledger.copy()
    free.room[:] = UNLIMITED
    return fill(free, under, replicas).opened
