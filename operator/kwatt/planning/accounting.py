"""Accounting: placements from holdings, and what budgets and the cluster count of them (design 6).

Sums are of exact values and rounded once. Nothing here trusts the ledger that planned.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Final, NamedTuple

from kwatt.model.keys import ServiceKey, Variant
from kwatt.model.plan import BudgetUse, Placement, Totals
from kwatt.model.snapshot import Service
from kwatt.planning.draft import Holding
from kwatt.planning.exchanges import changes_of
from kwatt.planning.layout import Layout, idle_npus, is_occupied
from kwatt.units import Power, Throughput, nearest

_FINE: Final = (
    2**64
)  # sums of fractions are narrowed down to this part of a milliwatt before rounding

Ratio = tuple[int, int]  # numerator and denominator


class Row(NamedTuple):
    """A placement with its node's number and its exact planned milliwatts.

    `served` is what all replicas of its holding serve, on the first row of a holding; 0 on the others.
    """

    placement: Placement
    number: int
    planned: Ratio
    served: int


def rows_of(layout: Layout, holdings: Mapping[ServiceKey, Sequence[Holding]]) -> tuple[Row, ...]:
    """Return the placements of all holdings with their exact figures, sorted."""
    found: list[Row] = []
    for key in sorted(holdings):
        rows = [row for holding in holdings[key] for row in _rows(layout, key, holding)]
        if len(holdings[key]) > 1:  # those of one are in the order of nodes, and so of their names
            rows.sort(key=lambda row: _order(row.placement))
        found += rows
    return tuple(found)


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


def budget_uses(layout: Layout, loads: Sequence[Load]) -> tuple[BudgetUse, ...]:
    """Return what every budget counts, by name."""
    return tuple(_budget_use(layout, number, loads) for number in range(len(layout.budgets)))


def totals_of(
    layout: Layout,
    rows: Sequence[Row],
    loads: Sequence[Load],
    services: Sequence[Service],
    served: Mapping[ServiceKey, int],
) -> Totals:
    """Return the sums over the cluster; `served` is the rate of every service that holds replicas."""
    drawn = _drawn(layout, loads)
    whole = partly = 0
    for service in services:
        reached, target = served.get(service.key, -1), service.target.micros
        whole += reached >= target and service.held is None
        partly += 0 < reached < target
    starts, moves, evictions = changes_of((row.placement for row in rows), services)
    return Totals(
        planned=Power(drawn.planned),
        reserved=Power(drawn.reserved),
        idle=Power(drawn.idle),
        foreign=Power(drawn.foreign),
        draw=Power(drawn.idle + drawn.planned + drawn.foreign),
        services=len(services),
        placed=whole,
        partly=partly,
        replicas=sum(row.placement.replicas for row in rows),
        starts=starts,
        moves=moves,
        evictions=evictions,
    )


def drawn_by(layout: Layout, rows: Sequence[Row]) -> Power:
    """Return what the whole cluster draws with these placements."""
    drawn = _drawn(layout, loads_of(layout, rows))
    return Power(drawn.idle + drawn.planned + drawn.foreign)


def rounded_sum(terms: Sequence[Ratio]) -> int:
    """Return the sum of fractions, rounded once to the nearest whole."""
    return _rounded(sum(map(_cut, terms)), len(terms), terms)


def _rounded(low: int, number: int, terms: Iterable[Ratio]) -> int:
    """Round the sum of a `number` of fractions, from `low` to `low + number` in parts of _FINE.

    Only where these round apart are the fractions added as such: with thousands of denominators that is
    slow.
    """
    least = _nearest(low, _FINE)
    if least == _nearest(low + number, _FINE):
        return least
    return nearest(sum((Fraction(*term) for term in terms), Fraction(0)))


def _cut(term: Ratio) -> int:
    """Return a fraction in parts of _FINE, rounded down."""
    return term[0] * _FINE // term[1]


def served_by(rows: Iterable[Row]) -> dict[ServiceKey, int]:
    """Return the rate of every service that holds replicas, in millionths of a unit per second."""
    served: dict[ServiceKey, int] = {}
    for row in rows:
        key = row.placement.service
        served[key] = served.get(key, 0) + row.served
    return served


def _rows(layout: Layout, key: ServiceKey, holding: Holding) -> Iterator[Row]:
    option, demand = holding.option, holding.demand
    each, replicas, served = demand.reserved.milliwatts, holding.replicas, 0
    point, drawn = "", (each * replicas, 1)
    if option is not None and replicas:
        curve, served = option.curve, option.served(replicas)
        place = curve.place(served, replicas)
        point = curve.points[place].name if place < len(curve.points) else ""
        drawn = curve.draw_at(place, served, replicas)
    alike: dict[int, tuple[Throughput, Power, Power]] = {}  # by the replicas on a node
    for number, count in holding.counts:
        planned = drawn[0] * count, drawn[1] * replicas
        if count not in alike:
            rate = Throughput(_nearest(served * count, replicas))
            alike[count] = rate, Power(each * count), Power(_nearest(*planned))
        node = layout.nodes[number].name
        placement = Placement(key, demand.variant, point, node, count, *alike[count])
        first = number == holding.counts[0][0]
        yield Row(placement, number, planned, served if first else 0)


def _nearest(numerator: int, denominator: int) -> int:
    """Round a fraction to the nearest integer, a half upwards."""
    return (2 * numerator + denominator) // (2 * denominator)


def _order(placement: Placement) -> tuple[ServiceKey, Variant, str, int]:
    return (placement.service, placement.variant, placement.node, placement.reserved.milliwatts)


class Load(NamedTuple):
    """What a node draws, in milliwatts: by idle NPUs, foreign pods, stuck ones and rows.

    `low` is the sum of what rows draw as planned, each cut to 1/_FINE.
    """

    idle: int
    foreign: int
    stuck: int
    reserved: int
    low: int
    rows: Sequence[Row]
    is_empty: bool


def loads_of(layout: Layout, rows: Iterable[Row]) -> list[Load]:
    """Return what each node draws."""
    on_node: dict[int, list[Row]] = {}
    for row in rows:
        on_node.setdefault(row.number, []).append(row)
    return [_load(layout, number, on_node.get(number, ())) for number in range(len(layout.nodes))]


def _load(layout: Layout, number: int, rows: Sequence[Row]) -> Load:
    """Return what a node draws. Stuck pods may still run: they count as reserved and planned."""
    node, npu_class, each = layout.nodes[number], layout.classes[number], layout.idle[number]
    held = reserved = low = 0
    for placement, _, planned, _ in rows:
        held += placement.replicas * placement.variant.npus
        reserved += placement.reserved.milliwatts
        low += _cut(planned)
    return Load(
        idle=idle_npus(node, held) * each,
        foreign=node.foreign_npus * npu_class.max.milliwatts if npu_class else 0,
        stuck=node.stuck_npus * each + 1000 * node.stuck_watts,
        reserved=reserved,
        low=low,
        rows=rows,
        is_empty=not rows and not is_occupied(node),
    )


class _Drawn(NamedTuple):
    """Milliwatts of some nodes together; stuck pods count as reserved and as planned."""

    idle: int
    foreign: int
    reserved: int
    planned: int


def _drawn(layout: Layout, loads: Sequence[Load]) -> _Drawn:
    domains = zip(loads, layout.domains, strict=True)
    idle = sum([0 if domain.off and load.is_empty else load.idle for load, domain in domains])
    return _sum_of(loads, idle)


def _sum_of(loads: Sequence[Load], idle: int) -> _Drawn:
    stuck = sum([load.stuck for load in loads])
    low, number = sum([load.low for load in loads]), sum([len(load.rows) for load in loads])
    terms = (row.planned for load in loads for row in load.rows)
    return _Drawn(
        idle=idle,
        foreign=sum([load.foreign for load in loads]),
        reserved=sum([load.reserved for load in loads]) + stuck,
        planned=_rounded(low, number, terms) + stuck,
    )


def _budget_use(layout: Layout, number: int, loads: Sequence[Load]) -> BudgetUse:
    budget, members = layout.budgets[number], layout.members[number]
    under = [loads[member] for member in members]
    drawn = _sum_of(
        under, sum([0 if budget.empty_off and load.is_empty else load.idle for load in under])
    )
    counted = budget.host.milliwatts + drawn.idle + drawn.reserved + drawn.foreign
    return BudgetUse(
        name=budget.name,
        cap=budget.cap,
        host=budget.host,
        idle=Power(drawn.idle),
        reserved=Power(drawn.reserved),
        foreign=Power(drawn.foreign),
        headroom=Power(budget.cap.milliwatts - counted),
        planned=Power(drawn.planned),
        draw=Power(budget.host.milliwatts + drawn.idle + drawn.planned + drawn.foreign),
        nodes=len(members),
    )
