"""What the nodes have for the services that are not held, as the bound counts it: never less than is there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import gcd
from typing import NamedTuple, TypedDict

import numpy as np

from kwatt.model.keys import Variant
from kwatt.model.snapshot import Node
from kwatt.planning.draft import Draft, Holding
from kwatt.planning.layout import Ints, Layout, bounded
from kwatt.planning.ledger import Ledger
from kwatt.planning.options import shape_on

Kind = tuple[str, str]  # NPU class and resource name


@dataclass(frozen=True, slots=True)
class Capacity:
    """Nodes and budgets beside what held services, foreign and stuck pods take.

    Per node: `kind` by number, -1 where no service can use the node; `usable` NPUs; `cpu` (millicores) and
    `memory` (MiB) left; `opening`, the milliwatts that it draws once it is not empty any more, 0 where it
    draws them anyway. `rooms` are the headrooms of the budgets in milliwatts.
    """

    layout: Layout
    kinds: Mapping[Kind, int]
    kind: Ints
    usable: Ints
    cpu: Ints
    memory: Ints
    opening: Ints
    rooms: tuple[int, ...]

    def usable_of(self, kind: int) -> Ints:
        """Return the usable NPUs of each node of a kind."""
        usable: Ints = self.usable[self.kind == kind]
        return usable


class Pool(NamedTuple):
    """Nodes that are alike for the bound. `budgets` and `off` point into the budgets that are considered.

    `off` are those of `budgets` that count `opening` (milliwatts) for a node that is not empty. `cpu` and
    `memory` are 0 where they are left aside.
    """

    kind: int
    usable: int
    cpu: int
    memory: int
    opening: int
    budgets: tuple[int, ...]
    off: tuple[int, ...]
    nodes: int


def capacity_of(draft: Draft, variants: Iterable[Variant]) -> Capacity:
    """Return what there is for replicas of the variants."""
    layout, sizes = draft.layout, _sizes(variants)
    kinds = {kind: number for number, kind in enumerate(sorted(sizes))}
    ledger = Ledger(layout, draft.snapshot)
    npus = ledger.npus.copy()
    for holding in _held(draft):
        for number, count in holding.counts:
            ledger.add(number, holding.demand, count)
            if is_at_home(layout.nodes[number], holding.demand.variant):
                npus[number] -= holding.demand.variant.npus * count
    usable = np.minimum(npus, _reachable(draft))
    numbers = [kinds.get(_kind_of(node), -1) for node in layout.nodes]
    steps = [sizes.get(_kind_of(node), 1) for node in layout.nodes]
    usable -= usable % np.array(steps, dtype=np.int64)
    return Capacity(
        layout=layout,
        kinds=kinds,
        kind=np.array(numbers, dtype=np.int64),
        usable=np.maximum(usable, 0),
        **_host(draft, ledger),
        opening=ledger.opening(np.arange(len(layout.nodes))),
        rooms=_rooms(draft, ledger),
    )


def free_capacity(draft: Draft, variants: Iterable[Variant]) -> Capacity:
    """Return what nobody holds: what newcomers can have without displacing anyone."""
    layout, sizes, ledger = draft.layout, _sizes(variants), draft.crowd
    kinds = {kind: number for number, kind in enumerate(sorted(sizes))}
    ready = [node.ready and not node.unschedulable for node in layout.nodes]
    usable = np.where(ready, np.maximum(ledger.npus, 0), 0)
    usable -= usable % np.array([sizes.get(_kind_of(n), 1) for n in layout.nodes], dtype=np.int64)
    return Capacity(
        layout=layout,
        kinds=kinds,
        kind=np.array([kinds.get(_kind_of(n), -1) for n in layout.nodes], dtype=np.int64),
        usable=usable,
        cpu=np.maximum(ledger.left["cpu"], 0),
        memory=_mebibytes(ledger.left["memory"]),
        opening=ledger.opening(np.arange(len(layout.nodes))),
        rooms=tuple(max(0, room) for room in ledger.room.tolist()[:-1]),
    )


def is_at_home(node: Node, variant: Variant) -> bool:
    """Tell whether a node has the NPUs of a variant; replicas that stay elsewhere are strays."""
    return _kind_of(node) == (variant.npu_class, variant.resource)


def pools_of(
    capacity: Capacity,
    budgets: tuple[int, ...],
    *,
    whole: bool,
    hosts: bool = False,
) -> tuple[Pool, ...]:
    """Return the nodes that can hold anything, alike ones together; other budgets are ignored.

    Unless `whole` nodes matter, each is so many nodes of one NPU where its opening can be split so. With
    `hosts` their cpu and memory count, and nodes stay whole.
    """
    places = {budget: place for place, budget in enumerate(budgets)}
    used = np.flatnonzero((capacity.kind >= 0) & (capacity.usable > 0))
    none = np.zeros_like(used)
    facts = [
        capacity.kind[used],
        capacity.usable[used],
        capacity.cpu[used] if hosts else none,
        capacity.memory[used] if hosts else none,
        capacity.opening[used],
    ]
    domains = [capacity.layout.domains[n] for n in used.tolist()] if budgets else none.tolist()
    found: Counter[Pool] = Counter()
    nodes = Counter(zip(domains, *(fact.tolist() for fact in facts), strict=True))
    for (domain, *amounts), count in nodes.items():
        off = tuple(places[b] for b in domain.off if b in places) if budgets else ()
        over = (*off, *(places[b] for b in domain.plain if b in places)) if budgets else ()
        kind, usable, cpu, memory, opening = amounts
        is_one = whole or hosts or opening % usable
        parts = 1 if is_one else usable
        charged = off if opening else ()
        size, cost = usable // parts, opening // parts
        found[Pool(kind, size, cpu, memory, cost, over, charged, 0)] += parts * count
    return tuple(pool._replace(nodes=nodes) for pool, nodes in sorted(found.items()))


def tightest(
    capacity: Capacity, densest: Mapping[int, float], left: Sequence[int]
) -> tuple[int, ...]:
    """Return the budgets that full nodes could exceed, those of which the plan leaves least first.

    `densest` is, by kind, the most whole watts above idle for one NPU; `left` the headrooms in the
    plan, in milliwatts.
    """
    density = np.array([densest.get(k, 0.0) for k in range(len(capacity.kinds))] + [0.0])
    drawn = 1000 * density[capacity.kind] * capacity.usable
    opened = np.where(capacity.usable > 0, capacity.opening, 0)
    found = []
    for number, members in enumerate(capacity.layout.members):
        nodes, room = np.array(members, dtype=np.int64), capacity.rooms[number]
        off = capacity.layout.budgets[number].empty_off
        full = float(drawn[nodes].sum()) + (float(opened[nodes].sum()) if off else 0.0)
        if full > room:
            found.append((left[number] / (1 + room), number))
    return tuple(number for _, number in sorted(found))


def _kind_of(node: Node) -> Kind:
    return (node.npu_class or "", node.resource or "")


def _sizes(variants: Iterable[Variant]) -> dict[Kind, int]:
    """Return, by kind, the number of NPUs of which every replica takes a multiple."""
    sizes: dict[Kind, int] = {}
    for variant in variants:
        kind = (variant.npu_class, variant.resource)
        sizes[kind] = gcd(sizes.get(kind, 0), variant.npus)
    return sizes


def _held(draft: Draft) -> list[Holding]:
    return [h for _, holdings in sorted(draft.holdings.items()) for h in holdings if not h.option]


class _Host(TypedDict):
    cpu: Ints
    memory: Ints


def _host(draft: Draft, ledger: Ledger) -> _Host:
    """Return the cpu and memory of nodes; what runs may stay even where that is more than there is."""
    cpu, memory = ledger.left["cpu"].copy(), ledger.left["memory"].copy()
    running = {"cpu": np.zeros_like(cpu), "memory": np.zeros_like(memory)}
    for service in draft.snapshot.services:
        for incumbent in service.incumbents:
            number = draft.layout.numbers.get(incumbent.node)
            if number is not None:
                shape = shape_on(service, incumbent.variant.npu_class)
                count = max(0, incumbent.replicas)
                running["cpu"][number] += bounded(count * shape.cpu_milli)
                running["memory"][number] += bounded(count * shape.memory_bytes)
    return {
        "cpu": np.maximum(cpu, running["cpu"]),
        "memory": _mebibytes(np.maximum(memory, running["memory"])),
    }


def _mebibytes(amounts: Ints) -> Ints:
    """Return bytes as MiB, rounded up."""
    mebibytes: Ints = -(-np.maximum(amounts, 0) // 2**20)
    return mebibytes


def _reachable(draft: Draft) -> Ints:
    """Return, per node, a limit on NPUs: on nodes that are not ready or cordoned only what runs may stay."""
    nodes = draft.layout.nodes
    limit = [node.npus_capacity if node.ready and not node.unschedulable else 0 for node in nodes]
    for service in draft.snapshot.services:
        for incumbent in service.incumbents:
            number = draft.layout.numbers.get(incumbent.node)
            if number is not None and is_at_home(nodes[number], incumbent.variant):
                limit[number] += max(0, incumbent.replicas) * incumbent.variant.npus
    return np.array([bounded(npus) for npus in limit], dtype=np.int64)


def _rooms(draft: Draft, ledger: Ledger) -> tuple[int, ...]:
    """Return the headroom of each budget, with all that strays may free of the idle draw of nodes.

    Below 0 nothing is started, but what the budget does not count may stay: then the room is 0.
    """
    layout, rooms = draft.layout, ledger.room.tolist()
    for service in draft.snapshot.services:
        for incumbent in service.incumbents:
            number = layout.numbers.get(incumbent.node)
            if number is None or is_at_home(layout.nodes[number], incumbent.variant):
                continue
            freed = max(0, incumbent.replicas) * incumbent.variant.npus * layout.idle[number]
            for budget in (*layout.domains[number].plain, *layout.domains[number].off):
                rooms[budget] += freed
    return tuple(max(0, room) for room in rooms[:-1])
