"""Which budgets keep a service from being placed in full, and how many watts are missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from kwatt.planning.fill import Filling, fill
from kwatt.planning.layout import UNLIMITED, Layout
from kwatt.planning.ledger import Ledger
from kwatt.planning.spots import Spots
from kwatt.units import Power


@dataclass(frozen=True, slots=True)
class Shortage:
    """A budget that takes no further replica although nodes under it have room for more.

    `needed` is what the whole service adds to it, idle watts of nodes to be opened included, and
    `available` its headroom before the service. `missing` is what the replicas left out need beyond
    what the largest part of the service leaves of it.
    """

    budget: int
    needed: Power
    available: Power
    missing: Power


def budget_shortages(ledger: Ledger, spots: Spots, replicas: int) -> Iterator[Shortage]:
    """Yield the budgets that stop the largest part, those over most of the nodes with room first."""
    filling = fill(ledger, spots, replicas)
    room = _room_after(ledger, spots, filling)
    blocked = _blocked(ledger.layout, spots, filling, room)
    for budget in sorted(blocked, key=lambda b: (-blocked[b], -int(ledger.room[b]), b)):
        shortage = _shortage(ledger, spots, replicas, budget, (filling, room))
        if shortage.needed > shortage.available:
            yield shortage


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


def _room_after(ledger: Ledger, spots: Spots, filling: Filling) -> list[int]:
    room: list[int] = ledger.room.tolist()
    for place, count in filling.counts.items():
        domain = ledger.layout.domains[int(spots.nodes[place])]
        watts = int(spots.unit[place]) * count
        for budget in domain.plain:
            room[budget] -= watts
        for budget in domain.off:
            room[budget] -= watts + int(spots.opening[place])
    return room


def _shortage(
    ledger: Ledger, spots: Spots, replicas: int, budget: int, part: tuple[Filling, list[int]]
) -> Shortage:
    filling, room = part
    unit = int(spots.unit.min())
    opened = _least_opened(ledger, spots, replicas, budget)
    left_out = (replicas - filling.replicas) * unit
    return Shortage(
        budget=budget,
        needed=Power(replicas * unit + opened),
        available=Power(int(ledger.room[budget])),
        missing=Power(left_out - room[budget]),
    )


def _least_opened(ledger: Ledger, spots: Spots, replicas: int, budget: int) -> int:
    """Return the idle watts of the nodes under a budget that the whole service has to open."""
    layout = ledger.layout
    if not layout.budgets[budget].empty_off:
        return 0
    members = np.isin(spots.nodes, np.array(layout.members[budget], dtype=np.int64))
    under = replace(spots, slots=np.where(members, spots.slots, 0))
    free = ledger.copy()
    free.room[:] = UNLIMITED
    return fill(free, under, replicas).opened
