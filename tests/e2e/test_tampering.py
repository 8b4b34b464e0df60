"""What users change by hand is put back; no cap is exceeded meanwhile."""

from __future__ import annotations

import json

import pytest

from e2e import worlds
from e2e.harness import Operator, World, always, eventually

pytestmark = pytest.mark.cluster


@pytest.fixture
def full(world: World, operator: Operator) -> World:
    """Lend a rack with two replicas at its cap, and NPUs free."""
    world.apply(worlds.npu_node("n1"), worlds.npu_class(), worlds.profile())
    world.apply(worlds.budget("rack-a1", 140), worlds.service("cam", world.team, 200))
    world.runs("cam", "n1", "n1")
    return world


def test_replicas_template_and_pods_of_a_deployment_are_put_back(full: World) -> None:
    name = full.deployments()[0]["metadata"]["name"]

    full.kubectl("scale", "deployment", name, "--replicas=4", "-n", full.team)
    eventually(lambda: full.deployments()[0]["spec"]["replicas"] == 2)
    full.kubectl("set", "image", f"deployment/{name}", "server=other:1", "-n", full.team)
    eventually(lambda: _image(full) == worlds.IMAGE)
    full.runs("cam", "n1", "n1")
    full.delete("pod", full.pods()[0]["metadata"]["name"])

    full.runs("cam", "n1", "n1")
    full.delete("deployment", name)
    full.runs("cam", "n1", "n1")


def _image(world: World) -> str:
    spec = world.deployments()[0]["spec"]["template"]["spec"]
    return str(spec["containers"][0]["image"])


def test_watts_that_a_user_gives_a_node_are_taken_back(full: World) -> None:
    def watts() -> str:
        return str(full.kubectl.get("node", "n1")["status"]["allocatable"]["kwatt.dev/watts"])

    assert watts() == "100"
    for figure in ("7", "0"):
        lower = {
            "capacity": {"kwatt.dev/watts": figure},
            "allocatable": {"kwatt.dev/watts": figure},
        }
        full.patch("node", "n1", {"status": lower}, "--subresource=status")
        eventually(lambda: watts() == "100")
    full.runs("cam", "n1", "n1")


def test_a_pod_whose_gate_a_user_removed_does_not_break_the_cap(
    full: World, operator: Operator
) -> None:
    operator.stop()
    name = full.deployments()[0]["metadata"]["name"]
    full.kubectl("scale", "deployment", name, "--replicas=4", "-n", full.team)
    gated = eventually(lambda: len(p := _gated(full)) == 2 and p)
    for pod in gated:
        ops = [{"op": "remove", "path": "/spec/schedulingGates"}]
        full.kubectl("patch", "pod", pod, "-n", full.team, "--type=json", "-p", json.dumps(ops))
    always(lambda: len(full.running()) == 2, 2.0, "the scheduler itself keeps the cap")

    operator.start()

    eventually(lambda: len(full.pods()) == 2, 90)
    full.runs("cam", "n1", "n1")


def _gated(world: World) -> list[str]:
    return [p["metadata"]["name"] for p in world.pods() if p["spec"].get("schedulingGates")]
