"""The observer that all other tests rely on sees what it is there for. No operator runs here."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from e2e import worlds
from e2e.harness import REPO, Body, World, eventually
from e2e.observer import GRACE, Observer

pytestmark = pytest.mark.cluster


def _rogue(name: str, world: World, watts: int) -> Body:
    pod = worlds.foreign_pod(name, world.team, "n1")
    resources = pod["spec"]["containers"][0]["resources"]
    for kind in resources.values():
        kind["kwatt.dev/watts"] = str(watts)
    return {**pod, "spec": {**pod["spec"], "nodeName": "n1"}}


def test_a_pod_and_a_share_beyond_a_cap_are_seen_even_if_they_are_gone_at_once(
    world: World,
) -> None:
    node = worlds.npu_node("n1")
    node["status"] = {
        key: {**figures, "kwatt.dev/watts": "50"} for key, figures in node["status"].items()
    }
    world.apply(node, worlds.npu_class(), worlds.budget("rack-a1", 100))
    command = [sys.executable, "tests/e2e/observer.py", "--kubeconfig"]
    args = [str(world.kubectl.cluster.kubeconfig), "--seconds", str(GRACE + 5)]
    program = subprocess.Popen([*command, *args], cwd=REPO, stdout=subprocess.PIPE, text=True)
    watching = Observer(world.kubectl.cluster.kubeconfig).start()
    eventually(lambda: watching.age > GRACE + 0.5)

    more = {"capacity": {"kwatt.dev/watts": "70"}, "allocatable": {"kwatt.dev/watts": "70"}}
    world.patch("node", "n1", {"status": more}, "--subresource=status")
    world.apply(_rogue("fits", world, 60), _rogue("breaks", world, 10))
    world.kubectl("delete", "pod", "breaks", "-n", world.team, "--force", "--grace-period=0")

    eventually(lambda: len(watching.history().violations) == 2)
    found = [(one.what, one.watts, one.cap) for one in watching.history().violations]
    assert found == [("share", 110, 100), ("pods", 110, 100)]
    assert watching.over() == {}
    watching.stop()
    printed = [json.loads(line) for line in program.communicate(timeout=30)[0].splitlines()]
    assert [one["what"] for one in printed] == ["share", "pods"]
    assert program.returncode == 1
