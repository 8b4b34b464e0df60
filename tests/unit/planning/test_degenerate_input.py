"""Worlds at the edge of sense: each is planned, and what can't be has a typed reason."""

from __future__ import annotations

import pytest

import builders as b
from kwatt.model.plan import Plan, Reason
from kwatt.model.snapshot import Snapshot
from kwatt.planning.plan import plan, proven_plan


def served(result: Plan) -> dict[str, float]:
    """Return units per second by service."""
    rates: dict[str, float] = {}
    for p in result.placements:
        rates[p.service.name] = rates.get(p.service.name, 0) + p.rate.per_second
    return rates


def reasons(result: Plan, service: str) -> dict[str | None, Reason]:
    """Return the reason of each class for a service that is short."""
    (unplaced,) = (u for u in result.unplaced if u.service.name == service)
    return {rejection.npu_class: rejection.reason for rejection in unplaced.rejections}


def test_points_without_watts_are_served_for_nothing() -> None:
    profile = b.profile(b.point(100, 0))

    result = proven_plan(b.snapshot([b.service(target=300)], [b.node(npus=4)], profiles=[profile]))

    assert served(result) == {"traffic": 300}
    assert result.totals.draw == b.watts(10)  # one NPU idles
    assert result.bound is not None, result.unproven
    assert result.bound.power == b.watts(0)  # a replica more would save it, but take the last NPU


def test_equal_services_on_equal_nodes_are_served_in_the_order_of_their_names() -> None:
    services = [b.service(f"s{n}") for n in (3, 1, 4, 2, 5)]
    nodes = [b.node(f"n{n}", 1) for n in (2, 1, 3)]

    result = plan(b.snapshot(services, nodes))

    assert [p.service.name for p in result.placements] == ["s1", "s2", "s3"]
    assert reasons(result, "s4") == {"atom": Reason.INSUFFICIENT_NPUS}


def test_one_node_with_one_npu_serves_the_highest_priority() -> None:
    services = [b.service("a"), b.service("b", priority=1)]

    assert served(plan(b.snapshot(services, [b.node(npus=1)]))) == {"b": 100}


def test_of_sixty_four_classes_the_one_that_draws_least_is_taken() -> None:
    names = [f"class-{n:02}" for n in range(64)]
    points = [b.point(100, 60 + (n * 37) % 64, npu_class=name) for n, name in enumerate(names)]

    result = proven_plan(
        b.snapshot(
            [b.service(f"s{n}") for n in range(4)],
            [b.node(name, 1, name) for name in names],
            classes=[b.npu_class(name) for name in names],
            profiles=[b.profile(*points)],
        )
    )

    assert sorted(p.planned.watts for p in result.placements) == [60, 61, 62, 63]
    assert result.bound is not None, result.unproven
    assert result.bound.power == result.totals.draw


def test_each_of_sixty_four_classes_says_why_not() -> None:
    names = [f"class-{n:02}" for n in range(64)]
    points = [b.point(100, 60, npu_class=name) for name in names]

    result = plan(
        b.snapshot(
            [b.service(max_replicas=1, target=101)],
            [b.node(name, 1, name) for name in names],
            classes=[b.npu_class(name) for name in names],
            profiles=[b.profile(*points)],
        )
    )

    assert reasons(result, "traffic") == dict.fromkeys(names, Reason.THROUGHPUT_UNREACHABLE)


def test_a_cap_is_used_to_its_last_milliwatt() -> None:
    exact = b.budget(cap=1100, host=920)  # 8 x 10 W idle and twice 50 W above

    result = plan(b.snapshot([b.service(target=200)], budgets=[exact]))

    assert served(result) == {"traffic": 200}
    assert result.budgets[0].headroom == b.watts(0)


def test_a_cap_that_is_a_milliwatt_too_low_is_not_exceeded() -> None:
    short = b.budget(cap="1099.999", host=920)

    result = plan(b.snapshot([b.service(target=200)], budgets=[short]))

    assert served(result) == {"traffic": 100}
    assert reasons(result, "traffic") == {"atom": Reason.POWER_BUDGET_EXCEEDED}


def test_a_replica_larger_than_any_node_is_refused_and_the_rest_is_planned() -> None:
    profiles = [b.profile(), b.profile(b.point(900, 600, npus=16), name="llm")]
    services = [b.service("large", model="llm", priority=1), b.service("small")]

    result = plan(b.snapshot(services, [b.node("n1"), b.node("n2")], profiles=profiles))

    assert served(result) == {"small": 100}
    assert reasons(result, "large") == {"atom": Reason.INSUFFICIENT_NPUS}


