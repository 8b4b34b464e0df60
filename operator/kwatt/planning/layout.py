"""The snapshot laid out for planning: nodes, budgets and their overlaps numbered in the order of names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from kwatt.model.npu import NpuClass
from kwatt.model.snapshot import Budget, Node, Snapshot

Ints = npt.NDArray[np.int64]
UNLIMITED: Final = 2**60  # stands for "no limit" in vectors; larger figures are cut to it


def bounded(amount: int) -> int:
    """Cut an amount to what vectors of 64-bit integers hold with room for sums."""
    return max(-UNLIMITED, min(UNLIMITED, amount))


def vector_of(amounts: Sequence[int]) -> Ints:
    """Return amounts as a vector, each cut as `bounded` does."""
    try:
        whole: Ints = np.array(amounts, dtype=np.int64)
    except OverflowError:
        whole = np.array([bounded(amount) for amount in amounts], dtype=np.int64)
    return whole.clip(-UNLIMITED, UNLIMITED)


class Domain(NamedTuple):
    """The budgets over a node, by number: those that count its idle draw always, and not when empty."""

    plain: tuple[int, ...]
    off: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """Nodes and budgets by number, ascending by name.

    `idle` is the idle draw of one NPU of each node, 0 where the class is unknown. `opening` is what the
    first replica adds to budgets with `empty_off` over a node that is empty without it, in milliwatts.
    The last column of `plain_rooms` and `off_rooms` points behind the last budget, at an unlimited room.
    """

    nodes: tuple[Node, ...]
    classes: tuple[NpuClass | None, ...]
    numbers: Mapping[str, int]
    budgets: tuple[Budget, ...]
    members: tuple[tuple[int, ...], ...]  # of each budget: the nodes under it
    domains: tuple[Domain, ...]  # of each node
    domain_numbers: Ints  # of each node: row of the two tables below
    plain_rooms: Ints
    off_rooms: Ints
    idle: tuple[int, ...]
    opening: Ints
    nested: bool  # no two budgets overlap without one containing the other


def layout_of(snapshot: Snapshot) -> Layout:
    """Number the nodes and budgets of a snapshot."""
    nodes = tuple(sorted(snapshot.nodes, key=lambda node: node.name))
    budgets = tuple(sorted(snapshot.budgets, key=lambda budget: budget.name))
    classes = tuple(snapshot.classes.get(node.npu_class or "") for node in nodes)
    idle = tuple(c.idle.milliwatts if c else 0 for c in classes)
    domains = _domains(nodes, budgets)
    distinct = sorted(set(domains))
    numbers = {node.name: number for number, node in enumerate(nodes)}
    row = {domain: number for number, domain in enumerate(distinct)}
    return Layout(
        nodes=nodes,
        classes=classes,
        numbers=numbers,
        budgets=budgets,
        members=tuple(_members(budget, numbers) for budget in budgets),
        domains=domains,
        domain_numbers=np.array([row[domain] for domain in domains], dtype=np.int64),
        plain_rooms=_table([domain.plain for domain in distinct], len(budgets)),
        off_rooms=_table([domain.off for domain in distinct], len(budgets)),
        idle=idle,
        opening=np.array(
            [_opening(*facts) for facts in zip(nodes, idle, domains, strict=True)], dtype=np.int64
        ),
        nested=_is_nested(distinct, domains),
    )


def is_occupied(node: Node) -> bool:
    """Tell whether pods that are not the plan's hold NPUs of the node: then it is not empty (design 6)."""
    return node.foreign_npus > 0 or node.stuck_npus > 0


def idle_npus(node: Node, held: int) -> int:
    """Return how many NPUs, by capacity, draw idle watts when the plan's replicas hold `held`."""
    return max(0, node.npus_capacity - node.foreign_npus - node.stuck_npus - held)


def _opening(node: Node, idle: int, domain: Domain) -> int:
    if is_occupied(node) or not domain.off:
        return 0
    return bounded(idle_npus(node, 0) * idle)


def _members(budget: Budget, numbers: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(sorted({numbers[name] for name in budget.nodes if name in numbers}))


def _domains(nodes: Sequence[Node], budgets: Sequence[Budget]) -> tuple[Domain, ...]:
    """Return the domain of each node, one object for all nodes of a domain."""
    over: dict[str, tuple[int, ...]] = dict.fromkeys((node.name for node in nodes), ())
    for number, budget in enumerate(budgets):
        longer: dict[tuple[int, ...], tuple[int, ...]] = {}
        for name in set(budget.nodes):
            if name in over:
                before = over[name]
                over[name] = longer.setdefault(before, (*before, number))
    is_off = [budget.empty_off for budget in budgets]
    domains = {
        numbers: Domain(
            tuple(number for number in numbers if not is_off[number]),
            tuple(number for number in numbers if is_off[number]),
        )
        for numbers in set(over.values())
    }
    return tuple(domains[over[node.name]] for node in nodes)


def _table(rows: Sequence[tuple[int, ...]], unlimited: int) -> Ints:
    width = 1 + max((len(row) for row in rows), default=0)
    return np.array(
        [[*row, *[unlimited] * (width - len(row))] for row in rows], dtype=np.int64
    ).reshape(len(rows), width)


def _is_nested(distinct: Sequence[Domain], domains: Sequence[Domain]) -> bool:
    """Tell whether the budgets over every node form a chain of sets."""
    under: dict[int, set[Domain]] = {}
    sizes: dict[int, int] = {}
    for domain in distinct:
        for budget in domain.plain + domain.off:
            under.setdefault(budget, set()).add(domain)
    for domain in domains:
        for budget in domain.plain + domain.off:
            sizes[budget] = sizes.get(budget, 0) + 1
    return all(
        under[inner] <= under[outer]
        for domain in distinct
        for inner, outer in pairwise(sorted(domain.plain + domain.off, key=lambda b: (sizes[b], b)))
    )
