"""A release from the first install to the last, on a real API server: nothing is lost and no replica restarts.

The operator's pods do not really run there, so its process runs beside, with the ServiceAccount of the release.
"""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path

import pytest
import yaml

from chart.helm import CHART, NAMESPACE, REPO, Body, Refused, helm, program, render
from chart.process import operator
from chart.schemas import write_schemas
from cluster import cluster as local
from cluster.cluster import Cluster
from e2e import worlds
from e2e.harness import Kubectl, World, establish, eventually

pytestmark = pytest.mark.cluster
BEFORE = "3a40cc061d6f7149df3cb158507c2247c0eaadd9"  # the last commit before there was a chart
TEAM = "team"
CAP = ("--set", "powerBudgets.rack-a1.nodeSelector.matchLabels.topology\\.kubernetes\\.io/rack=a1")
OWN = "inferenceservices,npuclasses,modelprofiles,powerbudgets"


@pytest.fixture(scope="module")
def bare() -> Iterator[Cluster]:
    """Run a control plane that has never heard of KWatt."""
    with local.cluster() as running:
        yield running


@pytest.fixture
def kubectl(bare: Cluster) -> Kubectl:
    return Kubectl(bare)


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the source tree of the time before the chart."""
    git = ("git", "-C", str(REPO))
    done = subprocess.run([*git, "archive", BEFORE], check=False, capture_output=True)
    if done.returncode:
        lacking = f"needs the history back to {BEFORE[:7]}: fetch it all"
        pytest.fail(lacking) if os.environ.get("CI") else pytest.skip(lacking)
    folder = tmp_path_factory.mktemp("before")
    with tarfile.open(fileobj=BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def release(kubectl: Kubectl, *args: str) -> str:
    return helm(*args, "-n", NAMESPACE, kubeconfig=kubectl.cluster.kubeconfig)


def install(kubectl: Kubectl, *args: str) -> str:
    return release(kubectl, "install", "kwatt", str(CHART), *args)


def upgrade(kubectl: Kubectl, *args: str) -> str:
    return release(kubectl, "upgrade", "kwatt", str(CHART), *args)


def possessions(kubectl: Kubectl) -> dict[tuple[str, str], tuple[str, Body]]:
    """Return what must not be lost: identity and spec of every object of KWatt's kinds."""
    return {
        (one["kind"], one["metadata"]["name"]): (one["metadata"]["uid"], one["spec"])
        for one in kubectl.items(OWN, "-A")
    }


def replicas(world: World) -> dict[str, str]:
    """Return the running pods with their nodes, by identity: a restarted one has another."""
    return {one["metadata"]["uid"]: one["spec"]["nodeName"] for one in world.running("cam")}


