"""Pods, nodes, services and profiles of a cluster become a world's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fakenpu.keys import PodKey, ServiceKey
from fakenpu.manifests import node_of
from fakenpu.mirror import NODES, PODS, PROFILES, SERVICES, Mirror
from fakenpu.pods import Runtime
from fakenpu.world import World

POINTS = [
    {"npuClass": "furiosa-rngd", "npus": 1, "perSecond": 100, "watts": 40},
    {"npuClass": "furiosa-rngd", "npus": 1, "perSecond": 50, "watts": 55, "env": {"BATCH": "8"}},
]


def node(name: str = "n", **labels: str) -> dict[str, Any]:
    found = labels or {"furiosa.ai/npu.product": "rngd"}
    return {
        "kind": "Node",
        "metadata": {"name": name, "labels": found},
        "status": {"capacity": {"cpu": "64", "furiosa.ai/rngd": "1"}},
    }


def pod(
    name: str = "p", *, ready: bool = True, env: str = "", node_name: str = "n"
) -> dict[str, Any]:
    container: dict[str, Any] = {"name": "main", "resources": {"limits": {"furiosa.ai/rngd": "1"}}}
    container["env"] = [{"name": "BATCH", "value": env}] if env else []
    return {
        "metadata": {
            "namespace": "team",
            "name": name,
            "labels": {"kwatt.dev/service": "s", "kwatt.dev/npu-class": "furiosa-rngd"},
        },
        "spec": {"nodeName": node_name, "containers": [container]},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": str(ready)}],
        },
    }


def service(model: str = "m") -> dict[str, Any]:
    spec = {"model": model, "counters": {"runtime": "VLLM"}}
    return {"metadata": {"namespace": "team", "name": "s"}, "spec": spec}


def profile() -> dict[str, Any]:
    return {
        "kind": "ModelProfile",
        "metadata": {"name": "m"},
        "spec": {"unit": "tokens", "points": POINTS},
    }


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def mirror(world: World) -> Mirror:
    mirror = Mirror(world)
    mirror.replace_all(NODES, [node()])
    mirror.replace_all(PROFILES, [profile()])
    mirror.replace_all(SERVICES, [service()])
    return mirror


def test_load_appears_where_a_replica_was_placed(world: World, mirror: Mirror) -> None:
    mirror.changed(PODS, pod(ready=False))
    waiting = world.milliwatts("n", 0)
    mirror.changed(PODS, pod())

    assert (waiting, world.milliwatts("n", 0)) == (38_670, 40_000)
    assert world.services[ServiceKey("team", "s")].runtime is Runtime.VLLM


def test_the_env_of_the_pod_tells_the_operating_point(world: World, mirror: Mirror) -> None:
    mirror.changed(PODS, pod(env="8"))

    assert world.milliwatts("n", 0) == 55_000


def test_it_does_not_matter_in_which_order_objects_come(world: World) -> None:
    mirror = Mirror(world)
    mirror.changed(PODS, pod())
    mirror.changed(SERVICES, service())
    mirror.changed(NODES, node())
    mirror.changed(PROFILES, profile())

    assert world.milliwatts("n", 0) == 40_000


def test_a_successor_waits_for_the_card_until_its_predecessor_is_gone(
    world: World, mirror: Mirror
) -> None:
    mirror.changed(PODS, pod("old"))
    mirror.changed(PODS, pod("new"))
    before = set(world.replicas)
    mirror.deleted(PODS, pod("old"))

    assert before == {PodKey("team", "old")}
    assert set(world.replicas) == {PodKey("team", "new")}


def test_a_list_takes_away_what_is_not_in_it_and_an_ended_pod_holds_nothing(
    world: World, mirror: Mirror
) -> None:
    mirror.changed(PODS, pod("old"))
    mirror.replace_all(PODS, [pod("new")])
    listed = set(world.replicas)
    ended = pod("new") | {"status": {"phase": "Failed"}}
    mirror.changed(PODS, ended)

    assert listed == {PodKey("team", "new")}
    assert not world.replicas


def test_pods_that_are_not_bound_or_hold_no_npu_are_nobodys(world: World, mirror: Mirror) -> None:
    plain = pod("plain")
    del plain["spec"]["containers"][0]["resources"]
    mirror.replace_all(PODS, [pod(node_name=""), plain])

    assert not world.replicas


def test_a_service_that_the_scenario_names_keeps_what_it_says(world: World) -> None:
    mirror = Mirror(world)
    mirror.changed(SERVICES, service())
    again = Mirror(world)

    again.changed(SERVICES, service("other"))

    assert world.services[ServiceKey("team", "s")].model == "m"


def test_a_runtime_that_was_set_stays_where_the_service_says_nothing(
    world: World, mirror: Mirror
) -> None:
    key = ServiceKey("team", "s")
    world.add_service(replace(world.services[key], runtime=Runtime.TRITON))
    silent = service() | {"spec": {"model": "m"}, "status": {"at": "now"}}
    mirror.changed(SERVICES, silent)

    assert world.services[key].runtime is Runtime.TRITON


def test_a_node_without_a_known_product_is_passed_over() -> None:
    assert node_of(node(**{"kubernetes.io/arch": "amd64"})) is None
