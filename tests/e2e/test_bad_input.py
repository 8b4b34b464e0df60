"""Bad input gets a clear sentence on its own object, and nobody else notices."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from e2e import worlds
from e2e.harness import REPO, Body, Kubectl, Operator, World, eventually, said

pytestmark = pytest.mark.cluster
SERVER = "server"


def _with(**container: Any) -> Body:
    template = worlds.pod_template()
    template["spec"]["containers"][0].update(container)
    return template


TEMPLATES = {
    "no-containers": ({"spec": {"containers": []}}, "spec.template.spec.containers: is empty"),
    "own-node": (
        worlds.pod_template(nodeName="n1"),
        "spec.template.spec.nodeName: must not be set",
    ),
    "own-gate": (
        worlds.pod_template(schedulingGates=[{"name": "mine"}]),
        "spec.template.spec.schedulingGates: must not be set",
    ),
    "own-watts": (
        _with(resources={"requests": {"kwatt.dev/watts": "1"}, "limits": {"kwatt.dev/watts": "1"}}),
        "container 'server' asks for kwatt.dev/watts; remove it",
    ),
    "own-npus": (
        _with(resources={"limits": {worlds.RESOURCE: "1"}}),
        f"container 'server' in spec.template asks for {worlds.RESOURCE}; remove it",
    ),
    "bad-image": (
        worlds.pod_template(""),
        "spec.template.spec.containers[0].image: Required value",
    ),
    "bad-port": (_with(ports=[{"containerPort": 70000}]), "must be between 1 and 65535"),
    "unknown-field": (worlds.pod_template(containerz=1), "field not declared in schema"),
    "large": (_with(env=[{"name": "A", "value": "x" * 900_000}]), "the limit is 256 KiB"),
}


@pytest.mark.usefixtures("operator")
def test_a_bad_template_makes_no_deployment_and_affects_no_other(world: World) -> None:
    world.apply(worlds.npu_node("n1"), worlds.npu_class(), worlds.profile())
    bad = [worlds.service(name, world.team, 100, one) for name, (one, _) in TEMPLATES.items()]

    world.apply(*bad, worlds.service("good", world.team))

    world.runs("good", "n1")
    for name, (_, sentence) in TEMPLATES.items():
        world.explains(name, "Accepted", "InvalidSpec", sentence)
    owners = {one["metadata"]["labels"]["kwatt.dev/service"] for one in world.deployments()}
    assert owners == {"good"}
    world.apply(worlds.service("bad-image", world.team))
    world.runs("bad-image", "n1")


@pytest.mark.usefixtures("operator")
def test_what_the_api_server_refuses_in_pods_only_is_told_in_its_own_words(world: World) -> None:
    world.apply(worlds.npu_node("n1"), worlds.npu_class(), worlds.profile())

    world.apply(worlds.service("cam", world.team, 100, worlds.pod_template(" a b")))

    words = 'Invalid value: " a b": must not have leading or trailing whitespace'
    world.explains("cam", "Ready", "ApplyFailed", words)


@pytest.mark.usefixtures("operator")
def test_names_that_lead_nowhere_are_named(world: World) -> None:
    points = (worlds.point("one"), worlds.point("ghost"))
    world.apply(worlds.npu_node("n1"), worlds.npu_class(), worlds.profile("model", *points))

    for name, spec in {
        "model": {"model": "ghost"},
        "class": {"npuClasses": ["ghost"]},
        "priority": {"priorityClassName": "ghost"},
        "good": {},
    }.items():
        world.apply(worlds.service(name, world.team, **spec))

    world.runs("good", "n1")
    world.explains("model", "Accepted", "InvalidSpec", "ModelProfile 'ghost' does not exist")
    world.explains("priority", "Accepted", "InvalidSpec", "PriorityClass 'ghost' does not exist")
    world.explains("class", "Placed", "NoMatchingProfile", "ghost does not exist")
    told = world.says("class", "Accepted")
    assert told[:2] == ("True", "PartlyUsable")
    assert "spec.npuClasses names ghost, which no NPUClass is called" in told[2]
    told = said(world.kubectl.get("modelprofile", "model"), "Accepted")
    assert told[:2] == ("True", "PartlyUsable")
    assert "ghost" in told[2]


@pytest.mark.usefixtures("operator")
def test_a_node_that_two_classes_match_is_used_for_neither(world: World) -> None:
    world.apply(worlds.npu_node("n1"), worlds.npu_node("n2", labels={"also": "two"}))
    also = worlds.npu_class("two", nodeSelector={"matchLabels": {"also": "two"}})
    world.apply(worlds.npu_class(), also, worlds.profile())

    world.apply(worlds.service("cam", world.team, 500))

    world.runs("cam", *["n1"] * 4)
    told = said(world.kubectl.get("npuclass", "two"), "Conflict")
    assert told[:2] == ("True", "NodesMatchedTwice")
    assert "n2: one, two" in told[2]
    world.explains("cam", "Placed", "InsufficientNPUs", "needs 5 NPUs of one, 4 are free")


@pytest.mark.usefixtures("operator")
def test_with_a_time_zone_that_does_not_exist_the_least_cap_of_a_budget_holds(
    world: World,
) -> None:
    world.apply(worlds.npu_node("n1"), worlds.npu_class(), worlds.profile())
    lost = {
        "name": "lost",
        "timeZone": "Asia/Atlantis",
        "from": "01:00",
        "to": "02:00",
        "watts": 90,
    }
    world.apply(worlds.budget("rack-a1", 1000, windows=[lost]))

    world.apply(worlds.service("cam", world.team, 300))

    world.runs("cam", "n1")
    world.counts("rack-a1", capWatts="90")
    told = [one for one in world.budget("rack-a1")["conditions"] if one["type"] == "Accepted"]
    assert told[0]["status"] == "False"
    assert "there is no time zone 'Asia/Atlantis'" in told[0]["message"]


@pytest.mark.usefixtures("operator")
def test_services_that_come_and_go_within_a_cycle_leave_nothing_behind(
    world: World, operator: Operator
) -> None:
    world.apply(worlds.npu_node("n1", npus=16), worlds.npu_class(), worlds.profile())
    world.apply(worlds.budget("rack-a1", 1000))
    hasty = [f"hasty-{number}" for number in range(8)]
    before = len(operator.text())

    world.apply(*[worlds.service(name, world.team) for name in hasty])
    world.delete("inferenceservices.kwatt.dev", *hasty[:4])
    world.apply(worlds.service("good", world.team))
    world.delete("inferenceservices.kwatt.dev", *hasty[4:])

    world.runs("good", "n1")
    eventually(lambda: len(world.deployments()) == len(world.pods()) == 1)
    world.counts("rack-a1", reservedWatts="60")
    assert "cycle failed" not in operator.text()[before:]


@pytest.fixture
def lax(kubectl: Kubectl) -> Iterator[None]:
    """Serve the kinds without any validation, as an older release might have; mended afterwards."""
    strict = [yaml.safe_load(path.read_text()) for path in sorted((REPO / "crds").glob("*.yaml"))]
    kubectl.apply(*[_without_validation(one) for one in strict])
    yield
    kubectl.apply(*strict)


def _without_validation(crd: Body) -> Body:
    crd = copy.deepcopy(crd)
    for version in crd["spec"]["versions"]:
        schema = version["schema"]["openAPIV3Schema"]
        schema.pop("x-kubernetes-validations", None)
        schema["properties"]["spec"] = {
            "type": "object",
            "x-kubernetes-preserve-unknown-fields": True,
        }
    return crd


def _stored_before(world: World) -> list[Body]:
    throughput = {"perSecond": "lots"}
    rate = worlds.service("odd", world.team)
    rate["spec"] = {"model": "model", "throughput": throughput}
    budget = worlds.budget("odd", 1) | {"spec": {"watts": "many"}}
    odd_class = worlds.npu_class("odd", watts={"idle": -1, "max": "NaN"})
    points = worlds.profile("odd")
    points["spec"]["points"] = 7
    return [rate, budget, odd_class, points]


@pytest.mark.usefixtures("lax")
def test_what_was_stored_before_a_stricter_schema_is_set_aside(
    world: World, stopped: Operator
) -> None:
    odd = _stored_before(world)
    eventually(lambda: world.apply(*odd) or True, 20)  # the laxer schema takes a moment
    for path in sorted((REPO / "crds").glob("*.yaml")):
        world.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(path))
    stopped.start()

    world.apply(worlds.npu_node("n1"), worlds.npu_class(), worlds.profile())
    world.apply(worlds.budget("rack-a1", 90), worlds.service("good", world.team, 200))

    world.runs("good", "n1")
    world.explains("good", "Placed", "PowerBudgetExceeded")
    for kind in ("inferenceservice.kwatt.dev", "powerbudget", "npuclass"):
        eventually(lambda kind=kind: "InvalidSpec" in _conditions(world, kind), 20, kind)
    chosen = "involvedObject.kind=ModelProfile,involvedObject.name=odd"  # no status fits on it
    events = world.kubectl.items("events", "-A", "--field-selector", chosen)
    assert "spec.points" in events[0]["message"]


def _conditions(world: World, kind: str) -> str:
    where = ("-n", world.team) if kind.startswith("inference") else ()
    return str(world.kubectl.get(kind, "odd", *where).get("status", {}).get("conditions"))
