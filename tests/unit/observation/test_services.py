"""Services: what each wants and has; what can't be planned says why, and keeps its replicas."""

from __future__ import annotations

from typing import Any

import pytest

from kwatt.model.keys import Variant
from kwatt.model.snapshot import Incumbent
from kwatt.observation.observe import observe
from kwatt.observation.values import NoticeReason
from kwatt.units import NO_THROUGHPUT
from unit.observation.bodies import (
    ATOM,
    NOW,
    WATTS,
    container,
    deployment,
    node,
    npu_class,
    own_pod,
    pod,
    point,
    priority,
    profile,
    quota,
    service,
)
from unit.observation.worlds import observed, only_service, world

RUNNING = (node(), deployment(), own_pod("a"), own_pod("b"))
ONE_ATOM = Variant("atom", ATOM, 1, "")


def test_incumbents_are_counted_by_variant_and_node() -> None:
    released = own_pod("c", None)
    released["spec"]["nodeSelector"] = {"kubernetes.io/hostname": "n2"}
    gated = own_pod("d", None)
    gated["spec"]["schedulingGates"] = [{"name": "kwatt.dev/placement"}]

    seen = only_service(service(), profile(), npu_class(), *RUNNING, node("n2"), released, gated)

    assert seen.incumbents == (Incumbent(ONE_ATOM, "n1", 2, 24), Incumbent(ONE_ATOM, "n2", 1, 24))
    assert seen.held is None


@pytest.mark.parametrize("phase", ["Running", "Failed"])
def test_leaving_and_finished_pods_are_no_incumbents(phase: str) -> None:
    leaving = {"deletionTimestamp": "2026-11-23T02:00:00Z"} if phase == "Running" else {}
    body = own_pod("a", **leaving)
    body["status"]["phase"] = phase

    seen = only_service(service(), profile(), npu_class(), node(), deployment(), body)

    assert seen.incumbents == ()


def test_replicas_that_are_not_ready_are_starting() -> None:
    ready = own_pod("c")
    ready["status"]["conditions"] = [{"type": "Ready", "status": "True"}]

    assert only_service(service(), profile(), npu_class(), *RUNNING, ready).starting == 2


def test_pods_on_a_node_that_is_gone_are_no_incumbents() -> None:
    assert only_service(service(), profile(), npu_class(), *RUNNING[1:]).incumbents == ()


@pytest.mark.parametrize(
    ("bodies", "field", "says"),
    [
        ((service(),), "spec.model", "ModelProfile 'yolo' does not exist"),
        (
            (service(), profile(unit=None)),
            "spec.model",
            "ModelProfile 'yolo' can't be used: spec.unit",
        ),
        (
            (service(priorityClassName="gone"), profile()),
            "spec.priorityClassName",
            "PriorityClass 'gone' does not exist",
        ),
        (
            (service(template={"spec": {"containers": [container(**{ATOM: "1"})]}}), profile()),
            "spec.template",
            "container 'server' in spec.template asks for rebellions.ai/ATOM; remove it",
        ),
        ((service(model=None), profile()), "spec.model", "must be a valid string"),
    ],
)
def test_what_cannot_be_planned_is_invalid_and_held_while_it_runs(
    bodies: tuple[dict[str, Any], ...], field: str, says: str
) -> None:
    idle = observed(*bodies, npu_class(), node())
    running = observed(*bodies, npu_class(), *RUNNING)

    about = [one for one in idle.invalid if one.kind == "InferenceService"]
    assert [(one.name, one.field) for one in about] == [("traffic", field)]
    assert about[0].message.startswith(says)
    assert idle.snapshot.services == ()
    assert says in (running.snapshot.services[0].held or "")
    assert running.snapshot.services[0].incumbents == (Incumbent(ONE_ATOM, "n1", 2, 24),)


def test_a_service_whose_spec_cannot_be_read_is_held_with_no_target() -> None:
    seen = only_service(service(throughput=None), profile(), npu_class(), *RUNNING)

    assert (seen.model, seen.target) == ("", NO_THROUGHPUT)


def test_a_verdict_of_the_api_server_holds_for_its_generation_only() -> None:
    bodies = (service(), profile(), npu_class(), node())

    refused = observed(*bodies, verdicts={("uid-traffic", 1): "image: Required value"})
    mended = observed(*bodies, verdicts={("uid-traffic", 0): "image: Required value"})

    assert [(one.field, one.message) for one in refused.invalid] == [
        ("spec.template", "image: Required value")
    ]
    assert refused.snapshot.services == ()
    assert mended.invalid == ()


