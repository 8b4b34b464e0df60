"""Fixtures of the end-to-end tests: a world with the operator, whose caps somebody else watches."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from cluster.cluster import Cluster
from e2e import deployed, tenancy, worlds
from e2e.deployed import Deployed
from e2e.fakes import Fakes, fakes_beside
from e2e.harness import Kubectl, Operator, World
from e2e.intruder import Intruder
from e2e.observer import Observer
from e2e.tenancy import Stage


@pytest.fixture
def observer(cluster: Cluster, kubectl: Kubectl) -> Iterator[Observer]:
    """Watch every budget through a whole test; whatever the test is about, no cap is exceeded."""
    watching = Observer(cluster.kubeconfig).start()
    yield watching
    watching.stop()
    assert watching.history().violations == []


@pytest.fixture(scope="session")
def process(cluster: Cluster) -> Iterator[Operator | Deployed]:
    """Keep one operator for all tests: a new one would cost each of them seconds.

    In a cluster that is given it is the one that the chart installed there.
    """
    operator = Deployed(cluster) if deployed.given() else Operator(cluster)
    yield operator
    operator.stop()


@pytest.fixture
def operator(process: Operator, kubectl: Kubectl, observer: Observer) -> Iterator[Operator]:
    """Run the operator, as a process of its own; its log is shown where the test fails."""
    if not process.running:
        process.start()
    before = len(process.text())
    yield process
    print(process.text()[before:])


@pytest.fixture
def stopped(operator: Operator, kubectl: Kubectl) -> Iterator[Operator]:
    """Lend the operator stopped, for tests that start and end it themselves."""
    operator.stop()
    yield operator
    operator.kill()
    kubectl("delete", "lease", "--all", "-n", "kwatt-system", check=False)


@pytest.fixture
def world(kubectl: Kubectl, team: str) -> Iterator[World]:
    """Lend a namespace and what a test asks about it; no pod is left behind that lingers."""
    world = World(kubectl, team)
    yield world
    world.let_go()


@pytest.fixture
def fakes(world: World) -> Iterator[Fakes]:
    """Run fake NPUs beside the cluster."""
    with fakes_beside(world.kubectl.cluster) as running:
        yield running


@pytest.fixture(scope="module")
def stage(cluster: Cluster, process: Operator) -> Iterator[Stage]:
    """Set the stage once: what is refused leaves nothing behind."""
    kubectl, name = Kubectl(cluster), secrets.token_hex(3)
    if not process.running:
        process.start()
    own, others = f"tenant-{name}", f"others-{name}"
    labels = {"kwatt.test": "true"}
    for namespace in (own, others):
        metadata = {"name": namespace, "labels": labels}
        kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    kubectl("create", "serviceaccount", "tenant", "-n", own)
    kubectl(
        "create",
        "rolebinding",
        "t",
        "--clusterrole=edit",
        f"--serviceaccount={own}:tenant",
        "-n",
        own,
    )
    tenant = Intruder(cluster, kubectl("create", "token", "tenant", "-n", own).strip())
    world = World(kubectl, own)
    world.apply(
        worlds.npu_node("n1", npus=8),
        worlds.npu_class(),
        worlds.profile(),
        worlds.budget("a1", 400),
    )
    kubectl.apply(worlds.service("theirs", others))
    cam = tenant.create(tenancy.services(own), worlds.service("cam", own, 200)).granted()
    world.runs("cam", "n1", "n1")
    yield Stage(tenant, world, own, others, cam)
    kubectl("delete", "inferenceservices,npuclasses,modelprofiles,powerbudgets", "--all", "-A")
    kubectl("delete", "namespace", own, others, "--wait=false")
    kubectl("delete", "nodes", "-l", "type=kwok")
