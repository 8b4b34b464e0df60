"""The operator as the chart installs it, in a cluster that somebody else started: same questions, same answers.

End-to-end tests drive it through the interface of `harness.Operator`, by the API only: starting and stopping
it is scaling its Deployment. What no API offers (a process id, SIGKILL without a warning) it does not have.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

import yaml

from cluster import cluster as local
from cluster.cluster import Cluster
from e2e.harness import LINGER, Body, Kubectl, eventually, writes_in

KUBECONFIG = "KWATT_E2E_KUBECONFIG"
NAMESPACE = "kwatt-system"
DEPLOYMENT = "kwatt"
NOT_TENANTS = (
    NAMESPACE,
    "kube-system",
    "fakenpu",
)  # what a given cluster changes there is its own business
CHOSEN = ("-n", NAMESPACE, "-l", "app.kubernetes.io/name=kwatt")
METRICS_PORT = 8080
START_SECONDS = 90.0
STOP_SECONDS = 60.0


def given() -> Cluster | None:
    """Return the cluster that the environment names, if it names one."""
    path = os.environ.get(KUBECONFIG)
    if not path:
        return None
    kubeconfig = Path(path).absolute()
    config = yaml.safe_load(kubeconfig.read_text())
    url = config["clusters"][0]["cluster"]["server"]
    return Cluster("given", kubeconfig, url, local.tool_folder())


class Deployed:
    """The operator's Deployment, with one replica while it is started."""

    def __init__(self, cluster: Cluster) -> None:
        self._kubectl = Kubectl(cluster)
        self._said = ""  # by pods that are gone

    def start(self) -> Deployed:
        """Scale it up and wait until it works."""
        self._scale(1)
        eventually(lambda: self.running, START_SECONDS, "the operator is ready")
        return self

    def stop(self) -> int:
        """Scale it down, wait for its end, and return the exit status of the container."""
        pods = [pod["metadata"]["name"] for pod in self._pods()]
        for pod in pods:
            self._finalizers(pod, [LINGER])  # so that status and log can be read after its end
        self._scale(0)
        statuses = [eventually(lambda pod=pod: self._exit(pod), STOP_SECONDS, pod) for pod in pods]
        for pod in pods:
            self._said += self._log(pod)
            self._finalizers(pod, None)
        eventually(lambda: not self._pods(), STOP_SECONDS, "the operator's pod is gone")
        return max((int(one["exitCode"]) for one in statuses), default=0)

    def kill(self) -> None:
        """End it as a lost node would: without waiting for its end."""
        pods = [pod["metadata"]["name"] for pod in self._pods()]
        self._said += "".join(self._log(pod) for pod in pods)
        self._scale(0)
        for pod in pods:
            now = ("--force", "--grace-period=0", "--ignore-not-found")
            self._kubectl("delete", "pod", pod, "-n", NAMESPACE, *now)
        eventually(lambda: not self._pods(), STOP_SECONDS, "the operator's pod is gone")

    @property
    def running(self) -> bool:
        """Tell whether it is ready."""
        status = self._kubectl.get("deployment", DEPLOYMENT, "-n", NAMESPACE).get("status", {})
        return bool(status.get("readyReplicas", 0) == 1 and status.get("replicas") == 1)

    def text(self) -> str:
        """Return what it logged so far."""
        return self._said + "".join(self._log(pod["metadata"]["name"]) for pod in self._pods())

    def writes(self) -> int:
        """Return how many writes it has sent, the Lease left out."""
        (pod,) = self._pods()
        service = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod['metadata']['name']}:{METRICS_PORT}"
        return writes_in(self._kubectl("get", "--raw", f"{service}/proxy/metrics"))

    def _pods(self) -> list[Body]:
        return self._kubectl.items("pods", *CHOSEN)

    def _log(self, pod: str) -> str:
        with contextlib.suppress(AssertionError):  # no container yet
            return self._kubectl("logs", pod, "-n", NAMESPACE, "--tail=-1")
        return ""

    def _exit(self, pod: str) -> Body:
        status = self._kubectl.get("pod", pod, "-n", NAMESPACE).get("status", {})
        containers: list[Body] = status.get("containerStatuses", [])
        return next(
            (one["state"]["terminated"] for one in containers if "terminated" in one["state"]), {}
        )

    def _scale(self, replicas: int) -> None:
        self._kubectl("scale", "deployment", DEPLOYMENT, "-n", NAMESPACE, f"--replicas={replicas}")

    def _finalizers(self, pod: str, names: list[str] | None) -> None:
        patch = json.dumps({"metadata": {"finalizers": names}})
        self._kubectl("patch", "pod", pod, "-n", NAMESPACE, "--type=merge", "-p", patch)
