"""Fixtures of all tests that need the local control plane."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster import cluster as local
from cluster.cluster import Cluster
from e2e import deployed
from e2e.harness import Kubectl, Operator, establish, install_policies, operator_running
from kind import ground

TESTS = Path(__file__).resolve().parent
CRDS = TESTS.parent / "crds"
AUDIT_POLICY = TESTS / "e2e" / "audit-policy.yaml"
SIMULATED = "type=kwok"  # never a node of a given cluster
OWN = "inferenceservices,npuclasses,modelprofiles,powerbudgets"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the tests, and skip, with its reason, what the cluster of this run cannot do.

    End-to-end tests come last: their operator stays until the session ends. At the very end is judged all
    that it asked for meanwhile.
    """
    items.sort(key=lambda item: ("e2e" in item.path.parts, item.path.name == "test_rights.py"))
    marker = "local" if os.environ.get(deployed.KUBECONFIG) else "kubelet"
    for item in items:
        if unfit := item.get_closest_marker(marker):
            item.add_marker(pytest.mark.skip(reason=unfit.args[0]))


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Run one control plane for all tests of a session, with KWatt's CRDs and admission policies.

    Or take the one that is given, where the chart installed both.
    """
    if found := deployed.given():
        with ground.prepared(found):
            yield found
        return
    name = f"test-{os.getpid()}-{secrets.token_hex(2)}"
    with local.cluster(name, audit_policy=AUDIT_POLICY) as running:
        kubectl = Kubectl(running)
        kubectl("apply", "--server-side", "-f", str(CRDS))
        establish(kubectl)
        install_policies(kubectl)
        yield running


@pytest.fixture(scope="session")
def kubeconfig(cluster: Cluster) -> Path:
    """Return the kubeconfig of the session's control plane."""
    return cluster.kubeconfig


@pytest.fixture
def kubectl(cluster: Cluster) -> Iterator[Kubectl]:
    """Lend kubectl on a cluster that is emptied afterwards: no own objects, nodes or test namespaces."""
    client = Kubectl(cluster)
    yield client
    client("delete", OWN, "--all", "-A", "--wait=false", check=False)
    client("delete", "nodes", "-l", SIMULATED, "--wait=false", check=False)
    now = ("--all", "--force", "--grace-period=0")
    for namespace in client("get", "namespaces", "-l", "kwatt.test=true", "-o", "name").split():
        name = namespace.removeprefix("namespace/")
        client("delete", "deployments,pods", "-n", name, *now, check=False)
    client("delete", "namespaces", "-l", "kwatt.test=true", "--wait=false", check=False)
    client("delete", "priorityclasses", "-l", "kwatt.test=true", check=False)


@pytest.fixture
def team(kubectl: Kubectl) -> str:
    """Make a namespace for one test and return its name."""
    name = f"team-{secrets.token_hex(3)}"
    labels = {"kwatt.test": "true"}
    metadata = {"name": name, "labels": labels}
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    return name


@pytest.fixture
def operator(kubectl: Kubectl) -> Iterator[Operator]:
    """Run the operator as a process of its own."""
    with operator_running(kubectl.cluster) as running:
        yield running
