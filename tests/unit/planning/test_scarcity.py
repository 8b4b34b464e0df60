"""Where watts are said to be lacking no plan serves everybody, and nobody who waits for them is worse off."""

from __future__ import annotations

import pytest
from hypothesis import given

import builders as b
from kwatt.model.snapshot import Service, Snapshot
from kwatt.planning.capacity import free_capacity
from kwatt.planning.columns import columns_of
from kwatt.planning.draft import Draft
from kwatt.planning.newcomers import place_newcomers
from kwatt.planning.pairs import Want
from kwatt.planning.plan import plan
from kwatt.planning.scarcity import lacking
from laws.strategies import LAW, crowds

NODES = [b.node(f"n{number}", npus=4) for number in range(4)]
NAMES = tuple(node.name for node in NODES)


def cluster(cap: float, *services: Service, over: tuple[str, ...] = NAMES) -> Snapshot:
    """Make four nodes of four NPUs, 10 W each idle and off when empty, and 50 W above idle for a replica."""
    budget = b.budget(cap=cap, nodes=over, empty_off=True)
    return b.snapshot(services or [b.service(f"s{n}") for n in range(8)], NODES, [budget])


def lacking_of(snapshot: Snapshot) -> float:
    """Return what is lacking for newcomers where nothing is held."""
    draft = Draft(snapshot)
    wants = [Want(s, draft.offers(s), s.target.micros) for s in snapshot.services]
    wants = [want for want in wants if want.offers]
    capacity = free_capacity(draft, {o.variant for want in wants for o in want.offers})
    return lacking(capacity, columns_of(capacity, wants)) if wants else 0.0


@pytest.mark.parametrize(("cap", "part"), [(480, 0), (1000, 0), (360, 0.25), (240, 0.5), (59, 1)])
def test_it_is_the_part_of_all_services_that_the_leanest_columns_leave_without_watts(
    cap: float, part: float
) -> None:
    assert lacking_of(cluster(cap)) == pytest.approx(part, abs=0.01)


def test_a_budget_that_nodes_are_outside_of_lacks_nothing() -> None:
    assert lacking_of(cluster(0, over=NAMES[:3])) == 0


@LAW
@given(crowds(running=False))
def test_where_everybody_is_served_nothing_was_lacking(snapshot: Snapshot) -> None:
    if not plan(snapshot).unplaced:
        assert lacking_of(snapshot) == 0


def test_newcomers_get_nothing_where_more_are_short_than_may_be() -> None:
    """Watts for six of eight: a quarter is lacking."""
    snapshot = cluster(360)
    placed = {}
    for most in (0.2, 0.3):
        draft = Draft(snapshot)
        place_newcomers(draft, list(snapshot.services), most)
        placed[most] = len(draft.holdings)

    assert placed == {0.2: 0, 0.3: 5}


def test_a_deep_cut_serves_the_highest_priorities_whatever_the_others_would_take() -> None:
    """240 W are one node open and four replicas; four of the sixty services have the highest priority."""
    low = [b.service(f"low{n}") for n in range(56)]
    high = [b.service(f"high{n}", priority=1) for n in range(4)]

    planned = plan(cluster(240, *low, *high))

    assert sorted({row.service.name for row in planned.placements}) == [s.key.name for s in high]
