"""The bound that prices prove, in exact integers (planner reference 6, with budgets and nodes to open).

Let every NPU of a kind cost `npus`, every millicore `cpu`, every MiB `memory`, every reserved watt above
idle `watts`, every milliwatt of a budget `budgets`, and every node that a service must occupy `nodes`. For
any prices of 0 or more

    L = constant + sum over services of min (cost + npus n + cpu c + memory m + watts w + nodes k)
      + sum over nodes of min(0, what opening and filling it costs, less what it earns at these prices)
      - sum of budgets x headroom

is at most the draw of every plan that keeps within capacity and budgets: what a plan pays for its
columns it earns on its nodes, or more. So L is valid whatever the solver that found the prices did.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from kwatt.planning.capacity import Capacity, Pool, pools_of
from kwatt.planning.columns import SCALE, Columns
from kwatt.planning.layout import Ints
from kwatt.planning.menu import Menu

Density = tuple[int, int]  # whole watts above idle for so many NPUs


@dataclass(frozen=True, slots=True)
class Relaxation:
    """The problem without whole nodes, node names and quotas; cpu and memory count by kind, if at all.

    `constant` is the milliwatts drawn without any of the services. `densities` are the least and the
    greatest watts above idle per NPU, by kind. `rooms`
    are the headrooms in milliwatts of the budgets to which the pools point. With `counts_nodes` every
    service must occupy as many nodes of a kind as its replicas need, with `counts_hosts` cpu and memory
    of the nodes count. With `counts_watts` the watts of pools do: good for choosing, not for a bound.
    """

    constant: int
    columns: Columns
    pools: tuple[Pool, ...]
    kinds: int
    densities: Sequence[tuple[Density, Density]]
    rooms: tuple[int, ...]
    counts_nodes: bool
    counts_hosts: bool = False
    counts_watts: bool = False


def relaxation_of(capacity: Capacity, columns: Columns, constant: int = 0) -> Relaxation:
    """Return the problem with budgets left aside."""
    hosts = _hosts_may_bind(capacity, columns)
    return Relaxation(
        constant=constant,
        columns=columns,
        pools=pools_of(capacity, (), whole=False, hosts=hosts),
        kinds=len(capacity.kinds),
        densities=densities_of(capacity, columns.menu),
        rooms=(),
        counts_nodes=False,
        counts_hosts=hosts,
    )


def _hosts_may_bind(capacity: Capacity, columns: Columns) -> bool:
    """Tell whether any node may run out of cpu or memory before it runs out of NPUs."""
    nodes = np.flatnonzero((capacity.usable > 0) & (capacity.kind >= 0))
    npus, kinds = np.maximum(columns.npus, 1), len(capacity.kinds)
    for left, needed in ((capacity.cpu, columns.cpu), (capacity.memory, columns.memory)):
        most, least = np.zeros(kinds), np.full(kinds, np.inf)
        np.maximum.at(most, columns.kind, needed / npus)
        np.minimum.at(least, capacity.kind[nodes], left[nodes] / capacity.usable[nodes])
        if (most > least).any():
            return True
    return False


@dataclass(frozen=True, slots=True)
class Prices:
    """In milliwatts x SCALE, 0 or more: by kind for an NPU, a millicore, a MiB, a watt; by budget for a mW.

    `nodes` has one price per service and kind, service by service, or none.
    """

    npus: Ints
    watts: Ints
    budgets: tuple[int, ...]
    nodes: Ints
    cpu: Ints
    memory: Ints


def prices_for(relaxation: Relaxation, npus: Ints, **others: Ints) -> Prices:
    """Return prices of what nodes have (npus, cpu, memory, watts), with budgets left aside."""
    none = np.zeros(relaxation.kinds, dtype=np.int64)
    priced = {"cpu": none, "memory": none, "watts": none} | others
    return Prices(npus=npus, budgets=(0,) * len(relaxation.rooms), nodes=none[:0], **priced)


def value_of(relaxation: Relaxation, prices: Prices) -> tuple[int, Ints]:
    """Return L in milliwatts x SCALE, and the cheapest column of each service at the prices."""
    columns = relaxation.columns
    priced = paid_at(relaxation, prices)
    least, cheapest = columns.cheapest(priced)
    total = relaxation.constant * SCALE + sum_of(least) + _nodes_at(relaxation, prices)
    total -= sum(p * room for p, room in zip(prices.budgets, relaxation.rooms, strict=True))
    return total, cheapest


def sum_of(amounts: Ints) -> int:
    """Return the exact sum of up to 2^30 integers, which may be beyond 64 bits."""
    high, low = amounts >> 32, amounts & (2**32 - 1)
    return (int(high.sum()) << 32) + int(low.sum())


def paid_at(relaxation: Relaxation, prices: Prices) -> Ints:
    """Return what each column costs at the prices, in milliwatts x SCALE."""
    columns = relaxation.columns
    paid = columns.cost + prices.npus[columns.kind] * columns.npus
    if prices.cpu.any() or prices.memory.any():
        paid += (
            prices.cpu[columns.kind] * columns.cpu + prices.memory[columns.kind] * columns.memory
        )
    if prices.watts.any():
        paid += prices.watts[columns.kind] * columns.watts
    if len(prices.nodes):
        paid += prices.nodes[columns.service * relaxation.kinds + columns.kind] * columns.nodes
    return paid


def densities_of(capacity: Capacity, menu: Menu) -> list[tuple[Density, Density]]:
    """Return the least and the greatest watts above idle per NPU of what may run on each kind."""
    found: dict[int, set[Density]] = {}
    for variant, watts in {(offer.variant, offer.watts) for offer in menu.offers}:
        kind = capacity.kinds[variant.npu_class, variant.resource]
        found.setdefault(kind, set()).add((watts, variant.npus))
    ratios = [sorted(found[kind], key=lambda d: (Fraction(*d), d)) for kind in sorted(found)]
    return [(of_kind[0], of_kind[-1]) for of_kind in ratios]


def _nodes_at(relaxation: Relaxation, prices: Prices) -> int:
    """Return the sum over all nodes of the least that each can cost at the prices, at most 0."""
    earned = [0] * relaxation.kinds
    if len(prices.nodes):
        by_service = prices.nodes.reshape(-1, relaxation.kinds).tolist()
        earned = [sum(of_kind) for of_kind in zip(*by_service, strict=True)]
    npus, watts = prices.npus.tolist(), prices.watts.tolist()
    cpu, memory = prices.cpu.tolist(), prices.memory.tolist()
    total = 0
    for pool in relaxation.pools:
        wattage = 1000 * sum(prices.budgets[b] for b in pool.budgets) - watts[pool.kind]
        filling = 0
        for drawn, size in relaxation.densities[pool.kind]:
            full = pool.usable * (wattage * drawn - npus[pool.kind] * size) // size
            filling = min(filling, full)
        opening = pool.opening * (SCALE + sum(prices.budgets[b] for b in pool.off))
        host = cpu[pool.kind] * pool.cpu + memory[pool.kind] * pool.memory
        total += pool.nodes * min(0, opening + filling - earned[pool.kind] - host)
    return total
