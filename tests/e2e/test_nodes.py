"""What happens to nodes, and to the replicas on them."""

from __future__ import annotations

import pytest

from e2e import worlds
from e2e.harness import Body, World, always

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("operator")]
HOSTNAME = "kubernetes.io/hostname"


def test_replicas_of_a_lost_node_come_back_elsewhere(world: World) -> None:
    world.apply(worlds.npu_node("n1"), worlds.npu_class(), worlds.profile())
    world.apply(worlds.budget("rack-a1", 280), worlds.service("cam", world.team, 300))
    world.runs("cam", "n1", "n1", "n1")
    world.apply(worlds.npu_node("n2"))

    world.delete("node", "n1")

    world.runs("cam", "n2", "n2", "n2")


def test_on_a_cordoned_or_relabelled_node_what_runs_stays_and_new_ones_go_elsewhere(
    world: World,
) -> None:
    world.apply(worlds.npu_node("n1"), worlds.npu_class(), worlds.profile())
    world.apply(worlds.service("cam", world.team, 200))
    world.runs("cam", "n1", "n1")
    before = {pod["metadata"]["uid"] for pod in world.pods()}
    world.apply(worlds.npu_node("n2"))

    world.kubectl("cordon", "n1")
    world.apply(worlds.service("cam", world.team, 300))
    world.runs("cam", "n1", "n1", "n2")
    world.kubectl("label", "node", "n1", f"{worlds.CLASS_LABEL}-")
    world.apply(worlds.service("cam", world.team, 400))

    world.runs("cam", "n1", "n1", "n2", "n2")
    assert before <= {pod["metadata"]["uid"] for pod in world.pods()}


def test_a_node_that_evicts_by_taint_loses_its_replicas_to_another(world: World) -> None:
    world.apply(worlds.npu_node("n1"), worlds.npu_class(), worlds.profile())
    world.apply(worlds.budget("rack-a1", 180), worlds.service("cam", world.team, 200))
    world.runs("cam", "n1", "n1")
    world.apply(worlds.npu_node("n2"))

    world.kubectl("taint", "node", "n1", "example.com/broken=true:NoExecute")

    world.runs("cam", "n2", "n2")


def _hostname(node: Body, value: str | None) -> Body:
    labels = {k: v for k, v in node["metadata"]["labels"].items() if k != HOSTNAME}
    labels |= {HOSTNAME: value} if value else {}
    return {**node, "metadata": {**node["metadata"], "labels": labels}}


def test_nodes_without_a_host_name_of_their_own_are_pinned_by_their_name(world: World) -> None:
    names = {"n1": None, "n2": "same", "n3": "same"}
    nodes = [_hostname(worlds.npu_node(name, npus=1), host) for name, host in names.items()]
    world.apply(*nodes, worlds.npu_class(), worlds.profile(), worlds.budget("rack-a1", 180))

    world.apply(worlds.service("cam", world.team, 300))

    world.runs("cam", "n1", "n2", "n3")
    always(lambda: len(world.pods()) == 3, 1.0)
