"""A tenant with `edit` in one namespace, and a thief of the operator's token, try what they must not.

Requests go straight to the real API server with real tokens. Where something else than a refusal stops an
attempt, the test asserts that instead. Cluster administrators are trusted: see docs/security.md.
"""

from __future__ import annotations

import pytest

from cluster.cluster import Cluster
from e2e import worlds
from e2e.harness import Kubectl, operators_token
from e2e.intruder import Body, Intruder

pytestmark = pytest.mark.cluster
SHARE = {"kwatt.dev/watts": "100"}


@pytest.fixture(scope="module")
def thief(cluster: Cluster) -> Intruder:
    """Lend what a thief of the operator's token could do."""
    return Intruder(cluster, operators_token(cluster))


@pytest.fixture
def node(kubectl: Kubectl) -> str:
    """Lend a node."""
    kubectl.apply_nodes(worlds.npu_node("n1"))
    return "/api/v1/nodes/n1"


@pytest.mark.parametrize(
    "patch",
    [
        {"status": {"capacity": {"cpu": "1000"}}},
        {"status": {"allocatable": {worlds.RESOURCE: "64"}}},
        {"status": {"allocatable": {"pods": None}}},
        {"status": {"conditions": [{"type": "Ready", "status": "False"}]}},
        {"status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.7"}]}},
        {"status": {"nodeInfo": {"osImage": "another"}}},
        {"metadata": {"labels": {"node-role.kubernetes.io/control-plane": ""}}},
        {"metadata": {"annotations": {"kwok.x-k8s.io/node": "real"}}},
    ],
    ids=str,
)
def test_the_operator_may_give_a_node_watts_and_nothing_else(
    thief: Intruder, node: str, patch: Body
) -> None:
    given = {"status": {"capacity": SHARE, "allocatable": SHARE}}

    thief.patch(f"{node}/status", given).granted()

    assert "the operator may" in thief.patch(f"{node}/status", patch).refused()
