"""Accounting: placements from holdings, and what budgets and the cluster count of them (design 6).

Sums are of exact values and rounded once. Nothing here trusts the ledger that planned.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from kwatt.model.keys import ServiceKey, Variant
from kwatt.model.plan import BudgetUse, Placement, Totals
from kwatt.model.snapshot import Service
from kwatt.planning.draft import Holding
from kwatt.planning.layout import Layout, idle_npus, is_occupied
from kwatt.units import Power, Throughput, nearest

_FINE: Final = (
    2**64
)  # sums of fractions are narrowed down to this part of a milliwatt before rounding

Ratio = tuple[int, int]  # numerator and denominator


@dataclass(frozen=True, slots=True)
class Row:
    """A placement with its node's number and its exact planned milliwatts."""

    placement: Placement
    number: int
    planned: Ratio


def rows_of(layout: Layout, holdings: Mapping[ServiceKey, Sequence[Holding]]) -> tuple[Row, ...]:
    """Return the placements of all holdings with their exact figures, sorted."""
    rows = [
        row
        for key, of_service in holdings.items()
        for holding in of_service
        for row in _rows(layout, key, holding)
    ]
    return tuple(sorted(rows, key=lambda row: _order(row.placement)))


def hash_of(placements: Iterable[Placement]) -> str:
    """Return SHA-256 over the placements."""
    return hash_of_lines([lines_of(placements)])


def hash_of_lines(lines: Iterable[str]) -> str:
    """Return SHA-256 over placements, of which `lines` has some each."""
    return hashlib.sha256(f"[{','.join(filter(None, lines))}]".encode()).hexdigest()


def lines_of(placements: Iterable[Placement]) -> str:
    """Return placements as they are hashed, "" for none."""
    lines = [
        [
            *p.service,
            *p.variant,
            p.operating_point,
            p.node,
            p.replicas,
            p.rate.micros,
            p.reserved.milliwatts,
            p.planned.milliwatts,
        ]
        for p in placements
    ]
    return json.dumps(lines, ensure_ascii=True, separators=(",", ":"))[1:-1]


def budget_uses(layout: Layout, rows: Sequence[Row]) -> tuple[BudgetUse, ...]:
    """Return what every budget counts, by name."""
    on_node: dict[int, list[Row]] = {}
    for row in rows:
        on_node.setdefault(row.number, []).append(row)
    return tuple(_budget_use(layout, number, on_node) for number in range(len(layout.budgets)))


def totals_of(
    layout: Layout,
    rows: Sequence[Row],
    services: Sequence[Service],
    served: Mapping[ServiceKey, int],
) -> Totals:
    """Return the sums over the cluster; `served` is the rate of every service that holds replicas."""
    on_node: dict[int, list[Row]] = {}
    for row in rows:
        on_node.setdefault(row.number, []).append(row)
    every = range(len(layout.nodes))
    off = {number for number in every if layout.domains[number].off}
    idle, foreign, stuck = _drawn(layout, every, on_node, off)
    reserved = sum(row.placement.reserved.milliwatts for row in rows) + stuck
    planned = rounded_sum([row.planned for row in rows]) + stuck
    whole = sum(_is_whole(service, served) for service in services)
    partly = sum(0 < served.get(s.key, 0) < s.target.micros for s in services)
    starts, moves, evictions = changes_of(rows, services)
    return Totals(
        planned=Power(planned),
        reserved=Power(reserved),
        idle=Power(idle),
        foreign=Power(foreign),
        draw=Power(idle + planned + foreign),
        services=len(services),
        placed=whole,
        partly=partly,
        replicas=sum(row.placement.replicas for row in rows),
        starts=starts,
        moves=moves,
        evictions=evictions,
    )


