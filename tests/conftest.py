"""Fixtures of all tests that need the local control plane."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster import cluster as local
from cluster.cluster import Cluster
from e2e.harness import Kubectl, Operator, install_policies, operator_running

TESTS = Path(__file__).resolve().parent
CRDS = TESTS.parent / "crds"
AUDIT_POLICY = TESTS / "e2e" / "audit-policy.yaml"
OWN = "inferenceservices,npuclasses,modelprofiles,powerbudgets"


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Run one control plane for all tests of a session, with KWatt's CRDs and admission policies."""
    name = f"test-{os.getpid()}-{secrets.token_hex(2)}"
    with local.cluster(name, audit_policy=AUDIT_POLICY) as running:
        kubectl = Kubectl(running)
        kubectl("apply", "--server-side", "-f", str(CRDS))
        kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
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
    client("delete", "nodes", "--all", "--wait=false", check=False)
    client("delete", "deployments,pods", "--all", "-A", "--force", "--grace-period=0", check=False)
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
