"""From apply to bound, on a real API server with the operator as a process of its own."""

from __future__ import annotations

import pytest

from e2e import worlds
from e2e.harness import Kubectl, Operator, condition, eventually

pytestmark = pytest.mark.cluster


def running(kubectl: Kubectl, team: str) -> list[dict[str, object]]:
    """Return the running pods of a namespace."""
    pods = kubectl.items("pods", "-n", team)
    return [pod for pod in pods if pod.get("status", {}).get("phase") == "Running"]


def test_a_service_is_planned_released_bound_and_described(
    kubectl: Kubectl, team: str, operator: Operator
) -> None:
    kubectl.apply_nodes(worlds.npu_node("n1"), worlds.npu_node("n2", rack="a2"))
    kubectl.apply(worlds.npu_class(), worlds.profile(), worlds.budget("rack-a1", 1000))

    kubectl.apply(worlds.service("cam", team, 250))

    eventually(lambda: len(running(kubectl, team)) == 3, what=operator.text())
    found = eventually(
        lambda: (
            (s := kubectl.get("kis", "cam", "-n", team))
            and condition(s, "Ready").get("status") == "True"
            and s
        )
    )
    assert found["status"]["summary"] == {
        "class": "one",
        "replicas": "3/3",
        "rate": "250/250",
        "watts": "180",
        "perJoule": "1.389",
    }
    assert found["status"]["planned"]["reservedWatts"] == "180"
