"""Where new replicas go, how many, and at which operating point."""

from __future__ import annotations

import builders as b
from kwatt.model.plan import Placement, Plan
from kwatt.model.selectors import Taint
from kwatt.model.snapshot import Snapshot
from kwatt.planning.plan import plan


def places(result: Plan) -> list[tuple[str, str, int]]:
    return [(p.service.name, p.node, p.replicas) for p in result.placements]


def only(snapshot: Snapshot) -> Placement:
    (placement,) = plan(snapshot).placements
    return placement


def test_a_service_gets_the_replicas_that_its_rate_needs() -> None:
    assert only(b.snapshot([b.service(target=250)])).replicas == 3


def test_the_rate_is_shared_evenly_and_watts_follow_it() -> None:
    profile = b.profile(b.point(100, 40), b.point(200, 70))

    placed = only(b.snapshot([b.service(target=300)], profiles=[profile]))

    assert (placed.replicas, placed.rate, placed.planned) == (2, b.rate(300), b.watts(110))
    assert (placed.operating_point, placed.reserved) == ("at-200", b.watts(140))


def test_the_class_that_draws_least_is_taken() -> None:
    classes = [b.npu_class(), b.npu_class("rngd")]
    profile = b.profile(b.point(100, 60), b.point(100, 50, npu_class="rngd"))
    nodes = [b.node("n1"), b.node("n2", npu_class="rngd")]

    assert only(b.snapshot([b.service()], nodes, classes=classes, profiles=[profile])).node == "n2"


def test_more_replicas_are_taken_where_they_draw_less() -> None:
    profile = b.profile(b.point(50, 15), b.point(100, 60))

    assert only(b.snapshot([b.service()], profiles=[profile])).replicas == 2


def test_a_point_without_p99_meets_no_limit() -> None:
    profile = b.profile(b.point(50, 40, 20), b.point(100, 60, None))

    placed = only(b.snapshot([b.service(latency_micros=30_000)], profiles=[profile]))

    assert (placed.replicas, placed.operating_point) == (2, "at-50")


def test_the_fullest_node_that_takes_all_replicas_comes_first() -> None:
    nodes = [b.node("n1", 8), b.node("n2", 4, foreign_npus=2), b.node("n3", 4)]

    assert only(b.snapshot([b.service(target=200)], nodes)).node == "n2"


def test_an_open_node_is_preferred_to_one_that_is_off() -> None:
    nodes = [b.node("n1", 2), b.node("n2", 8, foreign_npus=1)]
    off = b.budget(nodes=["n1", "n2"], empty_off=True)

    assert only(b.snapshot([b.service()], nodes, [off])).node == "n2"


def test_as_few_empty_nodes_as_possible_are_opened() -> None:
    nodes = [b.node("n1", 1), b.node("n2", 1), b.node("n3", 2)]
    off = b.budget(nodes=["n1", "n2", "n3"], cap=120, empty_off=True)

    assert only(b.snapshot([b.service(target=200)], nodes, [off])).node == "n3"


def test_overlapping_budgets_do_not_hide_an_assignment() -> None:
    nodes = [b.node(name, 1) for name in ("n1", "n2", "n3")]
    caps = [b.budget("x", 70, ["n1", "n2"]), b.budget("y", 70, ["n1", "n3"])]

    result = plan(b.snapshot([b.service(target=200)], nodes, caps))

    assert places(result) == [("traffic", "n2", 1), ("traffic", "n3", 1)]


def test_unfit_nodes_get_nothing_new() -> None:
    nodes = [
        b.node("n1", ready=False),
        b.node("n2", unschedulable=True),
        b.node("n3", taints=(Taint("dedicated", "x", "NoSchedule"),)),
        b.node("n4", npu_class=None),
    ]

    assert plan(b.snapshot([b.service()], nodes)).placements == ()


def test_a_part_gets_all_that_its_replicas_sustain() -> None:
    result = plan(b.snapshot([b.service(target=950)]))

    assert places(result) == [("traffic", "n1", 8)]
    assert result.unplaced[0].shortfall == b.rate(150)
    assert (result.totals.placed, result.totals.partly) == (0, 1)


def test_less_than_min_replicas_is_nothing() -> None:
    nodes = [b.node(npus=2)]

    assert plan(b.snapshot([b.service(target=500, min_replicas=3)], nodes)).placements == ()


def test_power_watts_is_served_in_part() -> None:
    result = plan(b.snapshot([b.service(target=300, power_limit=b.watts(125))]))

    assert places(result) == [("traffic", "n1", 2)]


def test_a_quota_bounds_the_watts_of_a_namespace() -> None:
    quota = b.quota({"kwatt.dev/watts": 120})

    assert only(b.snapshot([b.service(target=300)], quotas=[quota])).replicas == 2


def test_the_plan_hash_is_sha256_and_ignores_the_time() -> None:
    assert len(plan(b.snapshot([b.service()])).hash) == 64
