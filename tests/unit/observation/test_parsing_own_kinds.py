"""KWatt's own kinds: figures become exact, and what can't be used is one sentence with field and remedy."""

from __future__ import annotations

from typing import Any

import pytest

from kwatt.errors import InvalidInput
from kwatt.observation.parsing.budgets import parse_power_budget
from kwatt.observation.parsing.catalogue import parse_model_profile, parse_npu_class
from kwatt.observation.parsing.services import parse_inference_service
from kwatt.units import Energy, Power, Throughput
from unit.observation.bodies import (
    ATOM,
    budget,
    container,
    npu_class,
    point,
    profile,
    service,
    window,
)

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
SPREAD = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}


def with_pod_spec(**differs: Any) -> dict[str, Any]:
    return service(template={"spec": {"containers": [container()], **differs}})


def test_a_service_has_exact_figures() -> None:
    body = service(
        throughput={"perSecond": "0.0006"},
        latency={"p99Milliseconds": "12.5"},
        power={"watts": "17.24"},
        replicas={"min": 2, "max": 5},
    )

    parsed = parse_inference_service(body)

    assert parsed.target == Throughput(600)
    assert parsed.latency_micros == 12_500
    assert parsed.power_limit == Power(17_240)
    assert (parsed.min_replicas, parsed.max_replicas) == (2, 5)


def test_a_variant_changes_the_shape_on_its_class_only() -> None:
    override = {
        "spec": {"containers": [{"name": "server", "resources": {"requests": {"cpu": "6"}}}]}
    }
    body = service(variants=[{"npuClass": "rngd", "template": override}])

    parsed = parse_inference_service(body)

    assert parsed.shape.cpu_milli == 2000
    assert parsed.shapes["rngd"].cpu_milli == 6000
    assert parsed.shapes["rngd"].memory_bytes == parsed.shape.memory_bytes


def test_another_image_is_another_value_by_its_generation() -> None:
    before, after = service(), service()
    after["spec"]["template"]["spec"]["containers"][0]["image"] = "example/other"
    after["metadata"]["generation"] = 2

    assert parse_inference_service(after) != parse_inference_service(before)


def test_a_template_may_select_a_hostname() -> None:
    body = with_pod_spec(nodeSelector={"kubernetes.io/hostname": "n1"})

    assert parse_inference_service(body).shape.node_selector == (("kubernetes.io/hostname", "n1"),)


def routed(*ports: dict[str, Any], **route: Any) -> dict[str, Any]:
    """Return a service with a route, whose container has these ports."""
    template = {"spec": {"containers": [container() | {"ports": list(ports)}]}}
    return service(template=template, route={"gateway": {"name": "public"}, **route})


def test_a_route_goes_to_a_port_of_the_template() -> None:
    http, metrics = {"containerPort": 8000}, {"containerPort": 9000}

    assert parse_inference_service(routed(http, metrics)).routed
    assert parse_inference_service(routed(http, metrics, port=9000)).routed
    assert not parse_inference_service(service()).routed


