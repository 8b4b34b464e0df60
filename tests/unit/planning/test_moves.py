"""Moves of running replicas: what is tried, what pays, and who is left alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import builders as b
from kwatt.model.keys import ServiceKey
from kwatt.model.plan import Move, Plan
from kwatt.model.snapshot import Snapshot
from kwatt.planning.horizons import horizons_of
from kwatt.planning.plan import plan
from kwatt.units import Energy

HOUR = 3600
BOTH = ("n1", "n2")
A, C = ServiceKey("city", "a"), ServiceKey("city", "c")


def apart(**facts: Any) -> Snapshot:
    """Make two services of one replica each, on two nodes of 8 NPUs at 10 W idle that may be off."""
    on = facts.pop("on", [b.budget(cap=2000, nodes=BOTH, empty_off=True, moves_horizon=HOUR)])
    services = facts.pop("services", (running_on("a", "n1"), running_on("c", "n2")))
    return b.snapshot(services, [b.node("n1"), b.node("n2")], on, **facts)


def running_on(name: str, node: str, **facts: Any) -> Any:
    """Make a service with one replica on a node."""
    return b.service(name, incumbents=(b.incumbent(node),), **facts)


def two_classes(horizon: int = HOUR, **facts: Any) -> Snapshot:
    """Make a service on an NPU of 90 W that another class would serve at 60 W; neither node is ever off."""
    classes = [b.npu_class(), b.npu_class("rngd", idle=10, most=60)]
    points = (b.point(100, 90), b.point(100, 60, npu_class="rngd"))
    return b.snapshot(
        [b.service("a", incumbents=(b.incumbent("n1", draw=80),), **facts)],
        [b.node("n1"), b.node("n2", npu_class="rngd")],
        classes=classes,
        profiles=[b.profile(*points)],
        moves_horizon=horizon,
    )


def nodes_of(result: Plan) -> list[tuple[str, str]]:
    """Return which service is where."""
    return [(p.service.name, p.node) for p in result.placements]


def test_a_node_that_may_be_off_gives_its_replica_to_another() -> None:
    result = plan(apart())

    assert nodes_of(result) == [("a", "n2"), ("c", "n2")]
    assert result.moves == (Move((A,), "n1", 1, b.watts(80), Energy(60 * 60_000), HOUR),)
    assert (result.totals.moves, result.totals.starts, result.totals.evictions) == (1, 1, 0)


def test_a_node_that_idles_when_empty_is_not_worth_a_move() -> None:
    idle = [b.budget(cap=2000, nodes=BOTH, moves_horizon=HOUR)]

    assert plan(apart(on=idle)).moves == ()


def test_without_the_horizon_everybody_stays() -> None:
    result = plan(apart(on=[b.budget(cap=2000, nodes=BOTH, empty_off=True)]))

    assert (result.moves, nodes_of(result)) == ((), [("a", "n1"), ("c", "n2")])


def test_the_saving_must_pay_for_the_start_within_the_horizon() -> None:
    """80 W saved of 140 W, less 5 % of those: 73 W must bring in the 3,600 J of a start."""
    short = [
        b.budget(cap=2000, nodes=BOTH, empty_off=True, moves_horizon=seconds)
        for seconds in (49, 50)
    ]

    assert [len(plan(apart(on=[one])).moves) for one in short] == [0, 1]


def test_what_a_start_was_measured_to_cost_counts() -> None:
    dear = replace(b.profile(), start_energy=Energy.parse("262800"))  # 73 W for an hour
    cheap = replace(b.profile(), start_energy=Energy.parse("262799"))

    assert [len(plan(apart(profiles=[one])).moves) for one in (dear, cheap)] == [0, 1]


def test_a_service_takes_the_class_on_which_it_draws_less() -> None:
    result = plan(two_classes())

    (move,) = result.moves
    assert [p.variant.npu_class for p in result.placements] == ["rngd"]
    assert (move.saved, move.emptied, move.starts) == (b.watts(30), None, 1)


def test_a_saving_within_the_margin_moves_nothing() -> None:
    """Of 90 W and 10 W of an idle NPU before, 5 W are the margin, however long the horizon is."""
    world = two_classes(horizon=31_536_000)
    points = (b.point(100, 90), b.point(100, 85, npu_class="rngd"))

    assert plan(replace(world, profiles={"yolo": b.profile(*points)})).moves == ()


def test_more_replicas_are_started_where_they_draw_less() -> None:
    convex = b.profile(b.point(50, 20), b.point(100, 90))
    world = b.snapshot(
        [b.service("a", incumbents=(b.incumbent(draw=80),))], profiles=[convex], moves_horizon=HOUR
    )

    result = plan(world)

    assert [(p.node, p.replicas) for p in result.placements] == [("n1", 2)]
    assert [(m.saved, m.starts) for m in result.moves] == [(b.watts(60), 1)]


def test_a_service_that_starts_is_left_alone() -> None:
    starting = running_on("a", "n1", starting=1)

    # The other one could move to it as well.
    assert nodes_of(plan(apart(services=(starting, running_on("c", "n2"))))) == [
        ("a", "n1"),
        ("c", "n1"),
    ]


def test_a_move_goes_on_while_the_new_replica_starts_and_costs_nothing_more() -> None:
    both = (b.incumbent("n1"), b.incumbent("n2"))
    amid = b.service("a", incumbents=both, starting=1)

    result = plan(apart(services=(amid, running_on("c", "n2"))))

    assert (nodes_of(result), result.moves) == ([("a", "n2"), ("c", "n2")], ())


def test_a_node_is_emptied_of_all_its_replicas_or_of_none() -> None:
    """Two of three replicas would find room on the other node, which saves nothing."""
    full = b.service("c", 600, incumbents=(b.incumbent("n2", 6),))
    three = tuple(running_on(name, "n1") for name in ("a", "b", "d"))

    assert plan(apart(services=(*three, full))).moves == ()


def test_a_cap_that_has_no_room_stops_a_move() -> None:
    over = b.budget(cap=2000, nodes=BOTH, empty_off=True, moves_horizon=HOUR)
    tight = [b.budget(name, 139, [on]) for name, on in (("one", "n1"), ("two", "n2"))]

    assert plan(apart(on=[over, *tight])).moves == ()


def test_a_held_service_and_one_that_is_short_stay() -> None:
    held = running_on("a", "n1", held="ModelProfile is gone")
    short = running_on("a", "n1", max_replicas=1, latency_micros=1)

    for one in (held, short):
        assert C not in [key for m in plan(apart(services=(one,))).moves for key in m.services]
        assert plan(apart(services=(one,))).moves == ()


def test_the_least_horizon_over_a_node_counts_and_the_setting_only_without_any() -> None:
    nodes = [b.node(name) for name in ("n1", "n2", "n3")]
    long = b.budget("long", nodes=("n1", "n2"), moves_horizon=7200)
    short = b.budget("short", nodes=("n2",), moves_horizon=600)
    silent = b.budget("silent", nodes=("n1", "n2", "n3"))

    world = b.snapshot((), nodes, [long, short, silent], moves_horizon=60)

    assert horizons_of(world) == {"n1": 7200, "n2": 600, "n3": 60}
    assert horizons_of(b.snapshot((), nodes, [silent])) == {}


def test_what_runs_under_no_horizon_neither_leaves_nor_arrives() -> None:
    apart_budgets = [
        b.budget("one", 2000, ["n1"], empty_off=True, moves_horizon=HOUR),
        b.budget("two", 2000, ["n2"], empty_off=True),
    ]

    assert plan(apart(on=apart_budgets)).moves == ()
