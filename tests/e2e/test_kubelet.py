"""What only a real kubelet can show: devices that are counted, allocated and lost, and pods that start."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from cluster.cluster import Cluster
from e2e import worlds
from e2e.deployed import NAMESPACE, Deployed
from e2e.harness import World, eventually
from kind import ground
from kind.kubelet import (
    CLASS,
    CLOSED_PORT,
    DEVICES,
    PORT,
    RESOURCE,
    RealNode,
    identities,
    template,
)

pytestmark = [pytest.mark.cluster, pytest.mark.kubelet("needs a real kubelet: make e2e-kind")]
CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 3)"


@pytest.fixture
def node(cluster: Cluster, world: World, operator: Deployed) -> Iterator[RealNode]:
    """Lend the real node with four NPUs of a class, a model measured on it, and a budget over it."""
    real = RealNode(cluster)
    real.join()
    world.apply(worlds.npu_class(CLASS, resourceName=RESOURCE))
    world.apply(worlds.profile("model", worlds.point(CLASS)))
    world.apply(worlds.budget("rack-real", 1000, {worlds.RACK: CLASS}))
    yield real
    real.leave()


@pytest.fixture
def serving(node: RealNode, world: World) -> World:
    """Lend a service with two replicas that run on the real node and answer."""
    world.apply(worlds.service("cam", world.team, 200, template()))
    world.runs("cam", node.name, node.name)
    return world


def test_the_node_offers_the_devices_of_three_vendors(node: RealNode) -> None:
    offered = {name: int(node.allocatable()[name]) for name in ground.RESOURCES}

    assert offered == ground.RESOURCES


def test_replicas_start_on_devices_of_their_own_and_the_service_answers(
    node: RealNode, serving: World
) -> None:
    eventually(lambda: serving.says("cam", "Ready")[0] == "True", 30)
    (placement,) = serving.service("cam")["status"]["placements"]
    assert (placement["npuClass"], placement["readyReplicas"]) == (CLASS, 2)
    serving.counts("rack-real", reservedWatts="120", idleWatts="20")

    held = [one for pod in serving.running("cam") for one in node.devices_of(pod)]
    assert len(set(held)) == 2
    assert set(held) <= set(DEVICES)
    path = f"/api/v1/namespaces/{serving.team}/services/cam:{PORT}/proxy/"
    assert "plugin/" in serving.kubectl("get", "--raw", path)


def test_with_broken_devices_what_runs_stays_and_what_is_missing_is_told_until_they_are_mended(
    node: RealNode, serving: World
) -> None:
    held = {one for pod in serving.running("cam") for one in node.devices_of(pod)}
    before = identities(serving.running("cam"))
    node.mark("Unhealthy", *(set(DEVICES) - held))
    node.counts(2)

    serving.apply(worlds.service("bus", serving.team, 100, template()))

    serving.explains("bus", "Placed", "InsufficientNPUs")
    assert identities(serving.running("cam")) == before
    node.mark("Healthy", *DEVICES)
    serving.runs("bus", node.name)


def test_a_service_whose_devices_all_broke_says_so_and_moves_where_there_are_others(
    node: RealNode, serving: World
) -> None:
    node.mark("Unhealthy", *DEVICES)
    node.counts(0)
    serving.explains("cam", "Placed", "InsufficientNPUs")

    labels = {worlds.RACK: CLASS}
    serving.apply(worlds.npu_node("n1", product=CLASS, resource=RESOURCE, labels=labels))

    serving.runs("cam", "n1", "n1")


def test_after_a_restart_of_the_kubelet_replicas_devices_and_watts_are_as_before(
    node: RealNode, serving: World
) -> None:
    before = identities(serving.running("cam"))
    watts = node.allocatable()["kwatt.dev/watts"]

    node.kill_kubelet()

    node.counts(4)
    eventually(lambda: node.allocatable().get("kwatt.dev/watts") == watts, 30)
    assert identities(serving.running("cam")) == before
    serving.apply(worlds.service("cam", serving.team, 300, template()))
    serving.runs("cam", node.name, node.name, node.name)
    assert before < identities(serving.running("cam"))


def test_helm_uninstall_leaves_services_and_pods_and_the_next_install_finds_them(
    node: RealNode, serving: World, cluster: Cluster
) -> None:
    before = identities(serving.running("cam"))
    try:
        ground.helm(cluster, "uninstall", "kwatt", "-n", NAMESPACE, "--wait")
        assert not serving.kubectl.get("deployment", "kwatt", "-n", NAMESPACE)
        assert identities(serving.running("cam")) == before
        assert serving.service("cam")
        serving.apply(worlds.service("cam", serving.team, 300, template()))
    finally:
        ground.install_chart(cluster)

    serving.runs("cam", node.name, node.name, node.name)
    assert before < identities(serving.running("cam"))


def test_beside_many_simulated_nodes_every_service_gets_its_place(
    node: RealNode, serving: World
) -> None:
    names = [f"n{number}" for number in range(30)]
    serving.apply(worlds.npu_class(), worlds.named(worlds.profile(), "simulated"))
    serving.apply(*(worlds.npu_node(name, npus=2) for name in names))
    simulated = [
        worlds.service(f"s{number}", serving.team, 200, model="simulated") for number in range(30)
    ]

    serving.apply(*simulated)

    eventually(lambda: len(serving.running()) == 62, 90)
    assert serving.where("cam") == [node.name, node.name]
    assert sorted(set(serving.where())) == sorted([*names, node.name])


@pytest.mark.skipif(
    os.environ.get("KWATT_E2E_NETWORK_POLICY") != "enforced",
    reason="the network of this cluster does not enforce NetworkPolicy (KWATT_E2E_NETWORK_POLICY)",
)
def test_the_operator_reaches_ports_of_exporters_and_no_other(serving: World) -> None:
    address = serving.running("cam")[0]["status"]["podIP"]
    reach = ("exec", "-n", NAMESPACE, "deploy/kwatt", "--", "python3", "-c", CONNECT, address)

    serving.kubectl(*reach, str(PORT))

    with pytest.raises(AssertionError, match=r"TimeoutError|timed out"):
        serving.kubectl(*reach, str(CLOSED_PORT))
