"""Figures of a service's status that golden files would not show well."""

from __future__ import annotations

from dataclasses import replace

import pytest

import builders as b
from kwatt.api.v1alpha1.inference_service import InferenceServiceStatus
from kwatt.model.npu import Basis, Scope
from kwatt.status.services import describe_service
from unit.status.facts import service_facts

ROW = {"node": "n1", "replicas": 1, "rate": 100, "watts": 60}


def status(**given: object) -> InferenceServiceStatus:
    return describe_service(service_facts({"target": 100, "rows": [ROW]} | given), b.NOW)


@pytest.mark.parametrize(
    ("rate", "watts", "per_joule"),
    [
        (100, 60, "1.667"),
        (1200, 2, "600"),
        ("0.0006", 60, "0.00001"),
        (5000, 4, "1250"),
        (1, 0, None),
    ],
)
def test_units_per_joule_have_four_digits(rate: float, watts: float, per_joule: str) -> None:
    planned = status(rows=[ROW | {"rate": rate, "watts": watts}]).planned

    assert planned is not None
    assert planned.units_per_joule == per_joule


def test_replicas_of_one_variant_at_two_points_share_what_is_ready() -> None:
    rows = [
        ROW | {"point": point, "node": node}
        for point, node in (("batch-1", "n1"), ("batch-8", "n2"))
    ]

    placements = status(rows=rows, ready=1).placements

    assert [(p.operating_point, p.ready_replicas) for p in placements] == [
        ("batch-1", 1),
        ("batch-8", 0),
    ]


def test_more_ready_pods_than_are_planned_are_not_shown() -> None:
    assert status(ready=4).placements[0].ready_replicas == 1


def test_watts_of_two_scopes_are_never_said_to_be_of_one() -> None:
    facts = service_facts({"target": 100, "rows": [ROW, ROW | {"point": "wall"}]})
    points = (*facts.profile.points, replace(b.point(200, 90, name="wall"), scope=Scope.WALL))

    planned = describe_service(replace(facts, profile=b.profile(*points)), b.NOW).planned

    assert planned is not None
    assert planned.scope is None


def test_a_class_that_is_gone_makes_figures_assumptions() -> None:
    facts = replace(service_facts({"target": 100, "rows": [ROW]}), classes={})

    assert describe_service(facts, b.NOW).placements[0].basis is Basis.ASSUMPTION


def test_the_summary_says_why_a_service_is_not_ready() -> None:
    assert status(problem="spec.model: is gone", rows=[]).summary.reason == "InvalidSpec"
    assert status(ready=0).summary.reason == "ReplicasNotReady"
    assert status(ready=1).summary.reason is None
    assert status(ready=1, failure="Deployment x: quota").summary.reason == "ApplyFailed"


def test_a_service_is_ready_while_those_before_serve_on() -> None:
    moving, alone = status(ready=0, moving=True), status(ready=1, moving=True)

    assert [one.summary.reason for one in (moving, alone)] == [None, None]
    ready = {c.type: c for c in moving.conditions}["Ready"]
    words = "1 of 1 replicas start, those before them serve on until then"
    assert (ready.reason, ready.message) == ("Moving", words)


def routed(**given: object) -> tuple[str, str]:
    """Return status and reason of the condition Routed."""
    (found,) = (c for c in status(**given).conditions if c.type == "Routed")
    return str(found.status), found.reason


@pytest.mark.parametrize(
    ("route", "told"),
    [
        ({"served": False}, ("False", "GatewayAPIMissing")),
        ({}, ("Unknown", "NotWritten")),
        ({"weights": {"a": 1000}}, ("Unknown", "NotAnswered")),
        ({"weights": {"a": 1000}, "accepted": False}, ("False", "NotAccepted")),
        ({"weights": {"a": 1000}, "accepted": True}, ("True", "Accepted")),
    ],
)
def test_a_route_is_told_from_missing_to_accepted(
    route: dict[str, object], told: tuple[str, str]
) -> None:
    assert routed(route=route) == told


def test_a_spec_that_can_not_be_used_holds_its_route() -> None:
    assert routed(route={"served": False}, problem="spec.model: is gone") == ("Unknown", "Held")


def test_without_a_gateway_nothing_is_said_of_routes() -> None:
    assert "Routed" not in {c.type for c in status().conditions}


def test_a_service_is_ready_whatever_becomes_of_its_route() -> None:
    assert status(ready=1, route={"served": False}).summary.reason is None


def test_several_variants_are_told_apart() -> None:
    facts = service_facts({"target": 400, "rows": [ROW | {"rate": 300}]})
    two = b.variant(npus=2)
    (row,) = facts.rows
    other = row._replace(variant=two, operating_point="batch-16", rate=b.rate(100))
    points = (*facts.profile.points, b.point(npus=2, name="batch-16"))
    mixed = replace(
        facts,
        rows=(row, other),
        profile=b.profile(*points),
        ready={row.variant: 1, two: 1},
    )

    found = describe_service(mixed, b.NOW)

    assert [
        (p.npus, p.operating_point, p.ready_replicas, p.per_second, p.watts)
        for p in found.placements
    ] == [(1, "batch-8", 1, "300", "60"), (2, "batch-16", 1, "100", "60")]
    assert found.planned is not None
    assert (found.planned.per_second, found.planned.watts) == ("400", "120")
    assert found.summary is not None
    assert (found.summary.npu_class, found.summary.replicas) == ("atom", "2/2")
