"""Which rack gets the watts: never more than it has, and the same whatever the order of input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from hypothesis import given, settings

import builders as b
from kwatt.model.snapshot import Budget, Snapshot
from kwatt.planning.capacity import Capacity, free_capacity
from kwatt.planning.choice import Stock, chosen_at
from kwatt.planning.columns import columns_of
from kwatt.planning.draft import Draft
from kwatt.planning.lagrangian import Relaxation, paid_at, relaxation_of
from kwatt.planning.layout import Ints
from kwatt.planning.pairs import Want
from kwatt.planning.prices import ascended, prices_of
from kwatt.planning.shares import Shares, rooms_of_cells, with_idle
from laws.strategies import LAW, crowds

NODES = [b.node(name, 4) for name in ("a1", "a2", "b1", "b2")]
RACK_A, RACK_B = ("a1", "a2"), ("b1", "b2")
FEW_ROUNDS = 1.001  # what the mean over all rounds of the ascent keeps of the first


class Problem(NamedTuple):
    """What shares are made of, with the columns that are cheapest where budgets are left aside."""

    capacity: Capacity
    relaxation: Relaxation
    chosen: Ints

    @property
    def rooms(self) -> Ints:
        return rooms_of_cells(self.capacity, self.relaxation.columns, self.chosen)

    def shares(self) -> Shares:
        return Shares(self.capacity, self.relaxation, self.rooms)


def problem_of(snapshot: Snapshot) -> Problem | None:
    draft = Draft(snapshot)
    wants = [Want(s, o, s.target.micros) for s in snapshot.services if (o := draft.offers(s))]
    capacity = free_capacity(draft, {o.variant for want in wants for o in want.offers})
    if not wants:
        return None
    columns = columns_of(capacity, wants)
    if not len(columns.service):
        return None
    relaxation = relaxation_of(capacity, columns)
    npus = np.bincount(
        capacity.kind[capacity.kind >= 0],
        weights=capacity.usable[capacity.kind >= 0],
        minlength=relaxation.kinds,
    )
    amounts = np.array([npus], dtype=np.int64)
    stock = Stock(np.array([columns.npus]), amounts, np.zeros_like(amounts[0]))
    chosen = chosen_at(columns, paid_at(relaxation, prices_of(relaxation)), stock)
    return Problem(capacity, with_idle(relaxation, capacity), chosen)


def found(problem: Problem) -> tuple[Shares, Ints]:
    """Return shares after the ascent, with the prices."""
    shares, relaxation = problem.shares(), problem.relaxation
    first = np.zeros((len(shares.names), relaxation.kinds), dtype=np.int64)
    return shares, ascended(relaxation.columns, shares, first)


def racks(*budgets: Budget, target: float = 1600) -> Problem:
    """Return a problem of one service that wants all NPUs of two racks, of 60 W each, or some of them."""
    off = [replace(budget, empty_off=True) for budget in budgets]
    problem = problem_of(b.snapshot([b.service(target=target)], NODES, off))
    assert problem
    return problem


def under(budget_nodes: Sequence[int], problem: Problem) -> list[int]:
    """Return the cells with nodes under a budget."""
    return sorted({int(problem.capacity.layout.domain_numbers[n]) for n in budget_nodes})


def test_a_rack_has_its_cap_but_no_more_than_its_nodes_can_use() -> None:
    problem = racks(b.budget("a", 200, RACK_A), b.budget("b", 1000, RACK_B), target=800)

    assert problem.rooms.tolist() == [200_000, 480_000]


def test_a_row_deals_out_what_its_racks_can_use() -> None:
    """The smaller budget counts first, whatever its name."""
    row, rack = b.budget("all", 400, RACK_A + RACK_B), b.budget("rack", 100, RACK_A)

    assert sorted(racks(row, rack, target=800).rooms.tolist()) == [100_000, 300_000]


def test_a_row_deals_out_evenly_to_racks_that_are_alike() -> None:
    a, other = b.budget("a", 400, RACK_A), b.budget("b", 400, RACK_B)
    problem = racks(a, other, b.budget("row", 300, RACK_A + RACK_B), target=800)

    assert problem.rooms.tolist() == [150_000, 150_000]


def test_a_cap_that_is_overdrawn_already_leaves_nothing() -> None:
    assert 0 in racks(b.budget("a", 10, RACK_A, host=50), target=400).rooms


def test_another_watt_earns_something_only_where_watts_are_cut() -> None:
    problem = racks(b.budget("a", 200, RACK_A), b.budget("b", 1000, RACK_B), target=800)
    price = np.full((2, 1), 1000, dtype=np.int64)

    scarce, ample = problem.shares().marginal(price).tolist()

    assert scarce > 0
    assert ample == 0


@settings(LAW, max_examples=60)
@given(crowds(running=False))
def test_no_budget_deals_out_more_than_it_has(snapshot: Snapshot) -> None:
    problem = problem_of(snapshot)
    if problem is None:
        return
    layout, rooms = problem.capacity.layout, problem.rooms
    assert (rooms >= 0).all()
    for number, members in enumerate(layout.members):
        most = problem.capacity.rooms[number]
        if not layout.budgets[number].empty_off:
            most += int(problem.capacity.opening[list(members)].sum())
        assert rooms[under(members, problem)].sum() <= max(0, most) or not members


@settings(LAW, max_examples=60)
@given(crowds(running=False))
def test_at_no_price_are_there_more_watts_or_npus_than_cells_have(snapshot: Snapshot) -> None:
    problem = problem_of(snapshot)
    if problem is None:
        return
    shares, price = found(problem)
    numbers, watts = shares.pools
    cells = np.bincount(
        numbers // problem.relaxation.kinds, weights=watts, minlength=len(problem.rooms)
    )
    assert (cells <= problem.rooms * FEW_ROUNDS + 1).all()
    known = problem.capacity.kind >= 0
    npus = np.bincount(
        problem.capacity.kind[known],
        weights=problem.capacity.usable[known],
        minlength=problem.relaxation.kinds,
    )
    assert (shares.supply[0] <= npus).all()
    assert (price >= 0).all()
    assert shares.earned(price) >= 0


@settings(LAW, max_examples=40)
@given(crowds(running=False))
def test_the_order_of_input_is_irrelevant(snapshot: Snapshot) -> None:
    backwards = replace(
        snapshot,
        services=snapshot.services[::-1],
        nodes=snapshot.nodes[::-1],
        budgets=snapshot.budgets[::-1],
    )
    one, other = problem_of(snapshot), problem_of(backwards)
    if one is None or other is None:
        assert one is other
        return
    assert one.rooms.tolist() == other.rooms.tolist()
    (shares, price), (others, others_price) = found(one), found(other)
    assert price.tolist() == others_price.tolist()
    assert shares.supply.tolist() == others.supply.tolist()
    assert [part.tolist() for part in shares.pools] == [part.tolist() for part in others.pools]
