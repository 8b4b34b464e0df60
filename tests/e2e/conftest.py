"""Fixtures of the end-to-end tests: a world with the operator, whose caps somebody else watches."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cluster.cluster import Cluster
from e2e.harness import Kubectl, Operator, World
from e2e.observer import Observer


@pytest.fixture
def observer(cluster: Cluster, kubectl: Kubectl) -> Iterator[Observer]:
    """Watch every budget through a whole test; whatever the test is about, no cap is exceeded."""
    watching = Observer(cluster.kubeconfig).start()
    yield watching
    watching.stop()
    assert watching.history().violations == []


@pytest.fixture
def stopped(kubectl: Kubectl, observer: Observer) -> Iterator[Operator]:
    """Lend an operator that does not run yet; its log is shown where the test fails."""
    operator = Operator(kubectl.cluster)
    yield operator
    operator.stop()
    print(operator.text()[-8000:])
    kubectl("delete", "lease", "--all", "-n", "kwatt-system", check=False)


@pytest.fixture
def operator(stopped: Operator) -> Operator:
    """Run the operator as a process of its own."""
    return stopped.start()


@pytest.fixture
def world(kubectl: Kubectl, team: str) -> Iterator[World]:
    """Lend a namespace and what a test asks about it; no pod is left behind that lingers."""
    world = World(kubectl, team)
    yield world
    world.let_go()
