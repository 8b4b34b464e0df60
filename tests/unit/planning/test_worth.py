"""What more watts of a budget are worth, on worlds that are computed by hand.

A replica serves 100 images/s at 60 W; an atom idles at 10 W, so it adds 50 W to what eight idle ones draw.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

import builders as b
from kwatt.model.plan import Plan
from kwatt.model.snapshot import Budget, Service, Snapshot
from kwatt.planning.plan import plan, proven_plan
from kwatt.planning.worth import with_proven_worth

DEARER = {
    "classes": [b.npu_class(), b.npu_class("rngd")],
    "profiles": [b.profile(b.point(100, 60), b.point(100, 80, npu_class="rngd"))],
}


def rack(cap: float, name: str = "rack-a1", **facts: Any) -> Budget:
    return b.budget(name, cap, **facts)


def worths(result: Plan) -> dict[str, str]:
    return {use.name: use.worth.message for use in result.budgets if use.worth}


def world(services: Iterable[Service], *budgets: Budget) -> Snapshot:
    return b.snapshot(services, [b.node()], budgets)


@pytest.mark.parametrize("planner", [plan, proven_plan])
def test_the_raise_that_completes_a_service_is_told(planner: Any) -> None:
    result = planner(world([b.service(target=300)], rack(80 + 120)))

    assert worths(result) == {"rack-a1": "+30 W would serve city/traffic (100 images/s more)"}
    assert result.budgets[0].worth.figures == {
        "watts": 30,
        "service": "city/traffic",
        "perSecond": 100.0,
        "unit": "images/s",
    }


def test_the_least_raise_that_serves_anything_is_told() -> None:
    result = plan(world([b.service(target=550)], rack(80 + 120)))

    assert worths(result) == {
        "rack-a1": "+30 W would serve city/traffic in part (100 of 350 images/s more)"
    }
    assert [r.change for r in result.unplaced[0].nearest] == ["+180 W on rack-a1"]


def test_replicas_below_the_least_number_serve_nothing() -> None:
    result = plan(world([b.service(target=300, min_replicas=3)], rack(80 + 20)))

    assert worths(result) == {"rack-a1": "+130 W would serve city/traffic (300 images/s more)"}


def test_of_those_that_wait_the_one_with_the_least_raise_is_named() -> None:
    small = b.profile(b.point(10, 25), name="small")
    waiting = [b.service("food", priority=1), b.service("notes", 10, model="small")]
    snapshot = replace(
        world(waiting, rack(80 + 10)), profiles={"small": small, "yolo": b.profile()}
    )

    assert worths(plan(snapshot)) == {
        "rack-a1": "+5 W would serve city/notes (10 images/s more)",
    }


def test_of_equals_the_higher_priority_is_named() -> None:
    waiting = [b.service("food"), b.service("traffic", priority=1)]

    assert worths(plan(world(waiting, rack(80 + 10)))) == {
        "rack-a1": "+40 W would serve city/traffic (100 images/s more)"
    }


def test_budgets_that_all_lack_watts_are_raised_together() -> None:
    snapshot = world([b.service()], rack(80 + 20), rack(80 + 5, "row-a"), rack(500, "hall"))

    assert worths(proven_plan(snapshot)) == {
        "rack-a1": "+30 W, with +45 W on row-a, would serve city/traffic (100 images/s more)",
        "row-a": "+45 W, with +30 W on rack-a1, would serve city/traffic (100 images/s more)",
    }


@pytest.mark.parametrize("planner", [plan, proven_plan])
def test_a_budget_in_nobody_s_way_is_worth_nothing(planner: Any) -> None:
    assert worths(planner(world([b.service()], rack(80 + 50)))) == {}


def test_a_budget_that_keeps_services_on_a_dearer_class_tells_what_a_watt_saves() -> None:
    """A replica on n1 adds 50 W to the rack and draws 20 W less than one on n2: 0.4 W for each watt."""
    nodes = [b.node("n1"), b.node("n2", npu_class="rngd")]
    services = [b.service(f"s{number}") for number in range(4)]
    snapshot = b.snapshot(services, nodes, [rack(80 + 100)], **DEARER)

    assert worths(proven_plan(snapshot)) == {
        "rack-a1": "one more watt would save about 0.4 W of draw"
    }
    assert worths(plan(snapshot)) == {}


def test_whom_a_raise_serves_goes_before_what_it_saves() -> None:
    snapshot = world([b.service(target=300)], rack(80 + 120))
    result = with_proven_worth(plan(snapshot), snapshot, plan, {"rack-a1": Fraction(1, 2)})

    assert worths(result) == {"rack-a1": "+30 W would serve city/traffic (100 images/s more)"}


def test_a_raise_that_planning_again_does_not_confirm_is_not_told() -> None:
    snapshot = world([b.service(target=300)], rack(80 + 120))
    tried = replace(plan(snapshot), budgets=proven_plan(world([], rack(200))).budgets)

    assert worths(with_proven_worth(tried, snapshot, lambda _: tried, {})) == {}


def test_whom_the_raise_serves_when_all_is_planned_again_is_told() -> None:
    both = world([b.service("food"), b.service("traffic")], rack(80 + 20))
    only_food = plan(world([b.service("food")], rack(80 + 20)))

    assert worths(plan(both)) == {"rack-a1": "+30 W would serve city/food (100 images/s more)"}
    assert worths(with_proven_worth(plan(both), both, lambda _: only_food, {})) == {
        "rack-a1": "+30 W would serve city/traffic (100 images/s more)"
    }


def test_a_price_of_next_to_nothing_is_not_told() -> None:
    snapshot = world([b.service()], rack(1000))
    result = with_proven_worth(plan(snapshot), snapshot, plan, {"rack-a1": Fraction(1, 101)})

    assert worths(result) == {}


def test_a_thousand_that_wait_are_not_all_tried() -> None:
    """Few services for each budget make claims, so that a plan costs little more than without."""
    waiting = [b.service(f"s{number:04}") for number in range(1000)]

    result = plan(world(waiting, rack(80 + 40)))

    assert sum(bool(unplaced.gains) for unplaced in result.unplaced) == 4
    assert worths(result) == {"rack-a1": "+10 W would serve city/s0000 (100 images/s more)"}