def test_a_class_that_is_gone_holds_what_runs_and_plans_what_does_not() -> None:
    running = observed(service(), profile(), *RUNNING)
    idle = observed(service(), profile(), node())

    assert running.snapshot.services[0].held == (
        "no NPUClass that it may use is there and schedulable: atom does not exist"
    )
    assert idle.snapshot.services[0].held is None
    assert idle.snapshot.profiles["yolo"].points == ()
    assert [one.reason for one in idle.notices] == [NoticeReason.UNKNOWN_CLASS]


def test_a_profile_that_no_longer_measures_the_class_is_planned() -> None:
    seen = only_service(
        service(npuClasses=["rngd"]), profile(), npu_class(), npu_class("rngd"), *RUNNING
    )

    assert seen.held is None


def test_an_allowed_class_that_does_not_exist_is_noticed() -> None:
    seen = observed(service(npuClasses=["atom", "atomm"]), profile(), npu_class(), node())

    assert [one.message for one in seen.notices] == [
        "spec.npuClasses names atomm, which no NPUClass is called"
    ]


def test_a_class_that_exists_and_cannot_be_read_is_not_said_to_be_missing() -> None:
    seen = observed(service(npuClasses=["atom"]), profile(), npu_class(watts={"idle": -1}), node())

    assert [(one.kind, one.name) for one in seen.invalid] == [("NPUClass", "atom")]
    assert seen.notices == ()


def test_points_on_unknown_classes_are_left_out() -> None:
    points = [point(), point("b", npuClass="gone")]

    seen = observed(profile(points=points), npu_class())

    assert [one.npu_class for one in seen.snapshot.profiles["yolo"].points] == ["atom"]


@pytest.mark.parametrize(
    ("name", "value"), [("high", 1000), (None, 7), ("system-cluster-critical", 2_000_000_000)]
)
def test_priority_is_that_of_the_class_or_the_default(name: str | None, value: int) -> None:
    classes = (priority("high", 1000), priority("usual", 7, default=True))

    assert only_service(service(priorityClassName=name), profile(), *classes).priority == value


def test_a_held_service_keeps_the_priority_of_its_pods() -> None:
    body = own_pod("a")
    body["spec"]["priority"] = 1000

    seen = only_service(service(throughput=None), npu_class(), node(), deployment(), body)

    assert seen.priority == 1000


def test_a_service_that_is_being_deleted_is_gone() -> None:
    body = service()
    body["metadata"]["deletionTimestamp"] = "2026-11-23T02:00:00Z"

    seen = observed(body, profile(), npu_class(), *RUNNING).snapshot

    assert seen.services == ()
    assert seen.nodes[0].stuck_npus == 2


def test_quotas_know_what_others_use_of_them() -> None:
    hard = {"requests.kwatt.dev/watts": "240", "pods": "10", "requests.cpu": "8"}
    others = (pod("x", None, cpu="1", **{WATTS: "30"}), pod("y", namespace="elsewhere", cpu="1"))

    seen = observed(service(), profile(), npu_class(), *RUNNING, quota(hard), *others).snapshot

    (one,) = seen.quotas
    assert one.hard == {WATTS: 240, "pods": 10, "cpu": 8000}
    assert one.used_by_others == {WATTS: 30, "pods": 1, "cpu": 1000}


def test_quotas_with_scopes_are_noticed_only() -> None:
    seen = observed(quota({"pods": "1"}, scopes=["BestEffort"]), node())

    assert seen.snapshot.quotas == ()
    assert [one.reason for one in seen.notices] == [NoticeReason.QUOTA_NOT_READ]


def test_an_invalid_object_affects_no_other() -> None:
    seen = observed(service(), service("broken", model=None), profile(), npu_class(), node())

    assert [one.key.name for one in seen.snapshot.services] == ["traffic"]
    assert [one.name for one in seen.invalid] == ["broken"]


@pytest.mark.parametrize(
    ("route", "served", "mixes"),
    [
        ({"gateway": {"name": "public"}}, True, True),
        ({"gateway": {"name": "public"}}, False, False),
        (None, True, False),
    ],
)
def test_variants_are_mixed_only_where_a_gateway_is_named_and_routes_are_served(
    route: dict[str, Any] | None, served: bool, mixes: bool
) -> None:
    ports = {"ports": [{"containerPort": 8000}]}
    template = {"spec": {"containers": [container() | ports]}}
    bodies = service(template=template, route=route), profile(), npu_class()

    (seen,) = observe(world(*bodies, serves_routes=served), NOW).snapshot.services

    assert (seen.mixes, seen.held) == (mixes, None)
