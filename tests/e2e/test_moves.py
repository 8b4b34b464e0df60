"""Running replicas move where it pays: their successors first where there is room, otherwise by eviction."""

from __future__ import annotations

from typing import Any

import pytest

from e2e import worlds
from e2e.harness import Operator, World, always, condition, eventually, operator_running

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("operator")]
MOVES = {"moves": {"horizonSeconds": 3600}}


def apart(world: World) -> None:
    """Let `cam` and `bus` run with one replica each on nodes of their own, each with room for both."""
    world.apply(worlds.npu_node("n1", npus=2), worlds.npu_class(), worlds.profile())
    world.apply(worlds.budget("rack-a1", 1000, emptyNodes="PoweredOff"))
    world.apply(worlds.service("cam", world.team, 200))
    world.runs("cam", "n1", "n1")
    world.apply(worlds.npu_node("n2", npus=4), worlds.service("bus", world.team, 100))
    world.runs("bus", "n2")
    world.apply(worlds.service("cam", world.team, 100))
    world.runs("cam", "n1")


def uid_of(world: World, service: str) -> str:
    """Return the uid of the only pod of a service."""
    (pod,) = world.pods(service)
    uid: str = pod["metadata"]["uid"]
    return uid


def events_of(world: World, service: str) -> list[str]:
    """Return what the Events of the reason Moving say about a service."""
    events: list[dict[str, Any]] = world.kubectl.items("events", "-n", world.team)
    return [
        event["message"]
        for event in events
        if event["reason"] == "Moving" and event["involvedObject"]["name"] == service
    ]


def test_a_successor_starts_before_the_replica_goes_and_a_node_is_left_empty(world: World) -> None:
    apart(world)
    world.apply(worlds.disruption_budget("bus", world.team, 1))  # no eviction of its only pod
    before = uid_of(world, "bus")
    always(lambda: world.where("bus") == ["n2"], 1.0, "off by default")
    running: list[int] = []

    world.patch("powerbudget", "rack-a1", {"spec": MOVES})

    def moved() -> bool:
        running.append(len(world.running("bus")))
        return world.where("bus") == ["n1"]

    eventually(moved)
    assert min(running) >= 1
    assert uid_of(world, "bus") != before
    world.counts("rack-a1", idleWatts="0", reservedWatts="120")
    words = "leaves node n2 empty: 40 W saved over 3600 s are 144000 J, 1 start cost 3600 J"
    assert eventually(lambda: events_of(world, "bus")) == [words]
    assert events_of(world, "cam") == []


def test_without_room_for_two_a_disruption_budget_holds_the_replica_and_then_it_is_evicted(
    world: World,
) -> None:
    apart(world)
    world.apply(worlds.disruption_budget("bus", world.team, 1))
    before = uid_of(world, "bus")

    # Two replicas on two nodes are 160 W; a third one beside them would be 210 W.
    world.patch("powerbudget", "rack-a1", {"spec": {"watts": 200, **MOVES}})
    eventually(lambda: events_of(world, "bus"))
    always(lambda: uid_of(world, "bus") == before, 2.0, "its PodDisruptionBudget holds")
    assert condition(world.service("bus"), "Ready")["status"] == "True"
    world.delete("poddisruptionbudget", "bus")

    world.runs("bus", "n1")
    world.counts("rack-a1", idleWatts="0", reservedWatts="120")


def test_a_service_takes_the_class_on_which_it_draws_less(world: World) -> None:
    world.apply(worlds.npu_node("n1"), worlds.npu_node("n2", product="two"))
    world.apply(worlds.npu_class("one"), worlds.npu_class("two"))
    world.apply(worlds.profile("model", worlds.point("one", watts=60)))
    world.apply(worlds.budget("rack-a1", 1000, **MOVES), worlds.service("cam", world.team, 300))
    world.runs("cam", "n1", "n1", "n1")
    world.apply(worlds.disruption_budget("cam", world.team, 3))  # no eviction of any
    running: list[int] = []

    world.apply(worlds.profile("model", worlds.point("one"), worlds.point("two", watts=30)))

    def moved() -> bool:
        running.append(len(world.running("cam")))
        return world.where("cam") == ["n2", "n2", "n2"]

    eventually(moved)
    assert min(running) >= 3
    eventually(lambda: len(world.deployments()) == 1)
    words = "draws less elsewhere: 90 W saved over 3600 s are 324000 J, 3 starts cost 5400 J"
    assert eventually(lambda: events_of(world, "cam")) == [words]


def test_a_saving_within_the_margin_moves_nothing(world: World) -> None:
    world.apply(worlds.npu_node("n1"), worlds.npu_node("n2", product="two"))
    world.apply(worlds.npu_class("one"), worlds.npu_class("two"))
    world.apply(worlds.profile("model", worlds.point("one", watts=60)))
    world.apply(worlds.budget("rack-a1", 1000, **MOVES), worlds.service("cam", world.team, 100))
    world.runs("cam", "n1")
    before = uid_of(world, "cam")

    # Of 60 W and 10 W of an idle NPU before, 3.5 W are the margin.
    world.apply(worlds.profile("model", worlds.point("one"), worlds.point("two", watts=57)))

    always(lambda: uid_of(world, "cam") == before, 2.0)


def test_another_class_without_room_beside_is_taken_one_replica_at_a_time(world: World) -> None:
    world.apply(worlds.npu_node("n1"), worlds.npu_node("n2", product="two"))
    world.apply(worlds.npu_class("one"), worlds.npu_class("two"))
    world.apply(worlds.profile("model", worlds.point("one", watts=60)))
    # 60 W idle and 2 x 60 W; no third replica fits beside, 40 W above idle on the other class.
    world.apply(worlds.budget("rack-a1", 200, **MOVES), worlds.service("cam", world.team, 200))
    world.runs("cam", "n1", "n1")
    world.apply(worlds.disruption_budget("cam", world.team, 1))
    running: list[int] = []

    world.apply(worlds.profile("model", worlds.point("one"), worlds.point("two", watts=50)))

    def moved() -> bool:
        running.append(len(world.running("cam")))
        return world.where("cam") == ["n2", "n2"]

    eventually(moved)
    assert min(running) >= 1
    eventually(lambda: len(world.deployments()) == 1)
    world.counts("rack-a1", reservedWatts="100", idleWatts="60")


@pytest.mark.local("starts an operator with another setting; the chart's tests cover that value")
def test_the_operators_setting_serves_nodes_without_a_say_of_their_own(
    world: World, stopped: Operator
) -> None:
    world.apply(worlds.npu_node("n1"), worlds.npu_node("n2", product="two"))
    world.apply(worlds.npu_class("one"), worlds.npu_class("two"))
    world.apply(worlds.profile("model", worlds.point("one", watts=60)))
    world.apply(worlds.service("cam", world.team, 100))

    with operator_running(world.kubectl.cluster, "--moves-horizon", "3600"):
        world.runs("cam", "n1")
        world.apply(worlds.profile("model", worlds.point("one"), worlds.point("two", watts=30)))

        world.runs("cam", "n2")