@pytest.mark.parametrize(
    ("body", "field", "says"),
    [
        (routed(), "spec.route", "needs a port to go to; add a containerPort with TCP"),
        (
            routed({"containerPort": 53, "protocol": "UDP"}),
            "spec.route",
            "needs a port to go to; add a containerPort with TCP",
        ),
        (
            routed({"containerPort": 8000}, port=9000),
            "spec.route.port",
            "is 9000, which is no containerPort with TCP in spec.template; add it there",
        ),
        (
            routed({"name": "http"}),
            "spec.route",
            "needs a port to go to",
        ),
        (
            routed({"containerPort": 80}, hostnames=["Example.com"]),
            "spec.route.hostnames[0]",
            "must be a host name",
        ),
    ],
)
def test_a_route_that_leads_nowhere_is_refused(body: dict[str, Any], field: str, says: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_inference_service(body)

    assert refused.value.field == field
    assert refused.value.message.startswith(says)


@pytest.mark.parametrize(
    ("differs", "field", "says"),
    [
        ({"containers": []}, "containers", "add the container"),
        ({"nodeName": "n1"}, "nodeName", "KWatt chooses the node"),
        ({"schedulingGates": [{"name": "x/y"}]}, "schedulingGates", "KWatt adds its own gate"),
        (
            {"containers": [{"name": "a", "ports": [{"containerPort": [80]}]}]},
            "containers.ports.containerPort",
            "whole number",
        ),
        ({"containers": [container(**{"kwatt.dev/watts": "1"})]}, "containers", "KWatt sets it"),
        ({"affinity": {"podAffinity": {REQUIRED: [{}]}}}, "podAffinity", "make it preferred"),
        ({"affinity": {"podAntiAffinity": {REQUIRED: [{}]}}}, "podAntiAffinity", "preferred"),
        ({"topologySpreadConstraints": [SPREAD]}, "topologySpread", "ScheduleAnyway"),
    ],
)
def test_a_template_that_cannot_be_planned_is_refused(
    differs: dict[str, Any], field: str, says: str
) -> None:
    with pytest.raises(InvalidInput, match=says) as refused:
        parse_inference_service(with_pod_spec(**differs))

    assert field in refused.value.field
    assert refused.value.field.startswith("spec.template")


def test_a_soft_spread_and_preferred_affinity_are_fine() -> None:
    soft = {**SPREAD, "whenUnsatisfiable": "ScheduleAnyway"}
    preferred = {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{}]}}

    parse_inference_service(with_pod_spec(topologySpreadConstraints=[soft], affinity=preferred))


def test_a_large_template_is_refused_with_its_size() -> None:
    body = with_pod_spec(volumes=[{"name": "x" * 900_000}])

    with pytest.raises(InvalidInput, match=r"is 87. KiB of JSON, the limit is 256 KiB"):
        parse_inference_service(body)


def test_a_variants_refusal_names_the_variant() -> None:
    override = {"spec": {"nodeName": "n1"}}

    with pytest.raises(InvalidInput, match="KWatt chooses") as refused:
        parse_inference_service(service(variants=[{"npuClass": "a", "template": override}]))

    assert refused.value.field == "spec.variants[0].template.spec.nodeName"


