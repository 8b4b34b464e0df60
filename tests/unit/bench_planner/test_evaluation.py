"""The evaluation: draws added up by hand, and every kind of violation found."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import builders as b
from bench.planner.evaluate import evaluate, starts_between, targets_of
from bench.planner.problem import Problem, Row, problem_of, rows_of
from kwatt.planning.plan import plan
from unit.bench_planner.fleets import fleet, small

A = b.service("a", 100)


def world(*services: Any, **facts: Any) -> Problem:
    """Return the small fleet with these services."""
    return problem_of(fleet(services=services or [A], **facts))


def curve(problem: Problem, kind: str, npus: int = 1) -> int:
    """Return the number of a curve."""
    return next(
        c.number for c in problem.curves if c.kind == problem.kinds[kind] and c.npus == npus
    )


def test_a_replica_draws_its_curve_and_its_node_the_idle_rest() -> None:
    """30 W at 100/s, and 15 other slices at 10 W."""
    problem = world()

    found = evaluate(problem, [Row(0, curve(problem, "good"), 0, 1)])

    assert found.draw == pytest.approx(30 + 150)
    assert found.idle == pytest.approx(150)
    assert found.whole == {0}
    assert found.slots_lost == pytest.approx(15 / 16)
    assert not found.violations


def test_replicas_share_the_load_by_what_they_sustain() -> None:
    """290/s able, 100/s asked: 34.5/s and 65.5/s, below the lowest points: 20 W and 58 W; 13 idle slices."""
    problem = world()

    rows = [Row(0, curve(problem, "good"), 0, 1), Row(0, curve(problem, "good", 2), 0, 1)]
    found = evaluate(problem, rows)

    assert found.draw == pytest.approx(20 + 58 + 130)


def test_a_claimed_rate_counts_instead() -> None:
    """75/s lies between 50/s at 20 W and 100/s at 30 W: 25 W; the other one serves 25/s at 20 W."""
    problem = world()
    good = curve(problem, "good")

    found = evaluate(problem, [Row(0, good, 0, 1, 75e6), Row(0, good, 0, 1, 25e6)])

    assert found.draw == pytest.approx(25 + 20 + 140)
    assert found.whole == {0}


def test_empty_nodes_draw_only_where_no_budget_says_that_they_are_off() -> None:
    """Four nodes of 16 slices at 10 W, 15 of them beside the replica on its node."""
    snapshot = fleet(services=[A])
    always_on = tuple(replace(budget, empty_off=False) for budget in snapshot.budgets)
    problem = problem_of(replace(snapshot, budgets=always_on))

    found = evaluate(problem, [Row(0, curve(problem, "good"), 0, 1)])

    assert found.draw == pytest.approx(30 + 150 + 3 * 160)


def test_half_a_service_is_served_in_part() -> None:
    problem = world(b.service("a", 200))

    found = evaluate(problem, [Row(0, curve(problem, "good"), 0, 1)])

    assert found.whole == frozenset()
    assert found.share_served(problem) == pytest.approx(0.5)
    assert found.unserved(problem) == {0: 1}
    assert targets_of(problem, found) == {0: 100e6}


def test_a_service_short_of_its_least_replicas_is_not_whole() -> None:
    problem = world(b.service("a", 100, min_replicas=2))

    assert not evaluate(problem, [Row(0, curve(problem, "good"), 0, 1)]).whole


@pytest.mark.parametrize(
    ("facts", "service", "rows", "expected"),
    [
        ({"rack": 179}, {}, [(0, "good", 0, 1)], "budget rack-1: 1000 mW over"),
        ({}, {}, [(0, "good", 0, 17)], "node 0: NPUs exceeded"),
        ({}, {}, [(0, "good", 2, 1)], "node 2 is not of the class of its replica"),
        ({}, {"power_limit": b.watts(29)}, [(0, "good", 0, 1)], "a: reserves 30000 mW"),
        ({}, {"max_replicas": 1}, [(0, "good", 0, 2)], "a: 2 replicas, at most 1"),
        ({}, {"shape": b.PodShape(40_000, 0)}, [(0, "good", 0, 2)], "node 0: cpu exceeded"),
    ],
    ids=["budget", "NPUs", "class", "service watts", "replicas", "cpu"],
)
def test_what_is_broken_is_found(facts: Any, service: Any, rows: Any, expected: str) -> None:
    problem = world(b.service("a", 100, **service), **facts)

    placed = [Row(who, curve(problem, kind), node, n) for who, kind, node, n in rows]
    found = evaluate(problem, placed).violations

    assert any(fault.startswith(expected) for fault in found), found


def test_a_share_beyond_what_a_replica_sustains_is_found() -> None:
    problem = world()

    found = evaluate(problem, [Row(0, curve(problem, "good"), 0, 1, 101e6)])

    assert any("sustains" in fault for fault in found.violations)


def test_a_latency_limit_no_point_meets_makes_the_replica_useless() -> None:
    problem = world(b.service("a", 100, latency_micros=1))

    assert evaluate(problem, [Row(0, curve(problem, "good"), 0, 1)]).served == {0: 0.0}


def test_starts_are_replicas_that_were_not_there() -> None:
    before = [Row(0, 0, 0, 2), Row(1, 0, 0, 1)]
    after = [Row(0, 0, 0, 3), Row(0, 0, 1, 1)]

    assert starts_between(before, after) == 2


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_it_agrees_with_what_a_plan_says_of_itself(seed: int) -> None:
    snapshot = small(seed)
    planned, problem = plan(snapshot), problem_of(snapshot)

    found = evaluate(problem, rows_of(problem, planned))

    assert found.draw == pytest.approx(planned.totals.draw.watts, abs=0.01)
    assert len(found.whole) == planned.totals.placed
    assert found.replicas == planned.totals.replicas
    assert not found.violations


def test_what_is_not_modelled_is_refused() -> None:
    snapshot = fleet()
    cordoned = replace(snapshot.nodes[0], unschedulable=True)

    with pytest.raises(ValueError, match="n1"):
        problem_of(replace(snapshot, nodes=(cordoned, *snapshot.nodes[1:])))


def test_a_plan_with_fewer_than_the_least_replicas_is_found() -> None:
    problem = world(b.service("a", 100, min_replicas=2))
    good = curve(problem, "good")

    assert evaluate(problem, [Row(0, good, 0, 1, 50e6)]).violations
    assert not evaluate(problem, [Row(0, good, 0, 1)]).violations  # pods that wait for more of them
