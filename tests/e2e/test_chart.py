"""The chart with its default values on a real kubelet, from install to rollback: what a user gets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cluster.cluster import Cluster
from e2e import worlds
from e2e.deployed import CHOSEN, DEPLOYMENT, NAMESPACE, Deployed
from e2e.harness import CHART, World, condition, eventually
from kind import ground
from kind.kubelet import CLASS, RESOURCE, RealNode, identities, template

pytestmark = [pytest.mark.cluster, pytest.mark.kubelet("needs a real kubelet: make e2e-kind")]
SECURITY = "pod-security.kubernetes.io/enforce"
REPLICAS = 2  # of the operator, where nobody says otherwise
RELEASE = ("kwatt", str(CHART), "--set", ground.image_values())
WAIT = ("--wait", "--timeout=120s")


class Release:
    """The release of a user who set nothing but where the image is."""

    def __init__(self, world: World) -> None:
        self._world = world

    def helm(self, *args: str) -> str:
        """Run helm on it."""
        return ground.helm(self._world.kubectl.cluster, *args, "-n", NAMESPACE)

    def pods(self) -> set[str]:
        """Return the identities of the operator's pods once all of them, and no others, are ready."""
        found = self._world.kubectl.items("pods", *CHOSEN)
        assert [condition(pod, "Ready").get("status") for pod in found] == ["True"] * REPLICAS
        return {pod["metadata"]["uid"] for pod in found}

    def rolled(self, before: set[str]) -> set[str]:
        """Wait until new pods have replaced all of these and one of the new ones leads; return them."""
        after = eventually(lambda: not before & (now := self.pods()) and now, 60, "new pods only")
        eventually(lambda: self.leads() in after, 60, "one of them leads")
        return after

    def leads(self) -> str:
        """Return the identity of the pod that says that it leads, "" where none does or more than one."""
        pods = self._world.kubectl.items("pods", *CHOSEN)
        leading = [one["metadata"]["uid"] for one in pods if self._leads(one["metadata"]["name"])]
        return leading[0] if len(leading) == 1 else ""

    def _leads(self, pod: str) -> bool:
        metrics = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}:8080/proxy/metrics"
        return "\nkwatt_leader 1.0\n" in self._world.kubectl("get", "--raw", metrics)

    def disruptions(self) -> int:
        """Return how many of the operator's pods may be evicted now."""
        found = self._world.kubectl.get("poddisruptionbudget", DEPLOYMENT, "-n", NAMESPACE)
        return int(found.get("status", {}).get("disruptionsAllowed", 0))

    def arguments(self) -> list[str]:
        """Return the arguments of the operator."""
        found = self._world.kubectl.get("deployment", DEPLOYMENT, "-n", NAMESPACE)
        arguments: list[str] = found["spec"]["template"]["spec"]["containers"][0]["args"]
        return arguments


@pytest.fixture
def release(world: World, operator: Deployed, cluster: Cluster) -> Iterator[Release]:
    """Lend a cluster whose namespace is as the documentation says, without the suite's own release."""
    uninstall = ("uninstall", "kwatt", "-n", NAMESPACE, *WAIT)
    eventually(lambda: not world.kubectl.items("nodes", "-l", ground.SIMULATED), 60)
    labels = world.kubectl.get("namespace", NAMESPACE)["metadata"].get("labels", {})
    before = f"{SECURITY}={labels[SECURITY]}" if SECURITY in labels else f"{SECURITY}-"
    try:
        ground.helm(cluster, *uninstall)
        world.kubectl("label", "namespace", NAMESPACE, "--overwrite", f"{SECURITY}=restricted")
        yield Release(world)
    finally:
        ground.helm(cluster, *uninstall, "--ignore-not-found")
        world.kubectl("label", "namespace", NAMESPACE, "--overwrite", before)
        ground.install_chart(cluster)


@pytest.fixture
def node(cluster: Cluster, release: Release) -> Iterator[RealNode]:
    """Lend the real node, labelled as one of a class."""
    real = RealNode(cluster)
    real.join()
    yield real
    real.leave()


@pytest.fixture
def installed(release: Release, world: World) -> Release:
    """Lend a default release whose pods are ready, one of them leading, with the whole catalogue."""
    release.helm("install", *RELEASE, *WAIT)
    release.rolled(set())
    eventually(lambda: release.disruptions() == REPLICAS - 1, 30, "a node may be drained")
    classes = {one["metadata"]["name"] for one in world.kubectl.items("npuclasses")}
    assert classes == {path.stem for path in (CHART / "catalogue").glob("*.yaml")}
    return release


@pytest.fixture
def serving(installed: Release, node: RealNode, world: World) -> World:
    """Lend a service that the release placed: two replicas that answer."""
    world.apply(worlds.npu_class(CLASS, resourceName=RESOURCE))
    world.apply(worlds.profile("model", worlds.point(CLASS)))
    world.apply(worlds.budget("rack-real", 1000, {worlds.RACK: CLASS}))
    world.apply(worlds.service("cam", world.team, 200, template()))
    world.runs("cam", node.name, node.name)
    eventually(lambda: world.says("cam", "Ready")[0] == "True", 30)
    return world


def test_a_default_release_is_tested_upgraded_and_rolled_back_while_its_replicas_go_on_serving(
    installed: Release, serving: World, node: RealNode
) -> None:
    before = identities(serving.running("cam"))
    first = installed.pods()
    assert "Succeeded" in installed.helm("test", "kwatt", "--timeout=60s")

    installed.helm("upgrade", *RELEASE, "--set", "movesHorizonSeconds=3600", *WAIT)
    second = installed.rolled(first)
    assert "--moves-horizon=3600" in installed.arguments()
    assert identities(serving.running("cam")) == before

    installed.helm("rollback", "kwatt", "1", *WAIT)
    installed.rolled(second)
    assert "--moves-horizon=3600" not in installed.arguments()
    assert identities(serving.running("cam")) == before
    serving.patch("inferenceservice", "cam", {"spec": {"throughput": {"perSecond": 300}}})
    serving.runs("cam", *[node.name] * 3)
    assert before < identities(serving.running("cam"))