def test_what_is_rendered_is_valid_for_the_api_server(kubectl: Kubectl, tmp_path: Path) -> None:
    location = write_schemas(kubectl, tmp_path)
    values = Path(__file__).parent / "values"
    for path in sorted(values.glob("*.yaml")):
        rendered = tmp_path / path.name
        rendered.write_text(yaml.safe_dump_all(render("-f", str(path))))
        # The kinds of the Prometheus operator have no schema here.
        skip = "ServiceMonitor,PrometheusRule"
        command = [program("kubeconform"), "-strict", "-skip", skip, "-schema-location", location]
        done = subprocess.run(
            [*command, "-summary", str(rendered)], check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Valid: 0" not in done.stdout, done.stdout


def test_parts_of_kubernetes_in_the_values_have_the_fields_of_its_api(kubectl: Kubectl) -> None:
    theirs = json.loads(kubectl("get", "--raw", "/openapi/v2"))["definitions"]
    ours = json.loads((CHART / "values.schema.json").read_text())["$defs"]

    for part, definition in (
        ("networkPolicyPeer", "io.k8s.api.networking.v1.NetworkPolicyPeer"),
        ("networkPolicyPort", "io.k8s.api.networking.v1.NetworkPolicyPort"),
        ("nodeAffinity", "io.k8s.api.core.v1.NodeAffinity"),
        ("podAffinity", "io.k8s.api.core.v1.PodAffinity"),
    ):
        assert fields(ours[part], ours) == fields(theirs[definition], theirs)


def fields(schema: Body, definitions: Body) -> Body:
    """Return the names of the fields that a schema lists, nested; of a list those of its items."""
    if "$ref" in schema:
        return fields(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "items" in schema:
        return fields(schema["items"], definitions)
    return {key: fields(one, definitions) for key, one in schema.get("properties", {}).items()}


def test_caps_of_a_first_install_follow_the_values_later(kubectl: Kubectl) -> None:
    install(kubectl, "--create-namespace", *CAP, "--set", "powerBudgets.rack-a1.watts=4k")
    assert kubectl.get("powerbudget", "rack-a1")["spec"]["watts"] == "4k"
    kubectl("patch", "npuclass", "nepes", "--type=merge", "-p", '{"spec":{"vendor":"ours"}}')

    upgrade(kubectl, *CAP, "--set", "powerBudgets.rack-a1.watts=5k")
    assert kubectl.get("powerbudget", "rack-a1")["spec"]["watts"] == "5k"
    release(kubectl, "rollback", "kwatt", "1")  # whose caps are hooks
    assert kubectl.get("powerbudget", "rack-a1")["spec"]["watts"] == "4k"
    release(kubectl, "rollback", "kwatt", "2")
    assert kubectl.get("powerbudget", "rack-a1")["spec"]["watts"] == "5k"

    upgrade(kubectl, *CAP, "--set", "powerBudgets.rack-a1.watts=3k", "--set", "crds.keep=false")
    assert kubectl.get("powerbudget", "rack-a1")["spec"]["watts"] == "3k"
    assert kubectl.get("npuclass", "nepes")["spec"]["vendor"] == "ours"

    release(kubectl, "uninstall", "kwatt", "--wait")
    kubectl("wait", "--for=delete", "crd", "npuclasses.kwatt.dev", "--timeout=60s")
    assert "kwatt.dev" not in kubectl("get", "crd", "-o", "name")
    kubectl("delete", "namespace", NAMESPACE)


def test_nothing_is_lost_from_before_the_chart_to_a_second_install(
    kubectl: Kubectl, before: Path
) -> None:
    world = World(kubectl, TEAM)
    by_hand(kubectl, world, before)
    running, owned = replicas(world), possessions(kubectl)
    assert len(running) == 3

    def unchanged() -> None:
        now = possessions(kubectl)
        assert replicas(world) == running
        for key, (uid, spec) in owned.items():  # newer CRDs may add defaults
            assert now[key][0] == uid
            assert now[key][1] | spec == now[key][1]

    with pytest.raises(Refused, match="exists and cannot be imported"):
        install(kubectl)
    install(kubectl, "--take-ownership", "--force-conflicts")
    unchanged()
    eventually(lambda: "route" in kubectl("explain", "inferenceservice.spec"), 60, "the newer CRDs")
    kubectl("rollout", "status", "deployment/kwatt", "-n", NAMESPACE, "--timeout=120s")

    with operator(kubectl.cluster, NAMESPACE):
        scaled(world, 350, *running)
        scaled(world, 250)
        running = replicas(world)
        owned = possessions(kubectl)
        refuses_a_second_release(kubectl)
        upgrade(kubectl, "--set", "replicas=3", "--set", "movesHorizonSeconds=0")
        unchanged()
        release(kubectl, "rollback", "kwatt", "1")
        unchanged()

    release(kubectl, "uninstall", "kwatt", "--wait")
    unchanged()

    install(kubectl)
    unchanged()
    with operator(kubectl.cluster, NAMESPACE):
        scaled(world, 350, *running)


def by_hand(kubectl: Kubectl, world: World, source: Path) -> None:
    """Do what the README said before there was a chart, and place a service."""
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": TEAM}})
    rights = source / "charts" / "kwatt" / "rbac.yaml"
    kubectl("apply", "--server-side", "-f", str(source / "crds"), "-f", str(rights))
    establish(kubectl)
    kubectl("apply", "--server-side", "-f", str(source / "charts" / "kwatt" / "catalogue"))
    world.apply(worlds.npu_node("n1"), worlds.npu_node("n2", rack="a2"))
    world.apply(worlds.npu_class(), worlds.profile(), worlds.budget("rack-a1", 1000))
    kubectl("patch", "npuclass", "nepes", "--type=merge", "-p", '{"spec":{"vendor":"ours"}}')
    with operator(kubectl.cluster, NAMESPACE, source):
        world.apply(worlds.service("cam", TEAM, 250))
        eventually(lambda: len(world.running("cam")) == 3)
        eventually(lambda: world.says("cam", "Ready")[0] == "True")


def scaled(world: World, rate: int, *kept: str) -> None:
    """Ask for another rate and wait for its replicas: the operator works, and these ones were kept."""
    world.patch("inferenceservice", "cam", {"spec": {"throughput": {"perSecond": rate}}})
    wanted = -(-rate // 100)
    eventually(lambda: len(world.running("cam")) == wanted == len(world.pods("cam")), 90)
    assert set(kept) <= set(replicas(world))


def refuses_a_second_release(kubectl: Kubectl) -> None:
    """The second one is refused in one sentence that names the first, wherever it is put."""
    for name, namespace in (("second", NAMESPACE), ("kwatt", "elsewhere")):
        arguments: Sequence[str] = ("install", name, str(CHART), "-n", namespace)
        with pytest.raises(Refused, match=f'release "kwatt" in namespace "{NAMESPACE}"'):
            helm(*arguments, kubeconfig=kubectl.cluster.kubeconfig)
