"""What happens to replicas that run already."""

from __future__ import annotations

import builders as b
from kwatt.model.keys import ServiceKey
from kwatt.model.plan import Plan, Reason
from kwatt.planning.plan import plan


def places(result: Plan) -> list[tuple[str, str, int]]:
    return [(p.service.name, p.node, p.replicas) for p in result.placements]


def test_replicas_stay_where_they_run() -> None:
    nodes = [b.node("n1"), b.node("n2")]
    running = b.service(target=200, incumbents=(b.incumbent("n2", 2),))

    result = plan(b.snapshot([running], nodes))

    assert places(result) == [("traffic", "n2", 2)]
    assert (result.totals.starts, result.totals.evictions) == (0, 0)


def test_replicas_stay_on_a_cordoned_node_and_new_ones_go_elsewhere() -> None:
    nodes = [b.node("n1", unschedulable=True), b.node("n2")]
    running = b.service(target=200, incumbents=(b.incumbent("n1"),))

    assert places(plan(b.snapshot([running], nodes))) == [
        ("traffic", "n1", 1),
        ("traffic", "n2", 1),
    ]


def test_replicas_of_a_variant_that_is_no_option_are_replaced() -> None:
    running = b.service(incumbents=(b.incumbent(env={"OLD": "1"}),))

    result = plan(b.snapshot([running]))

    assert result.placements[0].variant == b.variant()
    assert (result.totals.starts, result.totals.moves, result.totals.evictions) == (1, 1, 0)


def test_a_fallen_target_drops_replicas_from_lost_nodes_first() -> None:
    nodes = [b.node("n1"), b.node("n2", ready=False)]
    incumbents = (b.incumbent("n1"), b.incumbent("n2"))

    result = plan(b.snapshot([b.service(incumbents=incumbents)], nodes))

    assert places(result) == [("traffic", "n1", 1)]
    assert result.totals.evictions == 1


def test_a_fallen_target_empties_a_node_that_can_be_off() -> None:
    nodes = [b.node("n1"), b.node("n2")]
    incumbents = (b.incumbent("n1", 2), b.incumbent("n2", 1))
    off = b.budget(nodes=["n1", "n2"], empty_off=True)

    result = plan(b.snapshot([b.service(target=200, incumbents=incumbents)], nodes, [off]))

    assert places(result) == [("traffic", "n1", 2)]


def test_a_cut_cap_sheds_the_lowest_priority_first() -> None:
    high = b.service("high", priority=2, incumbents=(b.incumbent(),))
    low = b.service("low", priority=1, incumbents=(b.incumbent(),))
    nodes = [b.node(npus=2)]

    result = plan(b.snapshot([low, high], nodes, [b.budget(cap=75)]))

    assert places(result) == [("high", "n1", 1)]


def test_a_cap_below_the_idle_draw_leaves_nothing_and_says_by_how_much() -> None:
    running = b.service(incumbents=(b.incumbent(),))

    result = plan(b.snapshot([running], budgets=[b.budget(cap=70)]))

    assert result.placements == ()
    assert result.budgets[0].headroom == b.watts(-10)


def test_a_newcomer_displaces_lower_priorities_only_where_nothing_is_free() -> None:
    nodes = [b.node("n1", 1), b.node("n2", 1)]
    low = b.service("low", priority=0, incumbents=(b.incumbent("n1"),))
    high = b.service("high", priority=1)

    result = plan(b.snapshot([low, high], nodes))

    assert places(result) == [("high", "n2", 1), ("low", "n1", 1)]


def test_a_newcomer_displaces_lower_priorities_where_it_must() -> None:
    low = b.service("low", priority=0, incumbents=(b.incumbent(),))
    high = b.service("high", priority=1)

    result = plan(b.snapshot([low, high], [b.node(npus=1)]))

    assert places(result) == [("high", "n1", 1)]
    assert result.unplaced[0].service == ServiceKey("city", "low")


def test_a_newcomer_displaces_lower_priorities_from_cpu_and_pods_too() -> None:
    running = b.service("low", incumbents=(b.incumbent(),))
    urgent = b.service("urgent", priority=9)

    for full in (b.node(pods=1), b.node(cpu_milli=1000)):
        assert places(plan(b.snapshot([running, urgent], [full]))) == [("urgent", "n1", 1)]


def test_replicas_stay_on_a_node_that_has_less_for_them_than_when_they_came() -> None:
    running = b.service(target=200, incumbents=(b.incumbent(replicas=2),))

    assert places(plan(b.snapshot([running], [b.node(pods=1)]))) == [("traffic", "n1", 2)]


def test_a_service_does_not_switch_for_watts_alone() -> None:
    profile = b.profile(b.point(), b.point(100, 20, env={"BATCH": "8"}))
    running = b.service(incumbents=(b.incumbent(),))

    assert plan(b.snapshot([running], profiles=[profile])).totals.starts == 0


def test_a_held_service_keeps_what_it_has_at_the_watts_it_asked_for() -> None:
    held = b.service(model="gone", held="ModelProfile gone is missing", incumbents=(b.incumbent(),))

    result = plan(b.snapshot([held]))

    (placement,), (unplaced,) = result.placements, result.unplaced
    assert (placement.rate, placement.operating_point) == (b.rate(0), "")
    assert placement.reserved == b.watts(60)
    assert unplaced.shortfall == b.rate(100)
    assert unplaced.rejections[0].reason is Reason.NO_MATCHING_PROFILE
