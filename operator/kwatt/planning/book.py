"""The book: the sums of a plan, kept while single services change. Exact, as `accounting` counts them."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import chain
from typing import Final, NamedTuple

from kwatt.model.keys import ServiceKey
from kwatt.model.plan import BudgetUse, Placement, Plan, Totals
from kwatt.model.snapshot import Service
from kwatt.planning.accounting import Row, hash_of_lines, lines_of, rows_of
from kwatt.planning.draft import Holding
from kwatt.planning.exchanges import changes_of
from kwatt.planning.layout import Layout, idle_npus, is_occupied
from kwatt.units import Power, nearest

_FINE: Final = 2**64  # sums of fractions are rounded down to this part of a milliwatt


class _Sums(NamedTuple):
    """Milliwatts idle and reserved; planned ones as the sum of `terms` fractions, each cut to 1/_FINE."""

    idle: int = 0
    reserved: int = 0
    planned: int = 0
    terms: int = 0

    def plus(self, other: _Sums, sign: int = 1) -> _Sums:
        return _Sums(
            self.idle + sign * other.idle,
            self.reserved + sign * other.reserved,
            self.planned + sign * other.planned,
            self.terms + sign * other.terms,
        )


class _Entry(NamedTuple):
    """What the book has of a service; `changes` are its starts, moves and evictions."""

    service: Service
    holding: Holding
    rows: tuple[Row, ...]
    placements: tuple[Placement, ...]
    line: str
    changes: tuple[int, int, int]


class Book:
    """Services that are all served in full, each with one holding, and what budgets count of them.

    It starts from a plan of the same layout: what this says of foreign and stuck pods holds on.
    """

    def __init__(
        self, layout: Layout, plan: Plan, served: Mapping[ServiceKey, tuple[Service, Holding]]
    ) -> None:
        self._layout, self._plan = layout, plan
        self._entries: dict[ServiceKey, _Entry] = {}
        self._keys: list[ServiceKey] = []
        self._npus = [0] * len(layout.nodes)
        self._on_node = [_Sums()] * len(layout.nodes)
        self._under = [_Sums()] * len(layout.budgets)
        self._in_all = _Sums()
        self._changes = (0, 0, 0)
        self._replicas = 0
        for key in sorted(served):
            entry = _entry(layout, *served[key])
            self._put(entry.rows, 1)
            self._exchange(None, entry)
        for number in range(len(layout.nodes)):
            self._count(number, 1)

    def enter(self, key: ServiceKey, service: Service | None, holding: Holding | None) -> None:
        """Note what a service asks for and holds now; None: it is gone."""
        before = self._entries.get(key)
        if before and service and before.holding is holding:
            changes = changes_of(before.placements, (service,))
            self._exchange(before, before._replace(service=service, changes=changes))
            return
        after = _entry(self._layout, service, holding) if service and holding else None
        if before:
            self._add(before.rows, -1)
        if after:
            self._add(after.rows, 1)
        self._exchange(before, after)

    def plan(self) -> Plan:
        """Return the plan as it stands, without a bound."""
        entries = [self._entries[key] for key in self._keys]
        budgets = enumerate(self._plan.budgets)
        return Plan(
            placements=tuple(chain.from_iterable(entry.placements for entry in entries)),
            unplaced=(),
            budgets=tuple(self._budget_use(number, use) for number, use in budgets),
            totals=self._totals(),
            hash=hash_of_lines(entry.line for entry in entries),
        )

    def _exchange(self, before: _Entry | None, after: _Entry | None) -> None:
        for entry, sign in ((before, -1), (after, 1)):
            if entry:
                self._replicas += sign * entry.holding.replicas
                changes = zip(self._changes, entry.changes, strict=True)
                starts, moves, evictions = (mine + sign * its for mine, its in changes)
                self._changes = starts, moves, evictions
        if after:
            self._entries[after.service.key] = after
            if not before:
                insort(self._keys, after.service.key)
        elif before:
            del self._entries[before.service.key]
            del self._keys[bisect_left(self._keys, before.service.key)]

    def _add(self, rows: Sequence[Row], sign: int) -> None:
        numbers = {row.number for row in rows}
        for number in numbers:
            self._count(number, -1)
        self._put(rows, sign)
        for number in numbers:
            self._count(number, 1)

    def _put(self, rows: Iterable[Row], sign: int) -> None:
        """Put rows on their nodes, or take them off."""
        for row in rows:
            placement, number = row.placement, row.number
            self._npus[number] += sign * placement.replicas * placement.variant.npus
            added = _Sums(0, placement.reserved.milliwatts, _cut(row), 1)
            self._on_node[number] = self._on_node[number].plus(added, sign)

    def _count(self, number: int, sign: int) -> None:
        """Add a node to the budgets over it and to the cluster, or take it out."""
        layout, here = self._layout, self._on_node[number]
        node, domain = layout.nodes[number], layout.domains[number]
        on = here._replace(idle=idle_npus(node, self._npus[number]) * layout.idle[number])
        off = on if here.terms or is_occupied(node) else here
        for budget in domain.plain:
            self._under[budget] = self._under[budget].plus(on, sign)
        for budget in domain.off:
            self._under[budget] = self._under[budget].plus(off, sign)
        self._in_all = self._in_all.plus(off if domain.off else on, sign)

    def _budget_use(self, number: int, before: BudgetUse) -> BudgetUse:
        sums, members = self._under[number], self._layout.members[number]
        stuck = self._stuck(members)
        idle, reserved = Power(sums.idle), Power(sums.reserved + stuck)
        planned = Power(self._rounded(sums, members) + stuck)
        if (idle, reserved, planned) == (before.idle, before.reserved, before.planned):
            return before
        host, foreign = before.host, before.foreign
        counted = host + idle + reserved + foreign
        return replace(
            before,
            idle=idle,
            reserved=reserved,
            planned=planned,
            headroom=Power(before.cap.milliwatts - counted.milliwatts),
            draw=host + idle + planned + foreign,
        )

    def _totals(self) -> Totals:
        every = range(len(self._layout.nodes))
        sums, stuck, foreign = self._in_all, self._stuck(every), self._plan.totals.foreign
        idle, planned = Power(sums.idle), Power(self._rounded(sums, every) + stuck)
        starts, moves, evictions = self._changes
        return Totals(
            planned=planned,
            reserved=Power(sums.reserved + stuck),
            idle=idle,
            foreign=foreign,
            draw=idle + planned + foreign,
            services=len(self._keys),
            placed=len(self._keys),
            partly=0,
            replicas=self._replicas,
            starts=starts,
            moves=moves,
            evictions=evictions,
        )

    def _stuck(self, numbers: Iterable[int]) -> int:
        """Return what stuck pods on some nodes may still draw, in milliwatts."""
        nodes, idle = self._layout.nodes, self._layout.idle
        stuck = (n for n in numbers if nodes[n].stuck_npus or nodes[n].stuck_watts)
        return sum(nodes[n].stuck_npus * idle[n] + 1000 * nodes[n].stuck_watts for n in stuck)

    def _rounded(self, sums: _Sums, members: Sequence[int]) -> int:
        """Round a sum once: it lies between `planned` and `planned` + `terms`, in parts of _FINE."""
        least = (2 * sums.planned + _FINE) // (2 * _FINE)
        if least == (2 * (sums.planned + sums.terms) + _FINE) // (2 * _FINE):
            return least
        within = set(members)
        rows = self._rows()
        return nearest(sum((Fraction(*r.planned) for r in rows if r.number in within), Fraction(0)))

    def _rows(self) -> Iterator[Row]:
        return (row for entry in self._entries.values() for row in entry.rows)


def _entry(layout: Layout, service: Service, holding: Holding) -> _Entry:
    rows = rows_of(layout, {service.key: (holding,)})
    placements = tuple(row.placement for row in rows)
    changes = changes_of(placements, (service,))
    return _Entry(service, holding, rows, placements, lines_of(placements), changes)


def _cut(row: Row) -> int:
    numerator, denominator = row.planned
    return numerator * _FINE // denominator
