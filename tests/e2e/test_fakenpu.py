"""fakenpu beside a real API server: load appears where a pod is, and goes with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster.cluster import Cluster
from cluster.nodes import node
from e2e.harness import Kubectl, eventually

pytestmark = pytest.mark.cluster

PROFILE = {
    "apiVersion": "kwatt.dev/v1alpha1",
    "kind": "ModelProfile",
    "metadata": {"name": "fakenpu-model"},
    "spec": {
        "unit": "tokens",
        "memory": "1Gi",
        "points": [
            {
                "npuClass": "furiosa-rngd",
                "npus": 1,
                "operatingPoint": "one",
                "perSecond": "100",
                "watts": "77",
                "scope": "Device",
                "basis": "Assumption",
                "source": "a test",
            }
        ],
    },
}


@pytest.fixture
def url(cluster: Cluster, team: str, tmp_path: Path) -> Iterator[str]:
    """Run fakenpu on the cluster and return its address."""
    scenario = tmp_path / "test.scenario"
    load = {"shape": "Constant", "perSecond": 50}
    service = {"namespace": team, "name": "served", "model": "fakenpu-model", "load": load}
    scenario.write_text(json.dumps({"services": [service]}))
    command = [
        sys.executable,
        "-m",
        "fakenpu",
        "run",
        "--watch",
        "--port",
        "0",
        "-f",
        str(scenario),
    ]
    env = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig)}
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().removeprefix("fakenpu: ").strip()
        process.terminate()


def world(url: str) -> Any:
    with urllib.request.urlopen(f"{url}/control/world", timeout=10) as answer:
        return json.load(answer)


def exposition(url: str, team: str) -> str:
    with urllib.request.urlopen(f"{url}/nodes/node-{team}/metrics", timeout=10) as answer:
        return str(answer.read().decode())


def pod(team: str, name: str) -> dict[str, Any]:
    limits = {"furiosa.ai/rngd": "1"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": team,
            "labels": {"kwatt.dev/service": "served", "kwatt.dev/npu-class": "furiosa-rngd"},
        },
        "spec": {
            "containers": [{"name": "server", "image": "x", "resources": {"limits": limits}}],
            "nodeSelector": {"kubernetes.io/hostname": f"node-{team}"},
            "tolerations": [{"operator": "Exists"}],
        },
    }


def test_load_appears_where_a_pod_is_and_goes_with_it(
    kubectl: Kubectl, team: str, url: str
) -> None:
    labels = {"furiosa.ai/npu.product": "rngd"}
    kubectl.apply_nodes(node(f"node-{team}", labels, {"furiosa.ai/rngd": 1}))
    kubectl.apply(PROFILE, pod(team, "first"))
    key, drawn = f"{team}/first", 'pod="first"'

    eventually(
        lambda: world(url)["pods"].get(key, {}).get("watts") == 77, what="the pod draws 77 W"
    )
    eventually(lambda: drawn in exposition(url, team), what="the exporter reads it")
    kubectl("delete", "pod", "first", "-n", team, "--force", "--grace-period=0")

    eventually(lambda: key not in world(url)["pods"], what="the pod is gone")