def rounded_sum(terms: Sequence[Ratio]) -> int:
    """Return the sum of fractions, rounded once to the nearest whole.

    The sum lies between `low` and `low + len(terms)`, in parts of _FINE. Only where these round apart
    are the fractions added as such: with thousands of denominators that is slow.
    """
    low = sum(numerator * _FINE // denominator for numerator, denominator in terms)
    least = nearest(Fraction(low, _FINE))
    if least == nearest(Fraction(low + len(terms), _FINE)):
        return least
    return nearest(sum((Fraction(*term) for term in terms), Fraction(0)))


def _rows(layout: Layout, key: ServiceKey, holding: Holding) -> Iterator[Row]:
    option, demand = holding.option, holding.demand
    each, replicas, served = demand.reserved, holding.replicas, 0
    point, drawn = "", (each.milliwatts * replicas, 1)
    if option is not None and replicas:
        served = option.served(replicas)
        covering = option.curve.covering(served, replicas)
        point = covering.name if covering else ""
        drawn = option.curve.draw(served, replicas)
    for number, count in holding.counts:
        planned = drawn[0] * count, drawn[1] * replicas
        placement = Placement(
            service=key,
            variant=demand.variant,
            operating_point=point,
            node=layout.nodes[number].name,
            replicas=count,
            rate=Throughput(_nearest(served * count, replicas)),
            reserved=each * count,
            planned=Power(_nearest(*planned)),
        )
        yield Row(placement, number, planned)


def _nearest(numerator: int, denominator: int) -> int:
    """Round a fraction to the nearest integer, a half upwards."""
    return (2 * numerator + denominator) // (2 * denominator)


def _order(placement: Placement) -> tuple[ServiceKey, Variant, str, int]:
    return (placement.service, placement.variant, placement.node, placement.reserved.milliwatts)


def _budget_use(layout: Layout, number: int, on_node: Mapping[int, Sequence[Row]]) -> BudgetUse:
    budget, members = layout.budgets[number], layout.members[number]
    rows = [row for member in members for row in on_node.get(member, ())]
    idle, foreign, stuck = _drawn(
        layout, members, on_node, set(members) if budget.empty_off else set()
    )
    reserved = sum(row.placement.reserved.milliwatts for row in rows) + stuck
    planned = rounded_sum([row.planned for row in rows]) + stuck
    counted = budget.host.milliwatts + idle + reserved + foreign
    return BudgetUse(
        name=budget.name,
        cap=budget.cap,
        host=budget.host,
        idle=Power(idle),
        reserved=Power(reserved),
        foreign=Power(foreign),
        headroom=Power(budget.cap.milliwatts - counted),
        planned=Power(planned),
        draw=Power(budget.host.milliwatts + idle + planned + foreign),
        nodes=len(members),
    )


def _drawn(
    layout: Layout, numbers: Iterable[int], on_node: Mapping[int, Sequence[Row]], off: set[int]
) -> tuple[int, int, int]:
    """Return the milliwatts of idle NPUs, of foreign pods and of stuck ones on some nodes.

    Nodes in `off` draw nothing when empty. Stuck pods may still run: they count as reserved and planned.
    """
    idle = foreign = stuck = 0
    for number in numbers:
        node, npu_class = layout.nodes[number], layout.classes[number]
        rows = on_node.get(number, ())
        held = sum(row.placement.replicas * row.placement.variant.npus for row in rows)
        if rows or is_occupied(node) or number not in off:
            idle += idle_npus(node, held) * layout.idle[number]
        foreign += node.foreign_npus * npu_class.max.milliwatts if npu_class else 0
        stuck += node.stuck_npus * layout.idle[number] + 1000 * node.stuck_watts
    return idle, foreign, stuck


def _is_whole(service: Service, served: Mapping[ServiceKey, int]) -> bool:
    is_served = served.get(service.key, -1) >= service.target.micros
    return service.held is None and is_served


def changes_of(rows: Sequence[Row], services: Sequence[Service]) -> tuple[int, int, int]:
    """Count replicas started, moved (dropped, and another of the service started), and evicted."""
    planned: dict[ServiceKey, Counter[tuple[Variant, str]]] = {}
    for row in rows:
        place = (row.placement.variant, row.placement.node)
        planned.setdefault(row.placement.service, Counter())[place] += row.placement.replicas
    starts = moves = evictions = 0
    for service in services:
        before: Counter[tuple[Variant, str]] = Counter()
        for incumbent in service.incumbents:
            before[incumbent.variant, incumbent.node] += incumbent.replicas
        after = planned.get(service.key, Counter())
        started, dropped = (after - before).total(), (before - after).total()
        starts += started
        moves += min(started, dropped)
        evictions += dropped - min(started, dropped)
    return starts, moves, evictions
