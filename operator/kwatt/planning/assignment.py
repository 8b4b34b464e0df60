"""The mixed integer program of a small cluster: choices of services, their replicas on nodes.

    sum y = 1, or at most 1                              each service
    sum n - sum (replicas - kept) y = 0                  each service and option
    sum npus n <= npus left, cpu, memory, pods alike     each node
    sum npus n <= npus left z                            each node that is off while it is empty
    sum watts n + sum opening z <= headroom              each budget
    sum needs n <= what is left                          each quota

y are choices, n new replicas of an option on a node, z nodes that were off and are in use.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count, groupby, pairwise
from typing import NamedTuple

import numpy as np

from kwatt.names import WATTS
from kwatt.planning.choices import Choice, Ground
from kwatt.planning.draft import Draft, Holding
from kwatt.planning.ledger import Ledger, node_needs, quota_needs
from kwatt.planning.options import Demand

_UNITS = {"cpu": 1000, "memory": 2**30, "pods": 1, "npus": 1, WATTS: 1}  # rows are of like size


class Seeker(NamedTuple):
    """A service that replicas are started for: its grounds, with the choices on each."""

    grounds: tuple[Ground, ...]
    choices: tuple[tuple[Choice, ...], ...]
    kept: Holding | None = None

    @property
    def stays(self) -> int:
        """Return how many replicas stay where they run."""
        return self.kept.replicas if self.kept else 0


class Pick(NamedTuple):
    """The column of a choice: the service's place among the seekers, the place of its ground."""

    column: int
    seeker: int
    ground: int
    choice: Choice


class Spot(NamedTuple):
    """The column of an option's new replicas on a node, `most` of them at most."""

    column: int
    seeker: int
    ground: int
    demand: Demand
    number: int
    most: int


Needs = Sequence[tuple[Spot, int]]  # of one replica on each spot


class Row(NamedTuple):
    """lower <= sum of entries x columns <= upper."""

    lower: float
    upper: float
    entries: Mapping[int, float]


