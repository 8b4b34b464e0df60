"""Feedback in an observation: what measurements change about planning, and what statuses remember of it."""

from __future__ import annotations

import pytest

from builders import rate
from kwatt.model.feedback import NO_FEEDBACK, DemandRange, Feedback, Following
from kwatt.model.keys import ServiceKey
from kwatt.model.snapshot import Service
from kwatt.observation.memory import Memory
from kwatt.observation.observe import observe
from kwatt.observation.parsing.services import parse_inference_service
from kwatt.observation.remembering import grounds_of
from unit.observation.bodies import NOW, node, npu_class, profile, service
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

    grounds = grounds_of(seen, observe(seen, NOW).snapshot)

    bounds = DemandRange(rate(100), rate(900), 20)
    assert grounds.services == {KEY: Following(bounds, "images", rate(240))}
