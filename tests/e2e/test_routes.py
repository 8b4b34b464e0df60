"""A service that names a Gateway: one HTTPRoute with weights, kept as planned, gone when it is not wanted.

No Gateway controller runs here: what one would answer is written into the status by hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cluster.cluster import Cluster
from cluster.crds import http_routes_crd
from e2e import worlds
from e2e.harness import Kubectl, Operator, World, always, establish, eventually

pytestmark = pytest.mark.cluster
Body = dict[str, Any]
CRD = "httproutes.gateway.networking.k8s.io"
ROUTE = {"gateway": {"name": "public", "namespace": "infra"}, "hostnames": ["cam.example.com"]}


@pytest.fixture(scope="module")
def gateway_api(cluster: Cluster) -> Iterator[Kubectl]:
    """Lend a kubectl for a cluster with HTTPRoutes; other tests have none."""
    kubectl = Kubectl(cluster)
    install(kubectl)
    yield kubectl
    kubectl("delete", "crd", CRD)


def install(kubectl: Kubectl) -> None:
    """Install HTTPRoutes, once those of another test are gone."""
    eventually(lambda: "deletionTimestamp" not in kubectl.get("crd", CRD).get("metadata", {}))
    kubectl("apply", "--server-side", "-f", str(http_routes_crd()))
    establish(kubectl, CRD)


@pytest.fixture
def routed(world: World, gateway_api: Kubectl, stopped: Operator) -> World:
    """Lend a service of two replicas whose HTTPRoute is there."""
    stopped.start()
    world.apply(worlds.npu_node("n1"), worlds.npu_class(), worlds.profile())
    world.apply(worlds.budget("rack-a1", 230), worlds.service("cam", world.team, 200, route=ROUTE))
    world.runs("cam", "n1", "n1")
    eventually(lambda: weights(world) == {deployment(world): 1000})
    return world


def route(world: World) -> Body:
    """Return the HTTPRoute of the service, {} where there is none."""
    return world.kubectl.get(CRD, "cam", "-n", world.team)


def weights(world: World) -> dict[str, int]:
    """Return the weight of each backend."""
    rules = route(world).get("spec", {}).get("rules", [])
    return {ref["name"]: ref["weight"] for rule in rules for ref in rule["backendRefs"]}


def deployment(world: World) -> str:
    (only,) = world.deployments()
    return str(only["metadata"]["name"])


def services(world: World) -> set[str]:
    found = world.kubectl.items("services", "-n", world.team)
    return {one["metadata"]["name"] for one in found}


@pytest.mark.usefixtures("operator")
def test_without_the_gateway_api_a_service_runs_and_says_what_is_missing(world: World) -> None:
    world.apply(worlds.npu_node("n1"), worlds.npu_class(), worlds.profile())

    world.apply(worlds.service("cam", world.team, 200, route=ROUTE))

    world.runs("cam", "n1", "n1")
    words = "spec.route names Gateway infra/public, but this cluster serves no HTTPRoute"
    world.explains("cam", "Routed", "GatewayAPIMissing", words)
    eventually(lambda: world.says("cam", "Ready")[0] == "True")
    assert services(world) == {"cam"}


@pytest.mark.usefixtures("operator")
def test_an_api_that_is_installed_later_is_found_without_a_restart(
    world: World, gateway_api: Kubectl
) -> None:
    world.apply(worlds.npu_node("n1"), worlds.npu_class(), worlds.profile())
    world.apply(worlds.service("cam", world.team, 200, route=ROUTE))
    world.runs("cam", "n1", "n1")

    eventually(lambda: weights(world) == {deployment(world): 1000}, 90)

    eventually(lambda: world.says("cam", "Routed")[1] == "NotAnswered")


def test_the_route_is_what_was_asked_for(routed: World) -> None:
    spec = route(routed)["spec"]

    (parent,) = spec["parentRefs"]
    assert (parent["kind"], parent["name"], parent["namespace"]) == ("Gateway", "public", "infra")
    assert spec["hostnames"] == ["cam.example.com"]
    (rule,) = spec["rules"]
    assert [ref["port"] for ref in rule["backendRefs"]] == [8000]
    backends = routed.kubectl.get("endpoints", deployment(routed), "-n", routed.team)
    assert sum(len(subset["addresses"]) for subset in backends["subsets"]) == 2
    (owner,) = route(routed)["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"]) == ("InferenceService", "cam")


def test_nothing_is_written_while_nothing_changes(routed: World, stopped: Operator) -> None:
    eventually(lambda: routed.says("cam", "Ready")[0] == "True")
    eventually(lambda: (before := stopped.writes()) and quiet(stopped, before))


def quiet(operator: Operator, writes: int) -> bool:
    """Tell whether no write is made for a while."""
    always(lambda: operator.writes() == writes, 4.0, "a write without a change")
    return True


def test_what_is_edited_by_hand_is_put_back(routed: World) -> None:
    backend = deployment(routed)
    ref = {"name": "cam", "port": 8000, "weight": 1}
    edits: list[Body] = [
        {"spec": {"rules": [{"backendRefs": [ref]}]}},
        {"spec": {"hostnames": ["other.example.com"]}},
        {"spec": {"parentRefs": [{"name": "private"}]}},
    ]
    wanted = route(routed)["spec"]
    for edit in edits:
        routed.patch(CRD, "cam", edit)
        eventually(lambda: route(routed)["spec"] == wanted)

    routed.delete(CRD, "cam")
    eventually(lambda: weights(routed) == {backend: 1000})
    routed.delete("service", backend)
    eventually(lambda: backend in services(routed))


def test_a_route_that_is_not_wanted_any_more_is_removed_and_no_pod_restarts(routed: World) -> None:
    before = {pod["metadata"]["uid"] for pod in routed.pods()}

    routed.patch("kis", "cam", {"spec": {"route": None}})

    eventually(lambda: not route(routed))
    eventually(lambda: services(routed) == {"cam"})
    assert {pod["metadata"]["uid"] for pod in routed.pods()} == before
    assert routed.says("cam", "Routed") == ("", "", "")


def test_another_variant_takes_over_the_route_and_the_service_of_the_former_goes(
    routed: World,
) -> None:
    former = deployment(routed)
    routed.apply(worlds.npu_node("n2", product="two"), worlds.npu_class("two"))
    routed.apply(worlds.profile("model", worlds.point("one"), worlds.point("two")))

    routed.apply(worlds.service("cam", routed.team, 200, route=ROUTE, npuClasses=["two"]))

    routed.runs("cam", "n2", "n2")
    eventually(lambda: len(routed.deployments()) == 1)
    assert deployment(routed) != former
    eventually(lambda: weights(routed) == {deployment(routed): 1000})
    eventually(lambda: services(routed) == {"cam", deployment(routed)})


def test_the_answer_of_the_gateway_is_told(routed: World) -> None:
    answer(routed, "False", "NotAllowedByListeners", "no listener admits this namespace")
    words = "Gateway infra/public does not carry HTTPRoute cam: NotAllowedByListeners: no listener"
    routed.explains("cam", "Routed", "NotAccepted", words)

    answer(routed, "True", "Accepted", "Route is accepted")

    eventually(lambda: routed.says("cam", "Routed")[:2] == ("True", "Accepted"))
    assert f"of 1000 requests 1000 to {deployment(routed)}" in routed.says("cam", "Routed")[2]


def answer(world: World, status: str, reason: str, message: str) -> None:
    """Write what a Gateway controller would say of the route."""
    condition = {"type": "Accepted", "status": status, "reason": reason, "message": message}
    condition |= {"lastTransitionTime": "2026-11-22T00:00:00Z"}
    (parent,) = route(world)["spec"]["parentRefs"]
    said = {"parentRef": parent, "controllerName": "example.com/test", "conditions": [condition]}
    world.patch(CRD, "cam", {"status": {"parents": [said]}}, "--subresource=status")


def test_a_route_of_somebody_else_is_not_taken_over(
    world: World, gateway_api: Kubectl, stopped: Operator
) -> None:
    stopped.start()
    world.apply(
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": {"name": "cam", "namespace": world.team},
            "spec": {"parentRefs": [{"name": "private"}]},
        }
    )
    world.apply(worlds.npu_node("n1"), worlds.npu_class(), worlds.profile())

    world.apply(worlds.service("cam", world.team, 100, route=ROUTE))

    world.runs("cam", "n1")
    world.explains("cam", "Ready", "ApplyFailed", "a HTTPRoute named cam exists already")
    assert route(world)["spec"]["parentRefs"][0]["name"] == "private"


def test_a_service_that_is_deleted_takes_its_route_along(routed: World, stopped: Operator) -> None:
    stopped.stop()

    routed.delete("kis", "cam")

    eventually(lambda: not route(routed) and services(routed) == set(), 90)


def test_a_service_mixes_classes_where_its_route_carries_weights(
    world: World, gateway_api: Kubectl, stopped: Operator
) -> None:
    stopped.start()
    nodes = worlds.npu_node("n1", npus=3), worlds.npu_node("n2", npus=1, product="two")
    world.apply(*nodes, worlds.npu_class("one"), worlds.npu_class("two"))
    world.apply(worlds.profile("model", worlds.point("one"), worlds.point("two")))

    world.apply(worlds.service("cam", world.team, 400, route=ROUTE))

    world.runs("cam", "n1", "n1", "n1", "n2", seconds=15)
    eventually(lambda: sorted(weights(world).values()) == [250, 750])
