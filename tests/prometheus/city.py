"""The city of examples/ with the operator, fake NPUs under load, and a Prometheus that scrapes it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import yaml

from cluster.cluster import Cluster
from e2e.fakes import CITY_COUNTERS, CITY_LOADS
from e2e.harness import REPO, Body, Kubectl, Operator, eventually
from prometheus.queries import ALERTS
from prometheus.server import Prometheus, prometheus

_EXAMPLES = REPO / "examples"
_OF_TESTS = {"00-namespaces.yaml": "kwatt.test=true", "nodes": "type=kwok"}  # removed after a test


class Fakes:
    """A running `fakenpu`: where it answers, and its switches."""

    def __init__(self, url: str) -> None:
        self.url = url

    def switch(self, node: str, **faults: object) -> None:
        """Set the switches of a node's exporter."""
        body = json.dumps(faults).encode()
        url = f"{self.url}/control/faults/{node}"
        request = urllib.request.Request(url, data=body, method="PUT")
        request.add_header("Content-Type", "application/json")
        urllib.request.urlopen(request, timeout=10).close()


@contextlib.contextmanager
def fakes(cluster: Cluster, folder: Path) -> Iterator[Fakes]:
    """Run `fakenpu` on the nodes and pods of a cluster, with the loads of the demo."""
    log = folder / "fakenpu.log"
    command = [sys.executable, "-m", "fakenpu", "run", "--watch", "--port", "0"]
    command += ["-f", str(CITY_LOADS), "--kubeconfig", str(cluster.kubeconfig)]
    env = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=env, cwd=REPO
        )
    try:
        found = eventually(lambda: re.search(r"fakenpu: (http://\S+)", log.read_text()), 30)
        yield Fakes(found[1])
    finally:
        process.terminate()
        process.wait(timeout=30)


@contextlib.contextmanager
def city(cluster: Cluster, folder: Path) -> Iterator[tuple[Prometheus, Fakes]]:
    """Run all of it, and lend what answers."""
    kubectl = Kubectl(cluster)
    for name in ("00-namespaces.yaml", "10-classes", "20-profiles", "nodes", "40-budgets"):
        kubectl("apply", "--server-side", "--force-conflicts", "-f", str(_EXAMPLES / name))
    for name, label in _OF_TESTS.items():
        kubectl("label", "--overwrite", "-f", str(_EXAMPLES / name), label)
    kubectl.apply(*_services())
    with fakes(cluster, folder) as fake:
        operator = Operator(cluster, "city", "--telemetry-via", fake.url).start()
        try:
            eventually(lambda: "serving address" in operator.text(), 60, operator.text())
            with prometheus(folder, [f"127.0.0.1:{operator.port}"], [ALERTS]) as running:
                yield running, fake
        finally:
            operator.stop()


def _services() -> list[Body]:
    """Return the city's services, told where to read their counters, and one that finds no place."""
    files = sorted((_EXAMPLES / "30-services").glob("*.yaml"))
    found = [
        one
        for file in files
        for one in yaml.safe_load_all(file.read_text(encoding="utf-8"))
        if one and one["kind"] == "InferenceService"
    ]
    for service in found:
        service["spec"]["counters"] = CITY_COUNTERS[service["metadata"]["name"]]
    second = deepcopy(next(one for one in found if one["metadata"]["name"] == "assistant"))
    second["metadata"]["name"] = "second-assistant"
    second["spec"]["throughput"] = {"perSecond": 100_000}
    return [*found, second]
