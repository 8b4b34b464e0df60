"""An operator beside a cluster whose pods do not really run, with the rights installed there and no more."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import yaml

from cluster.cluster import Cluster
from e2e.harness import Kubectl

REPO = Path(__file__).resolve().parents[2]


def kubeconfig_of_the_operator(cluster: Cluster, namespace: str) -> Path:
    """Return a kubeconfig with a token of the ServiceAccount that is installed."""
    token = Kubectl(cluster)("create", "token", "kwatt", "-n", namespace).strip()
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    config["users"] = [{"name": "kwatt", "user": {"token": token}}]
    for context in config["contexts"]:
        context["context"]["user"] = "kwatt"
    folder = Path(tempfile.mkdtemp(prefix="kwatt-chart-"))
    path = folder / "kubeconfig"
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(config))
    return path


@contextlib.contextmanager
def operator(cluster: Cluster, namespace: str, source: Path = REPO) -> Iterator[Path]:
    """Run the operator of a source tree for the length of a block; give its log, which is shown at the end."""
    kubeconfig = kubeconfig_of_the_operator(cluster, namespace)
    log = kubeconfig.with_name("operator.log")
    env = {**os.environ, "KUBECONFIG": str(kubeconfig), "PYTHONPATH": str(source / "operator")}
    command = [sys.executable, "-m", "kwatt", "run", "--port", "0", "--namespace", namespace]
    with log.open("ab") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, env=env, cwd=source)
    try:
        yield log
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=60)
        process.kill()
        print(log.read_text(errors="replace"))
