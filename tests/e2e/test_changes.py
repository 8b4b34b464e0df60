"""What a team or an administrator changes about what runs; every cap is watched throughout."""

from __future__ import annotations

import pytest

from e2e import worlds
from e2e.harness import World, eventually

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("operator")]
FULL = {1: 90, 3: 190}  # watts of a node with 4 NPUs and so many replicas, nothing left


def images(world: World) -> list[str]:
    """Return the images of the running pods."""
    return sorted(pod["spec"]["containers"][0]["image"] for pod in world.running())


@pytest.mark.parametrize("replicas", [1, 3])
def test_a_new_template_rolls_out_under_a_cap_without_headroom(world: World, replicas: int) -> None:
    world.apply(worlds.npu_node("n1"), worlds.npu_class(), worlds.profile())
    world.apply(worlds.budget("rack-a1", FULL[replicas]))
    world.apply(worlds.service("cam", world.team, 100 * replicas))
    world.runs("cam", *["n1"] * replicas)

    newer = worlds.pod_template("registry.k8s.io/pause:3.9")
    world.apply(worlds.service("cam", world.team, 100 * replicas, newer))

    eventually(lambda: images(world) == ["registry.k8s.io/pause:3.9"] * replicas)
    world.runs("cam", *["n1"] * replicas)


def test_a_service_moves_to_the_class_that_it_is_allowed_now(world: World) -> None:
    world.apply(worlds.npu_node("n1"), worlds.npu_node("n2", product="two"))
    world.apply(worlds.npu_class("one"), worlds.npu_class("two"), worlds.budget("rack-a1", 230))
    world.apply(worlds.profile("model", worlds.point("one"), worlds.point("two")))
    world.apply(worlds.service("cam", world.team, 300, npuClasses=["one"]))
    world.runs("cam", "n1", "n1", "n1")

    world.apply(worlds.service("cam", world.team, 300, npuClasses=["two"]))

    world.runs("cam", "n2", "n2", "n2")
    eventually(lambda: len(world.deployments()) == 1)
    eventually(lambda: world.service("cam")["status"]["summary"]["class"] == "two")


def test_scaling_down_takes_the_replica_that_the_plan_names(world: World) -> None:
    world.apply(worlds.npu_node("n1"), worlds.npu_node("n2"))
    world.apply(worlds.npu_class(), worlds.profile())
    world.apply(worlds.budget("rack-a1", 1000, emptyNodes="PoweredOff"))
    world.apply(worlds.service("cam", world.team, 100))
    first = eventually(lambda: world.where("cam"))[0]
    other = {"n1": "n2", "n2": "n1"}[first]
    world.apply(worlds.service("cam", world.team, 500))
    world.runs("cam", *[first] * 4, other)

    # By itself a ReplicaSet loses a replica of the node that has most of them.
    world.apply(worlds.service("cam", world.team, 400))

    world.runs("cam", *[first] * 4)
    world.counts("rack-a1", idleWatts="0")


def test_more_watts_in_a_profile_replace_the_pods_and_caps_hold(world: World) -> None:
    world.apply(worlds.npu_node("n1"), worlds.npu_class(most=100), worlds.profile())
    world.apply(worlds.budget("rack-a1", 220), worlds.service("cam", world.team, 300))
    world.runs("cam", "n1", "n1", "n1")

    world.apply(worlds.profile("model", worlds.point(watts=100)))

    world.runs("cam", "n1", "n1")
    eventually(lambda: [worlds.watts_of(pod) for pod in world.pods()] == [90, 90])
    words = "serves 200 of 300 per second; rack-a1 has 180 W left, the service needs 270 W"
    world.explains("cam", "Placed", "PowerBudgetExceeded", words)
    eventually(lambda: world.exceeded("rack-a1")[0] == "False")


def test_without_its_class_a_service_keeps_what_it_has_and_gets_nothing_new(world: World) -> None:
    world.apply(worlds.npu_node("n1"), worlds.npu_class(), worlds.profile())
    world.apply(worlds.service("cam", world.team, 200))
    world.runs("cam", "n1", "n1")
    before = {pod["metadata"]["uid"] for pod in world.pods()}

    world.delete("npuclass", "one")
    world.explains("cam", "Placed", "Held", "no NPUClass that it may use is there")
    world.apply(worlds.service("cam", world.team, 300), worlds.service("new", world.team, 100))
    eventually(lambda: world.says("new", "Placed")[0] == "False")

    assert {pod["metadata"]["uid"] for pod in world.pods()} == before
    world.apply(worlds.npu_class())
    world.runs("cam", "n1", "n1", "n1")
    assert before <= {pod["metadata"]["uid"] for pod in world.pods()}
    world.runs("new", "n1")


def test_a_quota_in_watts_limits_a_namespace(world: World) -> None:
    world.apply(worlds.npu_node("n1"), worlds.npu_class(), worlds.profile())
    world.apply(worlds.quota(world.team, 120))

    world.apply(worlds.service("cam", world.team, 300))

    world.runs("cam", "n1", "n1")
    world.explains("cam", "Placed", "QuotaExceeded", "ResourceQuota watts has 120 W")
    world.apply(worlds.quota(world.team, 150))
    world.runs("cam", "n1", "n1", "n1")
