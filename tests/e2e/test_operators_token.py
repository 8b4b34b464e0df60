"""What a thief of the operator's token can't do: the policies hold it to KWatt's own objects and fields."""

from __future__ import annotations

import pytest

from cluster.cluster import Cluster
from e2e import tenancy, worlds
from e2e.harness import Kubectl, operators_token
from e2e.intruder import Body, Intruder

pytestmark = pytest.mark.cluster
SHARE = {"kwatt.dev/watts": "100"}
NODE = "/api/v1/nodes/n1"
GATE = [{"name": "kwatt.dev/placement"}]
OWNED = {
    "labels": {"kwatt.dev/service": "cam"},
    "ownerReferences": tenancy.owned_by({"metadata": {"name": "cam", "uid": "0"}}),
}


@pytest.fixture(scope="module")
def thief(cluster: Cluster) -> Intruder:
    """Lend what a thief of the operator's token could do."""
    return Intruder(cluster, operators_token(cluster))


@pytest.fixture(scope="module")
def node(cluster: Cluster) -> str:
    """Lend a node."""
    Kubectl(cluster).apply_nodes(worlds.npu_node("n1"))
    return NODE


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
def test_of_a_node_only_the_watts_can_be_changed(thief: Intruder, node: str, patch: Body) -> None:
    given = {"status": {"capacity": SHARE, "allocatable": SHARE}}

    thief.patch(f"{node}/status", given).granted()

    assert "the operator may" in thief.patch(f"{node}/status", patch).refused()


def test_labels_and_taints_of_nodes_secrets_and_roles_are_beyond_its_rights(
    thief: Intruder, node: str
) -> None:
    binding = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"

    assert "cannot patch" in thief.patch(node, {"spec": {"unschedulable": True}}).refused()
    assert "cannot list" in thief.get("/api/v1/secrets").refused()
    assert "cannot create" in thief.create(binding, {}).refused()
    assert "cannot create" in thief.create(tenancy.core("default", "pods"), {}).refused()


@pytest.mark.parametrize(
    ("namespace", "spec", "metadata", "why"),
    [
        ("kube-system", tenancy.pod_spec(schedulingGates=GATE), OWNED, "namespaces of Kubernetes'"),
        ("kwatt-system", tenancy.pod_spec(schedulingGates=GATE), OWNED, "or of its own"),
        ("default", tenancy.pod_spec(), OWNED, "carry the gate"),
        ("default", tenancy.pod_spec(schedulingGates=GATE), {}, "with the label"),
        (
            "default",
            tenancy.pod_spec(schedulingGates=GATE),
            {"labels": OWNED["labels"]},
            "that an InferenceService owns",
        ),
    ],
    ids=["of-kubernetes", "its-own", "no-gate", "no-label", "no-owner"],
)
def test_a_deployment_that_is_not_like_kwatts_is_refused(
    thief: Intruder, namespace: str, spec: Body, metadata: Body, why: str
) -> None:
    made = tenancy.deployment(spec, **metadata)

    assert why in thief.create(tenancy.apps(namespace, "deployments"), made).refused()


def test_what_others_made_can_be_neither_changed_nor_deleted(
    thief: Intruder, kubectl: Kubectl, team: str
) -> None:
    kubectl("create", "service", "clusterip", "theirs", "--tcp=80", "-n", team)
    kubectl("create", "deployment", "theirs", "--image=a", "--replicas=0", "-n", team)
    kubectl("run", "theirs", "--image=a", "-n", team)
    taken = {"metadata": {**OWNED, "name": "theirs"}}
    service, deployment = (
        tenancy.core(team, "services", "theirs"),
        tenancy.apps(team, "deployments", "theirs"),
    )

    for path in (service, deployment):
        assert "only objects with the label" in thief.patch(path, taken).refused()
        assert "only objects with the label" in thief.delete(path).refused()
    label = {"metadata": {"labels": {"a": "b"}}}
    assert "only pods" in thief.patch(tenancy.core(team, "pods", "theirs"), label).refused()


def test_no_pod_of_kubernetes_own_can_be_evicted(thief: Intruder, kubectl: Kubectl) -> None:
    kubectl("run", "proxy", "--image=a", "-n", "kube-system")
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "proxy"}}
    path = tenancy.core("kube-system", "pods", "proxy", "eviction")

    assert "namespaces of Kubernetes'" in thief.create(path, eviction).refused()
