"""Law: on a small cluster where nothing runs yet the plan serves the most there is, and draws the least."""

from __future__ import annotations

from fractions import Fraction
from itertools import groupby

from hypothesis import given, settings

from kwatt.model.plan import Plan
from kwatt.model.snapshot import Service, Snapshot
from kwatt.planning.plan import plan
from laws.exhaustive import Admission, Cluster
from laws.strategies import LAW, crowds, with_plan_running
from laws.test_brute_force import Weighed, rate


def levels(snapshot: Snapshot) -> list[list[Service]]:
    """Return the services by priority, the highest first."""
    ordered = sorted(snapshot.services, key=lambda s: (-s.priority, s.key))
    return [list(level) for _, level in groupby(ordered, key=lambda s: s.priority)]


def served(result: Plan, level: list[Service]) -> Admission:
    """Return how many services of a level are served whole, and the shares of the others."""
    shares = [Fraction(rate(result.placements, s), s.target.micros) for s in level]
    parts = [share for share in shares if share < 1]
    return Fraction(len(shares) - len(parts)), sum(parts, Fraction(0))


@LAW
@given(crowds(running=False))
def test_no_plan_for_the_same_rates_draws_less(snapshot: Snapshot) -> None:
    """Small clusters are solved exactly: the least power for those that are served (design 5)."""
    weighed = Weighed(snapshot, plan(snapshot))

    assert weighed.cost == weighed.least()


@settings(LAW, max_examples=150)
@given(crowds(most=4, running=False))
def test_no_plan_serves_more(snapshot: Snapshot) -> None:
    """Whole services first, then shares of the others, the highest priority first (design 5)."""
    result = plan(snapshot)
    by_level = levels(snapshot)

    assert not Cluster(snapshot).serves_more(by_level, [served(result, of) for of in by_level])


@LAW
@given(crowds())
def test_the_plan_that_was_carried_out_is_its_own_next_plan(snapshot: Snapshot) -> None:
    """Replanning without a change moves nothing (design 5)."""
    first = plan(snapshot)

    second = plan(with_plan_running(snapshot, first))

    assert second.placements == first.placements
    assert (second.totals.starts, second.totals.evictions, second.totals.moves) == (0, 0, 0)
