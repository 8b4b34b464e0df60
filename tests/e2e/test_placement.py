"""From apply to bound, on a real API server with the operator as a process of its own."""

from __future__ import annotations

import pytest

from e2e import worlds
from e2e.harness import Body, Operator, World, condition, eventually

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("operator")]


def container(pod: Body) -> Body:
    """Return the first container of a pod."""
    return dict(pod["spec"]["containers"][0])


def test_a_service_is_planned_released_bound_and_described(
    world: World, operator: Operator
) -> None:
    world.apply(worlds.npu_node("n1"), worlds.npu_node("n2", rack="a2"))
    world.apply(worlds.npu_class(), worlds.profile(), worlds.budget("rack-a1", 1000))

    world.apply(worlds.service("cam", world.team, 250))

    eventually(lambda: len(world.running()) == 3, what=operator.text())
    found = eventually(
        lambda: (s := world.service("cam")) and condition(s, "Ready").get("status") == "True" and s
    )
    assert found["status"]["summary"] == {
        "class": "one",
        "replicas": "3/3",
        "rate": "250/250",
        "watts": "180",
        "perJoule": "1.389",
    }
    assert found["status"]["planned"]["reservedWatts"] == "180"


def test_the_variant_of_a_class_and_the_environment_of_its_point_reach_the_pods(
    world: World,
) -> None:
    batch = worlds.point("two", 100, 60, env={"MAX_BATCH": "8"})
    world.apply(worlds.npu_node("n1", product="two"), worlds.npu_class("two"))
    world.apply(worlds.profile("model", batch))
    differs = {"name": "server", "args": ["--fast"], "env": [{"name": "KIND", "value": "two"}]}
    variant = {"npuClass": "two", "template": {"spec": {"containers": [differs]}}}
    template = worlds.pod_template()
    template["spec"]["containers"][0]["env"] = [{"name": "KIND", "value": "any"}]

    world.apply(worlds.service("cam", world.team, template=template, variants=[variant]))

    world.runs("cam", "n1")
    found = container(world.running("cam")[0])
    assert {one["name"]: one["value"] for one in found["env"]} == {"KIND": "two", "MAX_BATCH": "8"}
    assert (found["image"], found["args"]) == (worlds.IMAGE, ["--fast"])


def test_one_service_with_the_ports_of_the_template_leads_to_all_replicas(world: World) -> None:
    world.apply(worlds.npu_node("n1"), worlds.npu_class(), worlds.profile())

    world.apply(worlds.service("cam", world.team, 300))

    world.runs("cam", "n1", "n1", "n1")
    ports = world.kubectl.get("service", "cam", "-n", world.team)["spec"]["ports"]
    assert [(one["port"], one["protocol"]) for one in ports] == [(8000, "TCP")]
    wanted = {pod["status"]["podIP"] for pod in world.running("cam")}
    chosen = ("-n", world.team, "-l", "kubernetes.io/service-name=cam")
    eventually(lambda: _addresses(world.kubectl.items("endpointslices", *chosen)) == wanted)


def _addresses(slices: list[Body]) -> set[str]:
    ready = [e for one in slices for e in one["endpoints"] or () if e["conditions"]["ready"]]
    return {address for endpoint in ready for address in endpoint["addresses"]}


def test_a_service_of_that_name_that_is_not_kwatts_stays_as_it_is(world: World) -> None:
    world.apply(worlds.npu_node("n1"), worlds.npu_class(), worlds.profile())
    theirs = {"selector": {"app": "other"}, "ports": [{"port": 80}]}
    metadata = {"name": "cam", "namespace": world.team}
    world.apply({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": theirs})

    world.apply(worlds.service("cam", world.team))

    world.explains("cam", "Ready", "ApplyFailed", "is not KWatt's")
    found = world.kubectl.get("service", "cam", "-n", world.team)
    assert found["spec"]["selector"] == {"app": "other"}
    assert "ownerReferences" not in found["metadata"]
