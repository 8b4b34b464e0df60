"""A real node in the words of the tests: its devices, its kubelet, and pods that really start on it."""

from __future__ import annotations

from cluster.cluster import Cluster
from e2e import worlds
from e2e.harness import Body, Kubectl, eventually
from kind.ground import FAKENPU_IMAGE, real_node

CLASS = "real"
RESOURCE = "furiosa.ai/rngd"
DEVICES = tuple(f"furiosa-rngd-{number}" for number in range(4))
PORT = 8000
CLOSED_PORT = (
    8001  # of the same pod: something listens there that the chart's NetworkPolicy does not name
)
RESTRICTED = {
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
_SERVE = (
    "import http.server as h, threading as t; "
    "s = [h.ThreadingHTTPServer(('', p), h.SimpleHTTPRequestHandler) for p in (8000, 8001)]; "
    "t.Thread(target=s[1].serve_forever, daemon=True).start(); s[0].serve_forever()"
)
_KILL = (
    "import os, pathlib; "
    "[os.kill(int(p.parent.name), 9) for p in pathlib.Path('/proc').glob('[0-9]*/comm') "
    "if p.read_text().strip() == 'kubelet']"
)


def template() -> Body:
    """Return the template of a server that starts, answers and ends like one, without any rights."""
    container = {
        "name": "server",
        "image": FAKENPU_IMAGE,
        "imagePullPolicy": "Never",
        "command": ["python3", "-c", _SERVE],
        "workingDir": "/opt/fakenpu/fakenpu",
        "ports": [{"containerPort": PORT}],
        "readinessProbe": {"httpGet": {"path": "/", "port": PORT}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "10m", "memory": "24Mi"}, "limits": {"memory": "96Mi"}},
        "securityContext": RESTRICTED,
    }
    return {"spec": {"containers": [container], "terminationGracePeriodSeconds": 1}}


def identities(pods: list[Body]) -> set[tuple[str, int]]:
    """Return which pods these are and how often their containers were restarted."""
    return {
        (pod["metadata"]["uid"], pod["status"]["containerStatuses"][0]["restartCount"])
        for pod in pods
    }


class RealNode:
    """A node whose kubelet, container runtime and device plugin are real; only its NPUs are not."""

    def __init__(self, cluster: Cluster) -> None:
        self._kubectl = Kubectl(cluster)
        self.name = real_node(self._kubectl)

    def join(self) -> None:
        """Give it the labels of a class and a rack."""
        labels = (f"{worlds.CLASS_LABEL}={CLASS}", f"{worlds.RACK}={CLASS}")
        self._kubectl("label", "node", self.name, *labels, "--overwrite")

    def leave(self) -> None:
        """Take the labels back, and mend every device."""
        self._kubectl("label", "node", self.name, f"{worlds.CLASS_LABEL}-", f"{worlds.RACK}-")
        self.mark("Healthy", *DEVICES)

    def mark(self, health: str, *devices: str) -> None:
        """Make devices Healthy or Unhealthy."""
        program = ("python3", "-m", "fakenpu", "device-plugin", "health", health)
        self._kubectl("exec", "-n", "fakenpu", "ds/device-plugin", "--", *program, *devices)

    def counts(self, npus: int) -> None:
        """Wait until the kubelet offers so many NPUs."""
        eventually(lambda: self.allocatable().get(RESOURCE) == str(npus), 30, f"{npus} NPUs")

    def allocatable(self) -> dict[str, str]:
        """Return what the node offers."""
        found: dict[str, str] = self._kubectl.get("node", self.name)["status"]["allocatable"]
        return found

    def devices_of(self, pod: Body) -> list[str]:
        """Return which devices the container of a pod finds in its environment."""
        ask = "import os; print(os.environ['FAKENPU_DEVICES'])"
        where = ("-n", pod["metadata"]["namespace"], pod["metadata"]["name"])
        return self._kubectl("exec", *where, "--", "python3", "-c", ask).strip().split(",")

    def kill_kubelet(self) -> None:
        """Kill the kubelet; its supervisor starts another one, with which the plugin registers anew."""
        before = self._registrations()
        self._kubectl.apply(_killer(self.name))
        now = ("--for=jsonpath={.status.phase}=Succeeded", "pod/kill-kubelet", "--timeout=60s")
        eventually(lambda: self._registrations() > before, 60, "the plugin registered anew")
        self._kubectl("wait", "-n", "fakenpu", *now)
        self._kubectl("delete", "pod", "kill-kubelet", "-n", "fakenpu")

    def _registrations(self) -> int:
        log = self._kubectl("logs", "-n", "fakenpu", "ds/device-plugin", "--tail=-1")
        return log.count(f"registered resource={RESOURCE} devices")


def _killer(node: str) -> Body:
    container = {
        "name": "kill",
        "image": FAKENPU_IMAGE,
        "imagePullPolicy": "Never",
        "command": ["python3", "-c", _KILL],
        "securityContext": {"runAsUser": 0, "privileged": True},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "kill-kubelet", "namespace": "fakenpu"},
        "spec": {
            "nodeName": node,
            "hostPID": True,
            "restartPolicy": "Never",
            "containers": [container],
        },
    }
