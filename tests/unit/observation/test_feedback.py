"""Feedback in an observation: what measurements change about planning, and what statuses remember of it."""

from __future__ import annotations

from typing import Any

import pytest

from builders import rate, watts
from kwatt.model.feedback import NO_FEEDBACK, DemandRange, ExcessReason, Feedback, Following
from kwatt.model.keys import ServiceKey
from kwatt.model.measurements import PointKey
from kwatt.model.snapshot import Service
from kwatt.observation.holdings import Existing, holdings_of
from kwatt.observation.memory import Memory
from kwatt.observation.observe import observe
from kwatt.observation.parsing.services import parse_inference_service
from kwatt.observation.remembering import grounds_of, remembered_in
from kwatt.planning.plan import plan
from kwatt.units import Power
from unit.observation.bodies import NOW, budget, node, npu_class, profile, service
from unit.observation.worlds import world

KEY = ServiceKey("city", "traffic")
RANGE = {"min": 100, "max": 900}
CATALOGUE = (node(), npu_class(), profile())


def following(demand: object = None) -> dict[str, object]:
    status = {} if demand is None else {"demand": demand}
    return {**service(throughput=RANGE), "status": status}


def planned(body: dict[str, object], feedback: Feedback | None = None) -> Service:
    (one,) = observe(world(*CATALOGUE, body), NOW, feedback=feedback).snapshot.services
    return one


def test_a_service_that_follows_its_demand_is_planned_at_the_rate_it_follows() -> None:
    assert planned(following(), Feedback(demands={KEY: rate(240)})).target == rate(240)


def test_before_demand_was_measured_the_most_is_planned() -> None:
    assert planned(following(), NO_FEEDBACK).target == rate(900)


def test_without_feedback_the_rate_of_the_status_is_planned() -> None:
    assert planned(following({"perSecond": "240", "at": "2026-11-22T12:00:00Z"})).target == rate(
        240
    )


@pytest.mark.parametrize(
    "demand", [[], "240", {"perSecond": "-1"}, {"perSecond": "many"}, {"perSecond": None}]
)
def test_a_status_that_cannot_be_read_remembers_nothing(demand: object) -> None:
    assert planned(following(demand)).target == rate(900)


def test_a_fixed_rate_takes_no_notice_of_demand() -> None:
    assert planned(service(), Feedback(demands={KEY: rate(240)})).target == rate(400)


def test_a_status_alone_is_no_change_of_the_service() -> None:
    one, other = following({"perSecond": "240"}), following({"perSecond": "250"})
    assert parse_inference_service(one) == parse_inference_service(other)


def test_a_memory_notices_that_demand_changed() -> None:
    seen, memory = world(*CATALOGUE, following()), Memory()
    for wanted in (240, 300):
        feedback = Feedback(demands={KEY: rate(wanted)})
        (one,) = observe(seen, NOW, memory=memory, feedback=feedback).snapshot.services
        assert one.target == rate(wanted)


def test_the_grounds_are_the_services_that_follow_their_demand() -> None:
    seen = world(*CATALOGUE, following({"perSecond": "240"}), service("fixed"))

    snapshot = observe(seen, NOW).snapshot
    grounds = grounds_of(seen, snapshot, plan(snapshot))

    bounds = DemandRange(rate(100), rate(900), 20)
    assert grounds.services == {KEY: Following(bounds, "images", rate(240))}


POINT_KEY = PointKey("yolo", "atom", 1, "batch-8")
ROW = {
    "npuClass": "atom",
    "npus": 1,
    "operatingPoint": "batch-8",
    "ratio": "1.1",
    "declaredWatts": "41.2",
    "measuredWatts": "45.32",
    "plannedWatts": "45.32",
    "hours": "3",
    "confidence": "High",
    "drift": "More",
}
METER = {"meter": {"classes": "Sum"}, "enforcement": "Measured"}


def measured_profile(*rows: object) -> dict[str, Any]:
    return {**profile(), "status": {"measured": list(rows)}}


def point_power(body: dict[str, Any], feedback: Feedback | None = None) -> Power:
    snapshot = observe(world(node(), npu_class(), body), NOW, feedback=feedback).snapshot
    return snapshot.profiles["yolo"].points[0].power


