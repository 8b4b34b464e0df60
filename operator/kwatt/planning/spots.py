"""Spots: where replicas of one option can go, as vectors. Reads a ledger, changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from kwatt.planning.layout import UNLIMITED, Ints, Layout, bounded
from kwatt.planning.ledger import Ledger, node_needs
from kwatt.planning.options import Demand


@dataclass(frozen=True, slots=True)
class Spots:
    """One entry per node that may hold replicas of an option.

    `slots` is how many replicas NPUs, cpu, memory and pods allow, the `kept` ones included; `kept` how
    many run there and may stay. `free` is the NPUs left. `unit` and `opening` are the milliwatts that a
    replica and the first replica of an empty node add to budgets. `quota` bounds the replicas in all,
    `quota_kept` those that stay where they are (Kubernetes asks quotas of new pods only; watts always).
    """

    nodes: Ints
    slots: Ints
    kept: Ints
    free: Ints
    unit: Ints
    opening: Ints
    quota: int
    quota_kept: int


def spots_for(ledger: Ledger, demand: Demand, pool: Ints, incumbents: Mapping[int, int]) -> Spots:
    """Return the spots for replicas of `demand`: the nodes of a pool, then others where incumbents run."""
    outside = [number for number in sorted(incumbents) if not np.any(pool == number)]
    nodes = np.concatenate([pool, np.array(outside, dtype=np.int64)]) if outside else pool
    slots = new_slots(ledger, demand, nodes)
    slots[len(pool) :] = 0
    kept = np.zeros(len(nodes), dtype=np.int64)
    unit = np.full(len(nodes), bounded(demand.watts * 1000), dtype=np.int64)
    unit[len(pool) :] = [ledger.unit(number, demand) for number in outside]
    for number, replicas in incumbents.items():
        kept[nodes == number] = _stayable(ledger, demand, number, replicas)
    return Spots(
        nodes=nodes,
        slots=np.maximum(slots, kept),
        kept=kept,
        free=ledger.npus[nodes],
        unit=unit,
        opening=ledger.opening(nodes),
        quota=ledger.quota_slots(demand),
        quota_kept=ledger.quota_watt_slots(demand),
    )


def new_slots(ledger: Ledger, demand: Demand, nodes: Ints) -> Ints:
    """Return how many new replicas the NPUs, cpu, memory and pods of each node allow."""
    slots: Ints = ledger.npus[nodes] // demand.variant.npus
    for name, each in node_needs(demand).items():
        if each > 0:
            left = ledger.left[name][nodes]
            np.minimum(slots, left if each == 1 else left // each, out=slots)
    return np.maximum(slots, 0, out=slots)


def only_kept(spots: Spots) -> Spots:
    """Return the spots with nothing but the replicas that run there already."""
    return replace(spots, slots=spots.kept)


def with_more(spots: Spots, other: Spots) -> Spots:
    """Return both spots together, such as those of nodes that do not exist yet."""
    return replace(
        spots,
        nodes=np.concatenate([spots.nodes, other.nodes]),
        slots=np.concatenate([spots.slots, other.slots]),
        kept=np.concatenate([spots.kept, other.kept]),
        free=np.concatenate([spots.free, other.free]),
        unit=np.concatenate([spots.unit, other.unit]),
        opening=np.concatenate([spots.opening, other.opening]),
    )


def headroom_over(layout: Layout, room: Ints, nodes: Ints) -> tuple[Ints, Ints]:
    """Return the least headroom over each node: of budgets without, and of those with `empty_off`."""
    domains = layout.domain_numbers[nodes]
    return _least(room, layout.plain_rooms)[domains], _least(room, layout.off_rooms)[domains]


def _least(room: Ints, table: Ints) -> Ints:
    """Return the least of the rooms that each row of a table points to."""
    first, *others = table.T
    least: Ints = room[first]
    for column in others:
        np.minimum(least, room[column], out=least)
    return least


def fits(layout: Layout, room: Ints, spots: Spots, opening: Ints) -> Ints:
    """Return how many replicas each spot takes on its own, with the headroom given per budget."""
    plain, off = headroom_over(layout, room, spots.nodes)
    left = np.minimum(plain, off - opening)
    if (spots.unit > 0).all():
        by_watts = left // spots.unit
    else:
        free = np.where(left >= 0, UNLIMITED, 0)
        by_watts = np.where(spots.unit > 0, left // np.maximum(spots.unit, 1), free)
    within: Ints = np.maximum(np.minimum(spots.slots, by_watts), 0)
    return within


def most_by_domain(layout: Layout, room: Ints, spots: Spots, fitting: Ints) -> int:
    """Return an upper bound on the replicas of all spots: no more under a set of budgets than it allows."""
    if not len(spots.nodes):
        return 0
    domains = layout.domain_numbers[spots.nodes]
    total = np.zeros(len(layout.plain_rooms), dtype=np.int64)
    np.add.at(total, domains, np.minimum(fitting, UNLIMITED // max(1, len(fitting))))
    unit = int(spots.unit.min())
    if unit > 0:
        room_left = np.minimum(_least(room, layout.plain_rooms), _least(room, layout.off_rooms))
        total = np.minimum(total, np.maximum(room_left // unit, 0))
    return int(total.sum())


def _stayable(ledger: Ledger, demand: Demand, number: int, replicas: int) -> int:
    """Return how many replicas may stay on a node whose NPUs may be fewer than before.

    Where the node's label or resource is no longer the variant's, its NPUs say nothing about them.
    """
    node = ledger.layout.nodes[number]
    replicas = min(replicas, ledger.stay_slots(number, demand))
    if (node.npu_class, node.resource) != (demand.variant.npu_class, demand.variant.resource):
        return replicas
    return min(replicas, max(0, int(ledger.npus[number])) // demand.variant.npus)
