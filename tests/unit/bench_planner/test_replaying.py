"""The replayed day and replanning: what is counted, on steps that can be followed by hand."""

from __future__ import annotations

import numpy as np
import pytest

import builders as b
from bench.planner.changes import (
    changed_targets,
    with_cluster_cap,
    with_incumbents,
    with_targets,
    without_node,
)
from bench.planner.problem import Row, problem_of
from bench.planner.replanning import node_lost, one_change, sticky
from bench.planner.replay import (
    Meter,
    curves_of_day,
    events_of,
    replay_baseline,
    replay_kwatt,
)
from kwatt.planning.plan import plan
from unit.bench_planner.fleets import fleet, small

SMALL = small()


def test_the_traces_load_the_day_to_one_on_average() -> None:
    curves = curves_of_day(96)

    assert curves.shape == (2, 96)
    assert curves.mean(axis=1) == pytest.approx([1, 1], abs=0.02)
    assert curves.min() >= 0.05


def test_the_first_event_sets_all_targets_and_later_ones_those_that_are_off() -> None:
    events = events_of(SMALL, 24, 1)

    assert len(events[0]) == len(SMALL.services)
    assert all(0 < len(event) < len(SMALL.services) for event in events[1:])
    assert events == events_of(SMALL, 24, 1)


def test_a_step_costs_its_watts_and_a_minute_of_each_start() -> None:
    """One replica of 30 W on a node with 15 idle slices of 10 W, held for 100 s twice."""
    problem = problem_of(fleet(services=[b.service("a", 100)]))
    meter = Meter("x", problem, 100)
    good = next(c.number for c in problem.curves if c.kind == problem.kinds["good"])

    meter.step(problem, [Row(0, good, 0, 1)])
    meter.step(problem, [Row(0, good, 1, 1)])

    day = meter.day()
    assert day.joules == pytest.approx(2 * 100 * 180)
    assert (day.starts, day.start_joules) == (2, pytest.approx(2 * 60 * 30))
    assert (day.served, day.short, day.violations) == (pytest.approx(2 * 100 * 100), 0, 0)
    assert day.states == 3  # a start; a stop and a start
    assert day.dips == 1  # between them nothing serves


def test_a_cap_that_is_exceeded_in_between_is_counted() -> None:
    """Two nodes of 160 W and 20 W above idle each: the cap of 300 W holds one only."""
    problem = problem_of(fleet(services=[b.service("a", 100)], cluster=300))
    good = next(c.number for c in problem.curves if c.kind == problem.kinds["good"])
    meter = Meter("x", problem, 100)

    meter.step(problem, [Row(0, good, 0, 1), Row(0, good, 1, 1)])

    assert meter.day().violations == 2  # the state after the second start, and the plan itself


def test_stops_come_before_starts() -> None:
    problem = problem_of(fleet(services=[b.service("a", 100)], cluster=300))
    good = next(c.number for c in problem.curves if c.kind == problem.kinds["good"])
    meter = Meter("x", problem, 100)

    meter.step(problem, [Row(0, good, 0, 1)])
    meter.step(problem, [Row(0, good, 1, 1)])

    assert meter.day().violations == 0


def test_a_day_is_replayed_by_all_sides_without_exceeding_a_cap() -> None:
    events = events_of(SMALL, 3, 1)

    days = [replay_kwatt(SMALL, events), replay_baseline("PWR", SMALL, events, 1)]

    for day in days:
        assert day.violations == 0
        assert day.steps == 3
        assert day.states >= day.starts > 0
        assert 0.9 < day.served / day.wanted <= 1.000001


def test_what_was_planned_runs_and_planning_again_starts_nothing() -> None:
    again = plan(with_incumbents(SMALL, plan(SMALL)))

    assert again.totals.starts == 0


def test_a_lost_node_takes_its_replicas_along() -> None:
    planned = plan(SMALL)
    running = with_incumbents(SMALL, planned)
    name = planned.placements[0].node

    after = without_node(running, name)

    assert name not in {node.name for node in after.nodes}
    assert name not in {i.node for s in after.services for i in s.incumbents}
    assert all(name not in budget.nodes for budget in after.budgets)
    lost = sum(p.replicas for p in planned.placements if p.node == name)
    left = sum(i.replicas for s in after.services for i in s.incumbents)
    assert left == planned.totals.replicas - lost


def test_changes_are_drawn_by_the_seed() -> None:
    targets = changed_targets(SMALL, 5, 1)

    assert len(targets) == 5
    assert targets == changed_targets(SMALL, 5, 1) != changed_targets(SMALL, 5, 2)
    changed = with_targets(SMALL, targets)
    assert sum(x != y for x, y in zip(SMALL.services, changed.services, strict=True)) == 5


def test_a_brown_out_cuts_the_cap_over_all_nodes_only() -> None:
    cut = with_cluster_cap(SMALL, 0.7)

    pairs = zip(SMALL.budgets, cut.budgets, strict=True)
    factors = {old.name: new.cap.milliwatts / old.cap.milliwatts for old, new in pairs}
    assert factors.pop("cluster") == pytest.approx(0.7, rel=1e-4)
    assert set(factors.values()) == {1.0}


def test_replanning_is_measured() -> None:
    found, lost = sticky(SMALL, 10, 1), node_lost(SMALL, 2, 1)
    changed = one_change(SMALL, 3, 1)

    assert found.changed == 10
    assert found.own_starts <= found.starts <= found.fresh_starts
    assert (len(changed.seconds), len(changed.starts)) == (3, 3)
    assert lost.lost > 0
    assert np.min(lost.seconds) > 0
    assert found.violations == changed.violations == lost.violations == 0