def test_watts_are_measured_against_what_is_declared_also_where_more_is_planned() -> None:
    seen, raised = world(node(), npu_class(), profile(), service()), Power(45_320)

    snapshot = observe(seen, NOW, feedback=Feedback(points={POINT_KEY: raised})).snapshot
    held = holdings_of(snapshot, plan(snapshot), seen, Existing())
    grounds = grounds_of(seen, snapshot, plan(snapshot))

    assert snapshot.profiles["yolo"].points[0].power == raised
    assert held.curves[POINT_KEY][-1][1] == watts(41.2).milliwatts
    assert grounds.points[POINT_KEY].power == watts(41.2)


def test_a_point_is_planned_with_what_was_measured_if_that_is_more() -> None:
    assert point_power(profile(), Feedback(points={POINT_KEY: watts(45)})) == watts(45)
    assert point_power(profile(), Feedback(points={POINT_KEY: watts(30)})) == watts("41.2")


def test_without_feedback_the_watts_of_the_status_are_planned() -> None:
    assert point_power(measured_profile(ROW)) == watts("45.32")


@pytest.mark.parametrize(
    "row",
    [
        "text",
        {"npuClass": "atom"},
        {**ROW, "plannedWatts": "many"},
        {**ROW, "hours": "-1"},
        {**ROW, "declaredWatts": "0"},
        {**ROW, "declaredWatts": "40"},
    ],
    ids=["text", "incomplete", "unreadable", "negative", "nothing-declared", "declared-anew"],
)
def test_a_row_that_says_nothing_of_this_point_changes_nothing(row: object) -> None:
    assert point_power(measured_profile(row)) == watts("41.2")


def metered_budget(withheld: object = None, **spec: Any) -> dict[str, Any]:
    status = {} if withheld is None else {"withheldWatts": withheld}
    return {**budget(hostWatts=1200, **(METER | spec)), "status": status}


def cap_of(body: dict[str, Any], feedback: Feedback | None = None) -> tuple[Power, Power]:
    (one,) = observe(world(*CATALOGUE, body), NOW, feedback=feedback).snapshot.budgets
    return one.cap, one.withheld


def test_what_is_withheld_is_taken_off_the_cap() -> None:
    feedback = Feedback(withheld={"rack": watts(700)})
    assert cap_of(metered_budget(), feedback) == (watts(8300), watts(700))


def test_where_only_the_plan_holds_the_cap_nothing_is_withheld() -> None:
    feedback = Feedback(withheld={"rack": watts(700)})
    assert cap_of(metered_budget(enforcement="Planned"), feedback) == (watts(9000), watts(0))


@pytest.mark.parametrize(("withheld", "cap"), [("700", 8300), ("-5", 9000), ([], 9000)])
def test_without_feedback_what_the_status_says_is_withheld(withheld: object, cap: int) -> None:
    assert cap_of(metered_budget(withheld))[0] == watts(cap)


def test_a_metered_budget_is_told_with_what_could_be_shed_and_drawn() -> None:
    seen = world(*CATALOGUE, metered_budget(), service())
    snapshot = observe(seen, NOW, feedback=Feedback(withheld={"rack": watts(700)})).snapshot
    planned = plan(snapshot)

    rack = grounds_of(seen, snapshot, planned).budgets["rack"]

    npus = snapshot.nodes[0].npus_capacity
    assert (rack.cap, rack.planned_cap) == (watts(9000), watts(9000))
    assert rack.headroom == planned.budgets[0].headroom
    assert rack.sheddable == watts(7800) - watts("17.24") * npus
    assert rack.reach == watts(1200) + watts(65) * npus


def test_the_statuses_of_all_kinds_are_remembered() -> None:
    statuses = [
        ("InferenceService", "city", "traffic", {"demand": {"perSecond": "240"}}),
        ("PowerBudget", "", "rack", {"withheldWatts": "700"}),
        ("ModelProfile", "", "yolo", {"measured": [ROW]}),
        ("NPUClass", "", "atom", {}),
    ]

    remembered = remembered_in(statuses)

    assert remembered.demands == {KEY: rate(240)}
    assert remembered.withheld == {"rack": watts(700)}
    assert remembered.excesses["rack"].reason is ExcessReason.WITHHOLDING
    assert remembered.points == {POINT_KEY: watts("45.32")}
    assert remembered.drifts[POINT_KEY].seconds == 3 * 3600
