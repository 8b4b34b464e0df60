"""Law: on a small cluster where nothing runs yet the plan serves the most there is, and draws the least."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import groupby
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from kwatt.model.plan import Plan
from kwatt.model.snapshot import Incumbent, Service, Snapshot
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


def started_in_part(snapshot: Snapshot, chance: Random) -> Snapshot:
    """Return the world in which about half of the replicas planned run by now."""
    running = with_plan_running(snapshot, plan(snapshot))
    return replace(
        running,
        services=tuple(
            replace(service, incumbents=tuple(_some(service.incumbents, chance)))
            for service in running.services
        ),
    )


def _some(incumbents: Iterable[Incumbent], chance: Random) -> Iterator[Incumbent]:
    for one in incumbents:
        replicas = sum(chance.random() < 0.5 for _ in range(one.replicas))
        if replicas:
            yield replace(one, replicas=replicas)


@LAW
@given(crowds(running=False), st.randoms(use_true_random=True))
def test_a_plan_that_is_carried_out_bit_by_bit_serves_what_was_planned(
    snapshot: Snapshot, chance: Random
) -> None:
    """Replicas start one after the other, and each cycle plans anew in between (design 4)."""
    first = plan(snapshot)

    second = plan(started_in_part(snapshot, chance))

    by_level = levels(snapshot)
    assert [served(second, of) for of in by_level] >= [served(first, of) for of in by_level]


@LAW
@given(crowds())
def test_the_plan_that_was_carried_out_is_its_own_next_plan(snapshot: Snapshot) -> None:
    """Replanning without a change moves nothing (design 5)."""
    first = plan(snapshot)

    second = plan(with_plan_running(snapshot, first))

    assert second.placements == first.placements
    assert (second.totals.starts, second.totals.evictions, second.totals.moves) == (0, 0, 0)