def test_what_a_template_asks_for_is_remembered_with_who_asks() -> None:
    parsed = parse_inference_service(
        service(template={"spec": {"containers": [container(**{ATOM: "1"})]}})
    )

    assert parsed.asked == {ATOM: "container 'server' in spec.template"}


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"throughput": {"perSecond": -5}}, "spec.throughput.perSecond"),
        ({"throughput": {"perSecond": "NaN"}}, "spec.throughput.perSecond"),
        ({"throughput": {"perSecond": "1" * 30}}, "spec.throughput.perSecond"),
        ({"throughput": {}}, "spec.throughput"),
        ({"model": None}, "spec.model"),
        ({"replicas": {"min": 3, "max": 2}}, "spec.replicas"),
        ({"power": {"watts": "6 kW"}}, "spec.power.watts"),
        ({"template": "text"}, "spec.template"),
        ({"npuClasses": []}, "spec.npuClasses"),
    ],
)
def test_a_spec_that_no_schema_would_admit_names_its_field(
    spec: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_inference_service(service(**spec))

    assert refused.value.field == field
    assert "\n" not in refused.value.message


def test_several_mistakes_make_one_sentence() -> None:
    with pytest.raises(InvalidInput, match=r"\(and 1 more to mend\)$"):
        parse_inference_service(service(model=None, throughput={"perSecond": -1}))


def test_unknown_fields_are_ignored() -> None:
    parse_inference_service(service(flavour="mild"))


def test_a_class_is_schedulable_when_its_figures_are_there() -> None:
    parsed = parse_npu_class(npu_class(alternativeResourceNames=["rebellions.ai/npu"]))

    assert parsed.npu_class is not None
    assert parsed.npu_class.resources == (ATOM, "rebellions.ai/npu")
    assert (parsed.npu_class.idle, parsed.npu_class.max) == (Power(17_240), Power(65_000))


def test_a_class_without_figures_names_them() -> None:
    parsed = parse_npu_class(npu_class(watts={"max": 65}, memory=None))

    assert parsed.npu_class is None
    assert parsed.missing == ("spec.memory", "spec.watts.idle")


@pytest.mark.parametrize("name", ["atom.max", "a" * 64, "Atom"])
def test_a_class_name_must_be_fit_for_a_label(name: str) -> None:
    with pytest.raises(InvalidInput, match=r"^metadata\.name: becomes a label"):
        parse_npu_class(npu_class(name))


def test_a_profile_sorts_its_points() -> None:
    points = [point("b", perSecond=2), point("a", perSecond=1, env={"Z": "1", "A": "2"})]

    parsed = parse_model_profile(profile(points=points)).profile

    assert [one.name for one in parsed.points] == ["a", "b"]
    assert parsed.points[0].env == (("A", "2"), ("Z", "1"))
    assert parsed.points[0].p99_micros == 38_000


@pytest.mark.parametrize(
    "points",
    [
        [],
        [point("a"), point("a", perSecond=1)],
        [point("a"), point("b")],
        [point("a", perSecond="500m"), point("b", perSecond="0.5")],
    ],
    ids=["none", "same key", "equal rates", "equal rates written differently"],
)
def test_points_that_contradict_are_refused(points: list[dict[str, Any]]) -> None:
    with pytest.raises(InvalidInput):
        parse_model_profile(profile(points=points))


def test_equal_rates_in_two_settings_are_two_curves() -> None:
    points = [point("a"), point("b", env={"MAX_BATCH": "8"})]

    assert len(parse_model_profile(profile(points=points)).profile.points) == 2


def test_a_budget_has_its_windows() -> None:
    parsed = parse_power_budget(budget(windows=[window(), window("day", to="24:00")]))

    assert parsed.cap == Power.of_watts(9000)
    assert [(one.name, one.end is None) for one in parsed.windows] == [
        ("day", True),
        ("peak", False),
    ]
    assert parsed.problem is None


@pytest.mark.parametrize(
    ("differs", "field"),
    [
        ({"timeZone": "Asia/Soeul"}, "spec.windows[0].timeZone"),
        ({"to": "17:00"}, "spec.windows[0]"),
        ({"from": "25:00"}, "spec.windows[0].from"),
        ({"days": ["Monday"]}, "spec.windows[0].days[0]"),
    ],
)
def test_a_slip_in_a_window_keeps_the_least_cap(differs: dict[str, Any], field: str) -> None:
    parsed = parse_power_budget(budget(windows=[window(**differs), window("b", watts=7000)]))

    assert parsed.cap == Power.of_watts(6000)
    assert parsed.problem is not None
    assert parsed.problem.field == field
    assert "the least of its caps holds, 6000 W" in parsed.problem.message


def test_a_budget_without_a_usable_cap_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"^spec\.watts"):
        parse_power_budget(budget(watts="lots", windows=[window(timeZone="x")]))


def test_a_budget_lets_nothing_move_unless_it_says_so() -> None:
    moves = {"horizonSeconds": 3600}

    assert parse_power_budget(budget()).moves_horizon is None
    assert parse_power_budget(budget(moves=moves)).moves_horizon == 3600


def test_what_a_start_costs_is_known_only_where_it_was_measured() -> None:
    start = {"joules": "9.5k", "basis": "Measured", "source": "A test."}

    assert parse_model_profile(profile()).profile.start_energy is None
    assert parse_model_profile(profile(start=start)).profile.start_energy == Energy(9_500_000)
