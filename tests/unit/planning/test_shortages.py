"""What a service lacks of budgets is the same however it is found, and no raise below it ever suffices."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import builders as b
from kwatt.model.snapshot import Snapshot
from kwatt.planning.bins import Bins, Piece
from kwatt.planning.draft import Draft
from kwatt.planning.fill import fill_whole
from kwatt.planning.openings import Openings
from kwatt.planning.place import spots_of
from kwatt.planning.raises import _between, least_raise, raised
from kwatt.planning.shortage import Shortages, _opened_by_filling, budget_shortages
from kwatt.planning.spots import Spots
from laws.strategies import LAW, snapshots

REPLICAS = (1, 2, 3, 5, 9)


def grounds(snapshot: Snapshot) -> Iterator[tuple[Draft, Spots]]:
    """Yield the spots of every option of every service, in a draft in which nothing is held."""
    draft = Draft(snapshot)
    for service in snapshot.services:
        for option in draft.options(service):
            spots = spots_of(draft, service, option, draft.committed)
            if len(spots.nodes):
                yield draft, spots


@LAW
@given(snapshots())
def test_counting_alike_nodes_together_opens_what_filling_one_by_one_opens(
    snapshot: Snapshot,
) -> None:
    for draft, spots in grounds(snapshot):
        for budget in (n for n, over in enumerate(draft.layout.budgets) if over.empty_off):
            openings = Openings(draft.layout, spots, budget)
            for replicas in REPLICAS:
                filled = _opened_by_filling(draft.committed, spots, replicas, budget)
                _, least = openings.at_least(replicas)
                if min(spots.quota, int(spots.slots.sum())) >= replicas:
                    assert least <= filled
                if openings.covers(replicas):
                    assert openings.of(replicas) == filled


def test_a_small_rest_opens_a_small_node() -> None:
    """Twelve replicas: a node of eight at 10 W an NPU, then one of four; one more, the other of eight."""
    nodes = [b.node("big", 8), b.node("other", 8), b.node("small", 4)]
    budget = b.budget(nodes=("big", "other", "small"), cap=0, empty_off=True)
    ((draft, spots),) = grounds(b.snapshot([b.service(target=1200)], nodes, [budget]))

    openings = Openings(draft.layout, spots, 0)

    assert [openings.of(replicas) for replicas in (8, 12, 13, 99)] == [
        80_000,
        120_000,
        200_000,
        200_000,
    ]


@LAW
@given(snapshots())
def test_shortages_of_one_number_after_another_are_those_of_each_alone(snapshot: Snapshot) -> None:
    """The largest part is found once for all that it is too small for; needs and headrooms stay the same."""
    for draft, spots in grounds(snapshot):
        together = Shortages(draft.committed, spots)
        for replicas in REPLICAS:
            alone = budget_shortages(draft.committed, spots, replicas)
            expected = {s.budget: (s.needed, s.available, s.least) for s in alone}
            for found in together.of(replicas):
                assert found.needed > found.available
                if found.budget in expected:
                    figures = found.needed, found.available, found.least
                    assert figures == expected[found.budget]


@LAW
@given(snapshots())
def test_no_raise_below_the_least_suffices_and_none_is_told_that_is_more_than_needed(
    snapshot: Snapshot,
) -> None:
    for draft, spots in grounds(snapshot):
        ledger = draft.committed
        for replicas in REPLICAS[::2]:
            for shortage in budget_shortages(ledger, spots, replicas):

                def enough(now, spots=spots, replicas=replicas):  # type: ignore[no-untyped-def]
                    return fill_whole(now, spots, replicas) is not None

                watts = least_raise(ledger, spots, replicas, shortage, enough)
                if watts is not None and not enough(ledger):
                    assert 1000 * watts >= shortage.least.milliwatts
                    assert enough(raised(ledger, {shortage.budget: watts}))
                    less = raised(ledger, {shortage.budget: watts - 1})
                    assert 1000 * (watts - 1) < shortage.missing.milliwatts or not enough(less)


@pytest.mark.parametrize("likely", range(-3, 25))
def test_a_likely_amount_changes_nothing_about_the_least(likely: int) -> None:
    assert _between(2, 20, lambda watts: watts >= 13, likely) == 13


@LAW
@given(snapshots(), st.integers(1, 4))
def test_a_small_rest_goes_to_the_node_that_is_cheapest_to_open(
    snapshot: Snapshot, missing: int
) -> None:
    """Of all closed nodes that take what is missing, one with the least idle draw."""
    draft = Draft(snapshot)
    bins = Bins(draft.layout, draft.committed)
    every = np.arange(len(draft.layout.nodes))
    pool = bins.pool_over(every)
    for service in snapshot.services:
        for option in draft.options(service):
            demand = option.demand
            needs = demand.cpu_milli, demand.memory_bytes
            piece = Piece(0, demand.variant.npus, 1000 * demand.watts, *needs, demand)
            found = pool.next_closed(piece, missing)
            takers = [n for n in every.tolist() if not bins.is_open(n)]
            takers = [n for n in takers if bins.fits(n, piece) >= missing]
            if found is not None and takers and bins.fits(found, piece) > missing:
                least = min(bins.opening[n] for n in takers)
                assert bins.opening[found] == least