def test_a_million_a_second_are_served_as_far_as_the_npus_go() -> None:
    result = proven_plan(b.snapshot([b.service(target=10**6)]))

    assert served(result) == {"traffic": 800}
    assert reasons(result, "traffic") == {"atom": Reason.INSUFFICIENT_NPUS}
    assert result.bound is not None, result.unproven


def test_a_million_a_second_are_served_where_replicas_are_fast_enough() -> None:
    fast = b.profile(b.point(125_000, 60))

    assert served(plan(b.snapshot([b.service(target=10**6)], profiles=[fast]))) == {
        "traffic": 10**6
    }


def test_a_class_that_idles_above_its_maximum_asks_for_no_watts() -> None:
    """The API refuses it; a planner that met it would count the idle draw and nothing above."""
    backwards = b.npu_class(idle=100, most=50)

    result = plan(b.snapshot([b.service()], budgets=[b.budget(cap=800)], classes=[backwards]))

    assert served(result) == {"traffic": 100}
    assert (result.placements[0].reserved, result.budgets[0].headroom) == (b.watts(100), b.watts(0))


def test_a_curve_whose_p99_falls_with_load_is_used_where_the_limit_is_met() -> None:
    odd = b.profile(b.point(100, 40, p99=50), b.point(200, 80, p99=20))

    result = plan(b.snapshot([b.service(latency_micros=30_000, target=200)], profiles=[odd]))

    assert [(p.operating_point, p.replicas) for p in result.placements] == [("at-200", 1)]


def test_more_rate_for_fewer_watts_is_fine() -> None:
    odd = b.profile(b.point(100, 60), b.point(200, 50))

    result = proven_plan(b.snapshot([b.service(target=200)], [b.node(npus=2)], profiles=[odd]))

    assert result.totals.draw == b.watts(50 + 10)
    assert result.placements[0].reserved == b.watts(60)  # it may fall back to the lower point


def test_figures_beyond_all_measure_leave_the_others_planned() -> None:
    profiles = [b.profile(), b.profile(b.point(100, 2**62 // 1000), name="absurd")]
    services = [b.service("absurd", model="absurd", priority=1), b.service("small")]

    result = plan(b.snapshot(services, budgets=[b.budget(cap=10**6)], profiles=profiles))

    assert served(result) == {"small": 100}
    assert reasons(result, "absurd") == {"atom": Reason.POWER_BUDGET_EXCEEDED}


CONTRADICTIONS = {
    "a rack that may draw more than its row": [
        b.budget("rack", 5000, ("n1",)),
        b.budget("row", 160 + 49, ("n1", "n2")),
    ],
    "hosts that draw more than the cap": [b.budget("rack", 100, ("n1", "n2"), host=200)],
    "a cap below the idle draw": [b.budget("rack", 1, ("n1", "n2"))],
    "a cap of nothing": [b.budget("rack", 0, ("n1", "n2"), empty_off=True)],
    "overlapping budgets that allow one node each": [
        b.budget("one", 80, ("n1", "n3")),
        b.budget("other", 80, ("n2", "n3")),
    ],
}


@pytest.mark.parametrize("budgets", CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_caps_that_contradict_each_other_reject_and_the_rest_is_planned(budgets: list) -> None:
    nodes = [b.node("n1"), b.node("n2"), b.node("n3", npu_class="rngd")]
    profiles = [b.profile(), b.profile(b.point(100, 60, npu_class="rngd"), name="bert")]
    services = [b.service(), b.service("food", model="bert")]
    if any("n3" in budget.nodes for budget in budgets):
        nodes.append(b.node("n4", npu_class="rngd"))

    result = plan(
        b.snapshot(
            services,
            nodes,
            budgets,
            classes=[b.npu_class(), b.npu_class("rngd")],
            profiles=profiles,
        )
    )

    assert served(result) == {"food": 100}
    assert reasons(result, "traffic") == {"atom": Reason.POWER_BUDGET_EXCEEDED}


def test_a_snapshot_without_anything_is_planned() -> None:
    empty = Snapshot(now=b.NOW)

    result = proven_plan(empty)

    assert (result.placements, result.unplaced, result.budgets) == ((), (), ())
    assert result.bound is not None, result.unproven
    assert result.bound.power == b.watts(0)
