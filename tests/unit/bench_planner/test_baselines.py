"""The baselines: the rule by which they add replicas, the filters, and that the seed decides the rest."""

from __future__ import annotations

from typing import Any

import pytest

import builders as b
from bench.planner.baselines import NAMES, demand_of, scheduler_of
from bench.planner.changes import with_cluster_cap
from bench.planner.evaluate import evaluate
from bench.planner.problem import Row, problem_of
from unit.bench_planner.fleets import fleet, small


def rows_for(name: str, *services: Any, **facts: Any) -> list[Row]:
    """Return what a scheduler makes of the small fleet."""
    return scheduler_of(name, problem_of(fleet(services=services, **facts)), 1).run()


def replicas(rows: list[Row], service: int = 0) -> int:
    """Return the replicas of a service."""
    return sum(row.replicas for row in rows if row.service == service)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("caps", ["loose", "tight", "brown-out"])
def test_nobody_breaks_a_limit(name: str, caps: str) -> None:
    snapshot = small(tight=caps == "tight")
    if caps == "brown-out":
        snapshot = with_cluster_cap(snapshot, 0.3)
    problem = problem_of(snapshot)

    found = evaluate(problem, scheduler_of(name, problem, 1).run())

    assert found.violations == ()
    assert found.replicas > 10


@pytest.mark.parametrize("name", NAMES)
def test_equal_seeds_give_equal_placements(name: str) -> None:
    problem = problem_of(small())

    assert scheduler_of(name, problem, 1).run() == scheduler_of(name, problem, 1).run()


@pytest.mark.parametrize("name", NAMES)
def test_replicas_are_added_until_the_target_is_sustained(name: str) -> None:
    assert replicas(rows_for(name, b.service("a", 250))) == 3


@pytest.mark.parametrize("name", NAMES)
def test_there_are_at_least_the_least_replicas(name: str) -> None:
    assert replicas(rows_for(name, b.service("a", 10, min_replicas=4))) == 4


@pytest.mark.parametrize("name", NAMES)
def test_what_started_stays_where_the_rest_finds_no_room(name: str) -> None:
    """All 64 slices, 100/s each."""
    assert replicas(rows_for(name, b.service("a", 10_000))) == 64


def test_a_service_stays_within_its_own_watts_and_replicas() -> None:
    limited = b.service("a", 1000, power_limit=b.watts(100), allowed=("good",))

    assert replicas(rows_for("PWR", limited)) == 3
    assert replicas(rows_for("PWR", b.service("a", 1000, max_replicas=2))) == 2


def test_only_the_smallest_size_is_used() -> None:
    problem = problem_of(fleet(services=[b.service("a", 1000)]))

    rows = scheduler_of("PWR", problem, 1).run()

    assert {problem.curves[row.curve].npus for row in rows} == {1}


def test_higher_priorities_come_first() -> None:
    """The cap has room for one node with one replica of 30 W: 160 + 20 W."""
    low, high = b.service("a", 100, priority=1), b.service("b", 100, priority=2)

    rows = rows_for("GreedyJ", low, high, cluster=180)

    assert [row.service for row in rows] == [1]


def test_pwr_takes_the_class_that_draws_less_and_fills_the_node_it_opened() -> None:
    problem = problem_of(fleet(services=[b.service("a", 300)]))

    rows = scheduler_of("PWR", problem, 1).run()

    assert len({row.node for row in rows}) == 1
    assert problem.curves[rows[0].curve].kind == problem.kinds["good"]


def test_shrinking_stops_the_latest_as_long_as_the_target_is_sustained() -> None:
    problem = problem_of(fleet(services=[b.service("a", 500)]))
    scheduler = scheduler_of("MostAllocated", problem, 1)
    scheduler.run()
    first = scheduler.pods[0][:3]

    stopped = scheduler.shrink(0, b.service("a", 210))

    assert stopped == 2
    assert scheduler.pods[0] == first
    assert int(scheduler.cluster.replicas.sum()) == 3


def test_demand_counts_the_replicas_that_services_need() -> None:
    problem = problem_of(fleet(services=[b.service("a", 250), b.service("b", 50)]))

    assert demand_of(problem) == {kind: {1: 1.0} for kind in problem.kinds.values()}
