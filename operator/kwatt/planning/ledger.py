"""Running sums of what is taken: NPUs, cpu, memory and pods per node, watts per budget, quotas.

Every addition can be taken back exactly; budgets count as design 6 says.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Final, Self

import numpy as np

from kwatt.model.snapshot import Budget, Node, Quota, Snapshot
from kwatt.names import WATTS
from kwatt.planning.layout import (
    UNLIMITED,
    Ints,
    Layout,
    bounded,
    idle_npus,
    is_occupied,
    vector_of,
)
from kwatt.planning.options import Demand, shape_on

NODE_RESOURCES: Final = ("cpu", "memory", "pods")


class Ledger:
    """What nodes, budgets and quotas have left, after the replicas added so far.

    `npus`, `left["cpu"]` (millicores), `left["memory"]` (bytes) and `left["pods"]` are per node,
    `replicas` counts those added per node, `room` is the headroom of each budget in milliwatts, with
    one unlimited entry behind the last.
    """

    def __init__(self, layout: Layout, snapshot: Snapshot) -> None:
        nodes = layout.nodes
        self.layout = layout
        self.npus = vector_of([_free_npus(node) for node in nodes])
        self.left = {
            "cpu": vector_of([node.cpu_milli - node.other_cpu_milli for node in nodes]),
            "memory": vector_of([node.memory_bytes - node.other_memory_bytes for node in nodes]),
            "pods": vector_of([node.pods - node.other_pods for node in nodes]),
        }
        self.replicas = vector_of([0] * len(nodes))
        self._overcommit = _Overcommit(layout, snapshot, self.left)
        rooms = [_first_room(layout, number) for number in range(len(layout.budgets))]
        self.room = vector_of([*rooms, UNLIMITED])
        self.quotas: dict[str, dict[tuple[str, str], int]] = {}
        for quota in sorted(snapshot.quotas, key=lambda q: (q.namespace, q.name)):
            self.quotas.setdefault(quota.namespace, {}).update(_first_quota(quota))

    def copy(self) -> Self:
        """Return a ledger that can be changed apart from this one."""
        twin = copy.copy(self)
        twin.npus, twin.replicas, twin.room = (
            self.npus.copy(),
            self.replicas.copy(),
            self.room.copy(),
        )
        twin.left = {name: vector.copy() for name, vector in self.left.items()}
        twin.quotas = {namespace: dict(left) for namespace, left in self.quotas.items()}
        return twin

    def add(self, number: int, demand: Demand, replicas: int) -> None:
        """Put replicas on a node; a negative number takes them back."""
        before = int(self.replicas[number])
        self.replicas[number] = before + replicas
        self.npus[number] -= demand.variant.npus * replicas
        for name, each in node_needs(demand).items():
            self.left[name][number] -= each * replicas
        self._add_watts(number, demand, replicas, self._opened(number, before))
        self._add_to_quotas(demand, replicas)

    def add_all(self, puts: Sequence[tuple[int, Demand, int]]) -> None:
        """Put many replicas (node, demand, count) at once, of demands of the nodes' own classes."""
        numbers, counts = vector_of([n for n, _, _ in puts]), vector_of([c for _, _, c in puts])
        was_empty = self.replicas == 0
        np.add.at(self.replicas, numbers, counts)
        npus = vector_of([demand.variant.npus for _, demand, _ in puts])
        np.subtract.at(self.npus, numbers, npus * counts)
        distinct = {id(demand): demand for _, demand, _ in puts}
        needs = {identity: node_needs(demand) for identity, demand in distinct.items()}
        for name, left in self.left.items():
            each = vector_of([needs[id(demand)][name] for _, demand, _ in puts])
            np.subtract.at(left, numbers, each * counts)
        watts = vector_of([1000 * demand.watts for _, demand, _ in puts]) * counts
        opened = np.flatnonzero(was_empty & (self.replicas > 0))
        self._charge(self.layout.plain_rooms, numbers, watts)
        self._charge(self.layout.off_rooms, numbers, watts)
        self._charge(self.layout.off_rooms, opened, self.layout.opening[opened])
        for _, demand, count in puts if self.quotas else ():
            self._add_to_quotas(demand, count)

    def _charge(self, table: Ints, numbers: Ints, milliwatts: Ints) -> None:
        """Take watts off all budgets over some nodes."""
        over = table[self.layout.domain_numbers[numbers]]
        np.subtract.at(self.room, over, np.broadcast_to(milliwatts[:, None], over.shape))
        self.room[-1] = UNLIMITED

    def _add_to_quotas(self, demand: Demand, replicas: int) -> None:
        quotas = self.quotas.get(demand.namespace, {})
        needs = quota_needs(demand) if quotas else {}
        for key in quotas:
            quotas[key] -= needs.get(key[1], 0) * replicas

    def most(self, number: int, demand: Demand) -> int:
        """Return how many new replicas a node takes, budgets included; quotas left aside."""
        limits = [int(self.npus[number]) // demand.variant.npus]
        limits += [
            int(self.left[name][number]) // each
            for name, each in node_needs(demand).items()
            if each
        ]
        domain, unit = self.layout.domains[number], self.unit(number, demand)
        opening = 0 if self.replicas[number] else int(self.layout.opening[number])
        rooms = [int(self.room[b]) for b in domain.plain]
        rooms += [int(self.room[b]) - opening for b in domain.off]
        limits += [(room // unit if unit else UNLIMITED) if room >= 0 else 0 for room in rooms]
        return max(0, min(limits))

    def unit(self, number: int, demand: Demand) -> int:
        """Return the milliwatts by which one replica raises what the budgets over a node count.

        On a node of its own class the idle part was counted before. Where the label is gone (an
        incumbent's node) it was not.
        """
        if self.layout.nodes[number].npu_class == demand.variant.npu_class:
            return bounded(demand.watts * 1000)
        return bounded(demand.reserved.milliwatts)

    def opening(self, numbers: Ints) -> Ints:
        """Return the milliwatts that budgets with `empty_off` are charged for the first replica there."""
        opening: Ints = np.where(self.replicas[numbers] == 0, self.layout.opening[numbers], 0)
        return opening

    def slots(self, numbers: Ints, demand: Demand) -> dict[str, Ints]:
        """Return how many replicas each resource of each node has left: `npus`, cpu, memory, pods."""
        slots = {"npus": np.maximum(self.npus[numbers] // demand.variant.npus, 0)}
        for name, each in node_needs(demand).items():
            if each > 0:
                slots[name] = np.maximum(self.left[name][numbers] // each, 0)
        return slots

    def stay_slots(self, number: int, demand: Demand) -> int:
        """Return how many replicas that run on a node may stay beside what was put there, NPUs left aside.

        Replicas that run may take more cpu, memory or pods than a node has by now; whoever was put in the
        place of one displaces it.
        """
        return min(
            max(0, int(self.left[name][number]) + self._overcommit.of(name, number)) // each
            for name, each in node_needs(demand).items()
            if each > 0
        )

    def quota_slots(self, demand: Demand) -> int:
        """Return how many more replicas the namespace's quotas allow."""
        needs = quota_needs(demand)
        left = self.quotas.get(demand.namespace, {})
        return min(
            (max(0, rest // needs[key]) for (_, key), rest in left.items() if needs.get(key, 0)),
            default=UNLIMITED,
        )

    def quota_watt_slots(self, demand: Demand) -> int:
        """Return how many replicas that run already the quotas' watts allow."""
        left = self.quotas.get(demand.namespace, {})
        rests = [rest for (_, key), rest in left.items() if key == WATTS]
        if not rests or demand.watts == 0:
            return UNLIMITED
        return max(0, min(rests) // demand.watts)

    def _opened(self, number: int, before: int) -> int:
        """Return 1 where the node stopped being empty, -1 where it became empty again, else 0."""
        return int(self.replicas[number] > 0) - int(before > 0)

    def _add_watts(self, number: int, demand: Demand, replicas: int, opened: int) -> None:
        watts = self.unit(number, demand) * replicas
        domain = self.layout.domains[number]
        for budget in domain.plain:
            self.room[budget] = bounded(int(self.room[budget]) - watts)
        for budget in domain.off:
            opening = opened * int(self.layout.opening[number])
            self.room[budget] = bounded(int(self.room[budget]) - watts - opening)


class _Overcommit:
    """What all replicas that run take of nodes beyond what these have for them; found when first asked for."""

    def __init__(self, layout: Layout, snapshot: Snapshot, left: Mapping[str, Ints]) -> None:
        self._layout, self._snapshot = layout, snapshot
        self._had = {name: vector.copy() for name, vector in left.items()}

    def of(self, name: str, number: int) -> int:
        """Return the amount of a resource of one node, 0 where there is enough."""
        return int(self._beyond[name][number])

    @cached_property
    def _beyond(self) -> dict[str, Ints]:
        running = {name: np.zeros_like(had) for name, had in self._had.items()}
        for service in self._snapshot.services:
            for incumbent in service.incumbents:
                number = self._layout.numbers.get(incumbent.node)
                if number is None:
                    continue
                shape, count = shape_on(service, incumbent.variant.npu_class), incumbent.replicas
                running["cpu"][number] += bounded(count * shape.cpu_milli)
                running["memory"][number] += bounded(count * shape.memory_bytes)
                running["pods"][number] += count
        return {name: np.maximum(0, running[name] - had) for name, had in self._had.items()}


def node_needs(demand: Demand) -> dict[str, int]:
    """Return what one replica takes of a node besides NPUs."""
    return {"cpu": bounded(demand.cpu_milli), "memory": bounded(demand.memory_bytes), "pods": 1}


def quota_needs(demand: Demand) -> dict[str, int]:
    """Return what one replica takes of its namespace's quotas."""
    return {
        WATTS: demand.watts,
        demand.variant.resource: demand.variant.npus,
        "cpu": demand.cpu_milli,
        "memory": demand.memory_bytes,
        "pods": 1,
    }


def _free_npus(node: Node) -> int:
    usable = min(node.npus_allocatable, node.npus_capacity)
    return usable - node.foreign_npus - node.stuck_npus


def _first_room(layout: Layout, budget_number: int) -> int:
    budget = layout.budgets[budget_number]
    drawn = sum(_drawn_before(layout, number, budget) for number in layout.members[budget_number])
    return budget.cap.milliwatts - budget.host.milliwatts - drawn


def _drawn_before(layout: Layout, number: int, budget: Budget) -> int:
    """Return what a node draws under a budget before any replica, in milliwatts (design 6)."""
    node, idle = layout.nodes[number], layout.idle[number]
    npu_class = layout.classes[number]
    foreign = node.foreign_npus * npu_class.max.milliwatts if npu_class else 0
    stuck = node.stuck_npus * idle + 1000 * node.stuck_watts
    is_off = budget.empty_off and not is_occupied(node)
    return foreign + stuck + (0 if is_off else idle_npus(node, 0) * idle)


def _first_quota(quota: Quota) -> dict[tuple[str, str], int]:
    return {
        (quota.name, key): hard - quota.used_by_others.get(key, 0)
        for key, hard in sorted(quota.hard.items())
    }
