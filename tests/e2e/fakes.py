"""The fake NPUs as a process of its own beside a cluster: exporters and runtimes, driven at run time."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cluster.cluster import Cluster
from e2e.harness import REPO, eventually

ATOM_LABEL = "rebellions.ai/npu.product"
ATOM = "RBLN-CA12"
CITY_LOADS = REPO / "examples" / "load" / "demo.scenario"
CITY_COUNTERS: dict[str, dict[str, Any]] = {
    "assistant": {"runtime": "FuriosaLLM"},
    "food-identification": {
        "runtime": "KServe",
        "served": "request_predict_seconds_count",  # one request is one image here
        "unit": "images",
    },
    "hazard-detection": {
        "runtime": "Custom",
        "port": 8000,
        "unit": "images",
        "served": "images_served_total",
    },
    "nutrition-notes": {"runtime": "VLLM"},
    "traffic-control": {"runtime": "Triton", "unit": "images"},
}
"""What the runtimes of `CITY_LOADS` count, as `spec.counters` of the five example services."""


class Fakes:
    """A running `fakenpu`."""

    def __init__(self, url: str) -> None:
        self.url = url

    def put(self, path: str, body: Any) -> None:
        """Change something at run time."""
        self._ask("PUT", path, json.dumps(body).encode())

    def load(self, namespace: str, service: str, per_second: float) -> None:
        """Ask so much of a service from now on, as soon as the fakes know it."""
        shape = {"shape": "Constant", "perSecond": per_second}
        path = f"loads/{namespace}/{service}"
        eventually(lambda: self.put(path, shape) is None, what=path)

    def clear_faults(self, target: str) -> None:
        """Let a node's exporter or a pod's runtime do nothing wrong any more."""
        self._ask("DELETE", f"faults/{target}", None)

    def joules(self, service: str) -> float:
        """Return what the pods of a service have truly used so far, given as namespace/name."""
        return self.meter().get(service, 0.0)

    def meter(self) -> dict[str, float]:
        """Return the true joules of every service, by namespace/name."""
        told = json.loads(self._ask("GET", "meter", None))["microjoules"]["services"]
        return {str(service): float(count / 10**6) for service, count in told.items()}

    def _ask(self, method: str, path: str, body: bytes | None) -> str:
        request = urllib.request.Request(f"{self.url}/control/{path}", data=body, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return str(answer.read().decode())


@contextlib.contextmanager
def fakes_beside(cluster: Cluster) -> Iterator[Fakes]:
    """Run fake NPUs that watch a cluster, for the length of a block."""
    command = [sys.executable, "-m", "fakenpu", "run", "--watch", "--port", "0"]
    with subprocess.Popen(
        [*command, "--kubeconfig", str(cluster.kubeconfig)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        cwd=Path(REPO),
    ) as process:
        try:
            assert process.stdout is not None
            yield Fakes(process.stdout.readline().removeprefix("fakenpu: ").strip())
        finally:
            process.terminate()