class Assignment:
    """Columns and rows: picks first, then spots, then the nodes that would have to be opened.

    `opened` maps their numbers to milliwatts.
    """

    def __init__(self, draft: Draft, seekers: Sequence[Seeker]) -> None:
        self.picks = tuple(_picks(seekers))
        self.spots = tuple(_spots(seekers, len(self.picks)))
        numbers = sorted({spot.number for spot in self.spots})
        opening = draft.committed.opening(np.array(numbers, dtype=np.int64)).tolist()
        self.opened = {n: watts for n, watts in zip(numbers, opening, strict=True) if watts}
        self.seekers = tuple(seekers)
        self._ledger: Ledger = draft.committed
        first = len(self.picks) + len(self.spots)
        self._opening = {number: first + column for column, number in enumerate(self.opened)}
        self._on_node = {
            number: [spot for spot in self.spots if spot.number == number] for number in numbers
        }

    @property
    def columns(self) -> int:
        """Return the number of columns."""
        return len(self.picks) + len(self.spots) + len(self.opened)

    def upper(self) -> list[float]:
        """Return the greatest value of each column; the least is 0 and all are whole."""
        return [
            *[1.0] * len(self.picks),
            *[float(s.most) for s in self.spots],
            *[1.0] * len(self.opened),
        ]

    def rows(self) -> Iterator[Row]:
        """Yield all rows: those of the services first, one each, in their order."""
        yield from self._choose_one()
        yield from self._place_all()
        for number in self._on_node:
            yield from self._within_node(number)
        yield from self._within_budgets()
        yield from self._within_quotas()
        yield from self._alike_in_order()

    def _choose_one(self) -> Iterator[Row]:
        for place, seeker in enumerate(self.seekers):
            mine = (pick.column for pick in self.picks if pick.seeker == place)
            yield Row(float(seeker.kept is not None), 1, dict.fromkeys(mine, 1.0))

    def _place_all(self) -> Iterator[Row]:
        entries: dict[tuple[int, int], dict[int, float]] = {}
        for pick in self.picks:
            of_ground = entries.setdefault((pick.seeker, pick.ground), {})
            of_ground[pick.column] = -float(pick.choice.replicas - self.seekers[pick.seeker].stays)
        for spot in self.spots:
            entries.setdefault((spot.seeker, spot.ground), {})[spot.column] = 1.0
        for of_ground in entries.values():
            yield Row(0, 0, of_ground)

    def _within_node(self, number: int) -> Iterator[Row]:
        spots, ledger = self._on_node[number], self._ledger
        left = {name: int(vector[number]) for name, vector in ledger.left.items()}
        for name, amount in left.items():
            needs = [(spot, node_needs(spot.demand)[name]) for spot in spots]
            yield from _row(needs, amount, _UNITS[name])
        npus = [(spot, spot.demand.variant.npus) for spot in spots]
        opening = self._opening.get(number)
        if opening is None:
            yield from _row(npus, int(ledger.npus[number]), 1)
            return
        entries = {spot.column: float(need) for spot, need in npus}
        yield Row(-np.inf, 0, entries | {opening: -float(ledger.npus[number])})

    def _within_budgets(self) -> Iterator[Row]:
        layout, ledger = self._ledger.layout, self._ledger
        for budget, members in enumerate(layout.members):
            room = int(ledger.room[budget])
            spots = [spot for number in members for spot in self._on_node.get(number, ())]
            needs = [(spot, ledger.unit(spot.number, spot.demand)) for spot in spots]
            opened = self.opened if layout.budgets[budget].empty_off else {}
            waking = {n: opened[n] for n in members if n in opened}
            if room < 0:
                yield Row(0, 0, {spot.column: 1.0 for spot in spots})
            elif _most(needs) + sum(waking.values()) > room:
                entries = {spot.column: need / 1000 for spot, need in needs}
                entries |= {self._opening[n]: watts / 1000 for n, watts in waking.items()}
                yield Row(-np.inf, room / 1000, entries)

    def _within_quotas(self) -> Iterator[Row]:
        for namespace, quotas in sorted(self._ledger.quotas.items()):
            spots = [spot for spot in self.spots if spot.demand.namespace == namespace]
            for (_, key), left in sorted(quotas.items()):
                needs = [(spot, quota_needs(spot.demand).get(key, 0)) for spot in spots]
                yield from _row(needs, left, _UNITS.get(key, 1))

    def _alike_in_order(self) -> Iterator[Row]:
        """Open alike nodes in the order of their names: the others are the same plans once more."""
        alike = sorted((self._likeness(number), number) for number in self.opened)
        for _, of_kind in groupby(alike, key=lambda pair: pair[0]):
            for (_, one), (_, other) in pairwise(of_kind):
                yield Row(0, np.inf, {self._opening[one]: 1.0, self._opening[other]: -1.0})

    def _likeness(self, number: int) -> tuple[object, ...]:
        """Return all that tells an empty node from another."""
        ledger = self._ledger
        domain = ledger.layout.domains[number]
        left = [int(vector[number]) for _, vector in sorted(ledger.left.items())]
        places = [(spot.seeker, spot.ground, spot.most) for spot in self._on_node[number]]
        return domain, self.opened[number], int(ledger.npus[number]), left, places


def _picks(seekers: Sequence[Seeker]) -> Iterator[Pick]:
    columns = count()
    for place, seeker in enumerate(seekers):
        for of, choices in enumerate(seeker.choices):
            for choice in choices:
                yield Pick(next(columns), place, of, choice)


def _spots(seekers: Sequence[Seeker], first: int) -> Iterator[Spot]:
    columns = count(first)
    for place, seeker in enumerate(seekers):
        for of, ground in enumerate(seeker.grounds):
            for number, most in sorted(ground.slots.items()):
                yield Spot(next(columns), place, of, ground.option.demand, number, most)


def _row(needs: Needs, left: int, unit: int) -> Iterator[Row]:
    """Yield the row that keeps needs within what is left, none where they always are."""
    left = max(0, left)
    if _most(needs) > left:
        entries = {spot.column: need / unit for spot, need in needs if need}
        yield Row(-np.inf, left / unit, entries)


def _most(needs: Needs) -> int:
    """Return what all spots could need together."""
    return sum(spot.most * need for spot, need in needs)
