"""A service whose route carries weights may run as several variants, for what one can't serve."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

import builders as b
from kwatt.model.plan import Plan
from kwatt.model.snapshot import Incumbent, Snapshot
from kwatt.planning.draft import Draft
from kwatt.planning.mixing import least_per_rate
from kwatt.planning.plan import plan

NODES = [b.node("n1", 3), b.node("n2", 1, "rngd")]
BOTH: dict[str, Any] = {
    "classes": [b.npu_class(), b.npu_class("rngd")],
    "profiles": [b.profile(b.point(100, 60), b.point(100, 90, npu_class="rngd"))],
}


def world(target: float = 400, running: tuple[Incumbent, ...] = (), **facts: Any) -> Snapshot:
    """Return three atoms and one rngd, each good for 100 a second, and a service that may mix."""
    service = b.service("cam", target=target, incumbents=running, **({"mixes": True} | facts))
    return b.snapshot([service], NODES, **BOTH)


def placed(result: Plan) -> list[tuple[str, int, float]]:
    """Return node, replicas and rate of every placement."""
    return [(p.node, p.replicas, p.rate.per_second) for p in result.placements]


def test_what_one_class_cannot_serve_another_serves_beside_it() -> None:
    result = plan(world())

    assert placed(result) == [("n1", 3, 300), ("n2", 1, 100)]
    assert result.unplaced == ()
    assert result.bound is not None
    assert result.bound.power == b.watts(4 * 60)  # 400 a second on atoms alone, had it more of them


def test_without_a_route_replicas_stay_alike() -> None:
    result = plan(world(mixes=False))

    assert placed(result) == [("n1", 3, 300)]
    assert result.unplaced[0].shortfall == b.rate(100)


def test_nothing_is_mixed_where_one_class_is_enough() -> None:
    assert placed(plan(world(target=300))) == [("n1", 3, 300)]


def test_a_mix_that_runs_is_left_alone() -> None:
    running = (b.incumbent("n1", replicas=3), b.incumbent("n2", npu_class="rngd", draw=80))

    result = plan(world(running=running))

    assert placed(result) == [("n1", 3, 300), ("n2", 1, 100)]
    assert (result.totals.starts, result.totals.evictions) == (0, 0)


@pytest.mark.parametrize(
    "limit", [{"max_replicas": 3}, {"power_limit": b.watts(3 * 60 + 89)}], ids=["replicas", "watts"]
)
def test_limits_of_the_service_count_all_variants(limit: dict[str, Any]) -> None:
    result = plan(world(**limit))

    assert placed(result) == [("n1", 3, 300)]
    assert result.unplaced[0].shortfall == b.rate(100)


def of_two(least: int, target: float = 250, **facts: Any) -> Snapshot:
    """Return two atoms of 100 and three rngds of 30 a second, and a service with many replicas."""
    nodes = [b.node("n1", 2), b.node("n2", 3, "rngd")]
    points = [b.point(100, 60), b.point(30, 20, npu_class="rngd")]
    wants = {"target": target, "min_replicas": least, "mixes": True, "priority": 1} | facts
    services = [b.service("cam", **wants), b.service("low", target=200)]
    return b.snapshot(services, nodes, classes=BOTH["classes"], profiles=[b.profile(*points)])


def of_cam(result: Plan) -> list[tuple[str, int, float]]:
    """Return node, replicas and rate of the placements of the service with many replicas."""
    return [
        (p.node, p.replicas, p.rate.per_second)
        for p in result.placements
        if p.service.name == "cam"
    ]


def test_the_least_number_of_replicas_counts_all_variants_before_lower_priorities() -> None:
    assert of_cam(plan(of_two(4))) == [("n1", 2, 200), ("n2", 2, 50)]


def test_replicas_added_for_their_number_serve_their_share() -> None:
    assert of_cam(plan(of_two(4, target=80))) == [("n1", 1, 20), ("n2", 3, 60)]


def test_a_mixture_with_too_few_replicas_leaves_all_to_lower_priorities() -> None:
    result = plan(of_two(6))

    assert of_cam(result) == []
    assert [(p.service.name, p.node, p.replicas) for p in result.placements] == [("low", "n1", 2)]


def test_no_bound_is_proven_where_a_variant_may_draw_less_than_its_idle_watts() -> None:
    profiles = [b.profile(b.point(100, 60), b.point(100, 1, npu_class="rngd"))]

    result = plan(replace(world(), profiles={one.name: one for one in profiles}))

    assert result.bound is None
    assert "several variants may draw less than idle" in result.unproven


def test_the_least_per_rate_is_at_a_point_that_a_share_within_the_limit_comes_near() -> None:
    snapshot = of_two(1)
    points = [b.point(100, 30, 50), b.point(200, 50, 10), b.point(300, 110, 90)]
    draft = Draft(replace(snapshot, profiles={"yolo": b.profile(*points)}))
    offers = draft.offers(snapshot.services[0])

    assert least_per_rate(offers, None) == Fraction(20_000, 100_000_000)
    assert least_per_rate(offers, 20_000) == Fraction(20_000, 100_000_000)
    assert least_per_rate(offers, 95_000) == Fraction(20_000, 100_000_000)
    assert least_per_rate(offers, 5_000) == 0


def test_services_beside_a_mixture_still_move() -> None:
    beside = b.service(
        "beside",
        target=100,
        allowed=("warboy", "boost"),
        incumbents=(b.incumbent("n3", npu_class="warboy", draw=80),),
    )
    points = [
        b.point(100, 60),
        b.point(100, 90, npu_class="rngd"),
        b.point(100, 90, npu_class="warboy"),
        b.point(100, 40, npu_class="boost"),
    ]
    mixed = world(
        running=(b.incumbent("n1", replicas=3), b.incumbent("n2", npu_class="rngd", draw=80))
    )
    snapshot = b.snapshot(
        [*mixed.services, beside],
        [*NODES, b.node("n3", 1, "warboy"), b.node("n4", 1, "boost")],
        classes=[b.npu_class(name) for name in ("atom", "rngd", "warboy", "boost")],
        profiles=[b.profile(*points)],
        moves_horizon=3600,
    )

    result = plan(snapshot)

    assert [(p.service.name, p.node) for p in result.placements] == [
        ("beside", "n4"),
        ("cam", "n1"),
        ("cam", "n2"),
    ]
    assert [move.services for move in result.moves] == [(beside.key,)]


def test_a_limit_on_replicas_goes_to_the_fastest_variants() -> None:
    result = plan(of_two(1, target=230, max_replicas=3))

    assert of_cam(result) == [("n1", 2, 200), ("n2", 1, 30)]


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ({"target": 300}, ["one more atom node like n1", "one more rngd node like n2"]),
        ({"power_limit": b.watts(150)}, ["power.watts 160"]),
        ({"max_replicas": 3}, ["one more atom node like n1", "replicas.max 4"]),
        (
            {"least": 6},
            ["one more atom node like n1", "one more rngd node like n2", "replicas.min 5"],
        ),
    ],
    ids=["nodes", "watts", "most", "least"],
)
def test_the_nearest_changes_are_those_for_what_a_mixture_lacks(
    limits: dict[str, Any], told: list[str]
) -> None:
    result = plan(of_two(**({"least": 1} | limits)))

    (nearest,) = [u.nearest for u in result.unplaced if u.service.name == "cam"]
    assert sorted(one.change for one in nearest) == told
