"""What end-to-end tests stand on in a given cluster: chart, device plugin, simulated nodes beside the real one.

It needs a kubeconfig and two images that the nodes have already, and nothing else of the machine.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from cluster.cluster import Cluster
from e2e.deployed import DEPLOYMENT, NAMESPACE
from e2e.harness import Kubectl, eventually

HERE = Path(__file__).resolve().parent
CHART = HERE.parents[1] / "charts" / "kwatt"
LOGS = HERE.parents[1] / "build" / "e2e-kind"
IMAGE = os.environ.get("KWATT_E2E_IMAGE", "kwatt.local/kwatt:e2e")
FAKENPU_IMAGE = os.environ.get("KWATT_E2E_FAKENPU_IMAGE", "kwatt.local/fakenpu:e2e")
FAKE_NODES = "kwok.x-k8s.io/node=fake"
RESOURCES = {"furiosa.ai/rngd": 4, "rebellions.ai/ATOM": 8, "mobilint.com/npu": 2}
SIMULATED = "type=kwok"
_OFF_SIMULATED = {
    "nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [
                {"matchExpressions": [{"key": "type", "operator": "NotIn", "values": ["kwok"]}]}
            ]
        }
    }
}


@contextlib.contextmanager
def prepared(cluster: Cluster) -> Iterator[Cluster]:
    """Install everything for the length of a block. What is there already is upgraded."""
    kubectl = Kubectl(cluster)
    _keep_daemon_sets_off_simulated_nodes(kubectl)
    _install_device_plugin(kubectl)
    install_chart(cluster)
    with _simulator(cluster):
        yield cluster
    helm(cluster, "uninstall", "kwatt", "-n", NAMESPACE, "--wait", "--ignore-not-found")
    kubectl("delete", "namespace", "fakenpu", "--wait=false", "--ignore-not-found")


def install_chart(cluster: Cluster, *more: str) -> None:
    """Install or upgrade the chart as the README says, with the image under test."""
    values = f"{image_values()},replicas=1,catalogue.enabled=false"
    release = ("upgrade", "--install", "kwatt", str(CHART), "-n", NAMESPACE, "--create-namespace")
    affinity = f"affinity={json.dumps(_OFF_SIMULATED)}"  # nothing would run on a simulated node
    helm(cluster, *release, "--set", values, "--set-json", affinity, *more)
    rollout = ("rollout", "status", "deployment", DEPLOYMENT, "-n", NAMESPACE, "--timeout=120s")
    Kubectl(cluster)(*rollout)


def image_values() -> str:
    """Return the values that name the image under test, for `helm --set`."""
    repository, _, tag = IMAGE.rpartition(":")
    return f"image.repository={repository},image.tag={tag},image.pullPolicy=Never"


def helm(cluster: Cluster, *args: str) -> str:
    """Run helm and return what it printed; fail with its own words."""
    command = [str(cluster.bin / "helm"), f"--kubeconfig={cluster.kubeconfig}", *args]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"helm {' '.join(args)}: {done.stderr.strip()}"
    return done.stdout


def real_node(kubectl: Kubectl) -> str:
    """Return the name of a node with a real kubelet."""
    return str(kubectl.items("nodes", "-l", "type!=kwok")[0]["metadata"]["name"])


def _install_device_plugin(kubectl: Kubectl) -> None:
    text = (HERE / "device-plugin.yaml").read_text()
    kubectl("apply", "-f", "-", given=text.replace("kwatt.local/fakenpu:e2e", FAKENPU_IMAGE))
    kubectl("rollout", "status", "daemonset/device-plugin", "-n", "fakenpu", "--timeout=120s")

    def counted() -> bool:
        found = kubectl.get("node", real_node(kubectl))["status"]["allocatable"]
        return {key: found.get(key) for key in RESOURCES} == {
            k: str(n) for k, n in RESOURCES.items()
        }

    eventually(counted, 60, "the kubelet counts the devices")


def _keep_daemon_sets_off_simulated_nodes(kubectl: Kubectl) -> None:
    patch = json.dumps({"spec": {"template": {"spec": {"affinity": _OFF_SIMULATED}}}})
    for one in kubectl.items("daemonsets", "-n", "kube-system"):
        name = one["metadata"]["name"]
        kubectl("patch", "daemonset", name, "-n", "kube-system", "--type=merge", "-p", patch)


@contextlib.contextmanager
def _simulator(cluster: Cluster) -> Iterator[None]:
    """Run KWOK for nodes that say so; the real ones are none of its business."""
    command = [
        str(cluster.bin / "kwok"),
        f"--kubeconfig={cluster.kubeconfig}",
        f"--config={HERE / 'stages.yaml'}",
        f"--manage-nodes-with-annotation-selector={FAKE_NODES}",
        "--node-lease-duration-seconds=40",
        "--cidr=10.99.0.0/16",
    ]
    LOGS.mkdir(parents=True, exist_ok=True)
    with (LOGS / "kwok.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=LOGS)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)
