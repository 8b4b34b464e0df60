"""A local cluster with CRDs, and the operator as a process of its own: what end-to-end tests drive.

Everything goes through the real kubectl; nothing here imports the operator.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from cluster.cluster import Cluster

REPO = Path(__file__).resolve().parents[2]
Body = dict[str, Any]
T = TypeVar("T")
LINGER = "kwatt.test/linger"
CHART = REPO / "charts" / "kwatt"
CLUSTER_WIDE = ("node", "npuclass", "modelprofile", "powerbudget", "crd", "priorityclass")


class Kubectl:
    """The real kubectl against one cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._base = [str(cluster.bin / "kubectl"), f"--kubeconfig={cluster.kubeconfig}"]

    def __call__(self, *args: str, given: str | None = None, check: bool = True) -> str:
        """Run kubectl and return what it printed; fail with its own words."""
        done = subprocess.run(
            [*self._base, *args], input=given, capture_output=True, text=True, check=False
        )
        if check and done.returncode != 0:
            raise AssertionError(f"kubectl {' '.join(args)}: {done.stderr.strip()}")
        return done.stdout if done.returncode == 0 else done.stdout + done.stderr

    def apply(self, *manifests: Mapping[str, Any]) -> None:
        """Apply manifests, with server-side apply so that size does not matter."""
        given = yaml.safe_dump_all(manifests, allow_unicode=True)
        self("apply", "--server-side", "--force-conflicts", "-f", "-", given=given)

    def apply_nodes(self, *nodes: Mapping[str, Any]) -> None:
        """Create nodes with their status."""
        self.apply(*nodes)
        for node in nodes:
            patch = json.dumps({"status": node["status"]})
            name = node["metadata"]["name"]
            self("patch", "node", name, "--subresource=status", "--type=merge", "-p", patch)

    def get(self, *args: str) -> Body:
        """Return one object, or a list of them; {} where there is none."""
        text = self("get", *args, "-o", "json", "--ignore-not-found")
        return json.loads(text) if text.strip() else {}

    def items(self, *args: str) -> list[Body]:
        """Return the items of a list."""
        return self.get(*args).get("items", [])

    def serves(self, version: str, resource: str) -> bool:
        """Tell whether the API server serves a resource in a version of a group, as `apps/v1`."""
        found = json.loads(self("get", "--raw", f"/apis/{version}"))["resources"]
        return resource in {one["name"] for one in found}


def establish(kubectl: Kubectl, *crds: str) -> None:
    """Wait until CRDs are served; `kubectl wait` fails on one without conditions, so it is asked again."""
    eventually(lambda: kubectl("wait", "--for=condition=Established", "crd", *(crds or ("--all",))))


def install_policies(kubectl: Kubectl) -> None:
    """Put the chart's admission policies in force, and its roles for tenants."""
    kubectl("apply", "--server-side", "-f", str(CHART / "policies"))
    kubectl("apply", "--server-side", "-f", str(CHART / "rbac-tenants.yaml"))
    forged = {"kubernetes.io/hostname": "any", "kwatt.dev/service": "probe"}
    probe = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "probe", "labels": forged}}
    given = yaml.safe_dump({**probe, "spec": {"clusterIP": "None"}})
    tenant = ("--as=probe", "--as-group=system:authenticated")
    kubectl("create", "rolebinding", "probe", "--clusterrole=edit", "--user=probe", "-n", "default")

    def in_force() -> bool:
        said = kubectl(
            "create",
            "-n",
            "default",
            "--dry-run=server",
            "-f",
            "-",
            *tenant,
            given=given,
            check=False,
        )
        return "kwatt-tenants" in said

    eventually(in_force, 30, "the policies in force")
    kubectl("delete", "rolebinding", "probe", "-n", "default")


def operators_token(cluster: Cluster) -> str:
    """Return a token of the operator's own ServiceAccount, whose rights are put in place."""
    kubectl = Kubectl(cluster)
    kubectl("apply", "--server-side", "-f", str(CHART / "rbac.yaml"))
    return kubectl("create", "token", "kwatt", "-n", "kwatt-system", "--duration=8h").strip()


def least_privilege(cluster: Cluster) -> Path:
    """Return a kubeconfig of the operator's own ServiceAccount, with the rights of rbac.yaml only."""
    operators_token(cluster)
    return kubeconfig_of(Kubectl(cluster), "kwatt", "kwatt-system")


def kubeconfig_of(kubectl: Kubectl, account: str, namespace: str) -> Path:
    """Return a kubeconfig of a ServiceAccount."""
    token = kubectl("create", "token", account, "-n", namespace, "--duration=8h").strip()
    config = yaml.safe_load(kubectl.cluster.kubeconfig.read_text())
    config["users"] = [{"name": account, "user": {"token": token}}]
    for context in config["contexts"]:
        context["context"] |= {"user": account, "namespace": namespace}
    path = kubectl.cluster.kubeconfig.with_name(f"kubeconfig-{account}")
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(config))
    return path


class Operator:
    """`kwatt run` as a process of its own, with the operator's own rights."""

    def __init__(self, cluster: Cluster, name: str = "operator", *args: str) -> None:
        self.kubeconfig = least_privilege(cluster)
        self.env: dict[str, str] = {}  # on top of this process's own
        self.log = Path(tempfile.mkdtemp(prefix="kwatt-log-")) / f"{name}.log"
        self.output = self.log
        self._args = args
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Operator:
        """Start it; a second call starts it again."""
        env = {
            **os.environ,
            "KUBECONFIG": str(self.kubeconfig),
            "PYTHONUNBUFFERED": "1",
            **self.env,
        }
        own = ["--port", "0", "--namespace", "kwatt-system"]
        command = [sys.executable, "-m", "kwatt", "run", *own, *self._args]
        with self.output.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, env=env, cwd=REPO
            )
        return self

    @property
    def pid(self) -> int:
        """Return the id of the running process."""
        assert self.process is not None
        return self.process.pid

    def stop(self, sign: int = signal.SIGTERM) -> int:
        """Send a signal to this very process and wait for its end."""
        if self.process is None:
            return 0
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(sign)
        status = self.process.wait(timeout=60)
        self.process = None
        return status

    def kill(self) -> None:
        """End it without any chance to clean up."""
        self.stop(signal.SIGKILL)

    @property
    def running(self) -> bool:
        """Tell whether the process lives."""
        return self.process is not None and self.process.poll() is None

    def text(self) -> str:
        """Return what it logged so far."""
        return self.log.read_text(errors="replace")

    def writes(self) -> int:
        """Return how many writes it has sent, the Lease left out."""
        return writes_in(self._metrics())

    @property
    def port(self) -> int:
        """Return where it serves its metrics."""
        ports = re.findall(r"serving address=\[\('127\.0\.0\.1', (\d+)\)", self.text())
        return int(ports[-1])

    def _metrics(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
            return str(answer.read().decode())


def writes_in(metrics: str) -> int:
    """Return how many writes the operator's metrics count, the Lease left out."""
    found = 0.0
    for line in metrics.splitlines():
        labels = line.partition("{")[2]
        reads = any(f'verb="{verb}"' in labels for verb in ("get", "list", "watch"))
        if line.startswith("kwatt_api_requests_total{") and not reads and "leases" not in labels:
            found += float(line.rpartition(" ")[2])
    return int(found)


@contextlib.contextmanager
def operator_running(cluster: Cluster, *args: str) -> Iterator[Operator]:
    """Run an operator for the length of a block."""
    operator = Operator(cluster, "operator", *args).start()
    try:
        yield operator
    finally:
        operator.stop()


def eventually(probe: Callable[[], T], seconds: float = 60.0, what: str = "") -> T:
    """Return the first true value of `probe`; fail with its last value when the deadline passes."""
    end = time.monotonic() + seconds
    while True:
        try:
            value, problem = probe(), ""
        except AssertionError as error:
            value, problem = None, str(error)  # type: ignore[assignment]
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(
                f"not within {seconds:g} s: {what or probe}; last: {problem or value!r}"
            )
        time.sleep(0.15)  # the pace of polling; the deadline decides


def always(probe: Callable[[], bool], seconds: float, what: str = "") -> None:
    """Fail as soon as `probe` is false within the span."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert probe(), what
        time.sleep(0.2)  # the pace of sampling


def condition(body: Body, type_: str) -> Body:
    """Return a condition of an object, {} where it has none."""
    found = body.get("status", {}).get("conditions", [])
    return next((one for one in found if one["type"] == type_), {})


class World:
    """A namespace of a cluster, and questions about it in the words of the tests."""

    def __init__(self, kubectl: Kubectl, team: str) -> None:
        self.kubectl = kubectl
        self.team = team

    def apply(self, *manifests: Mapping[str, Any]) -> None:
        """Apply manifests; nodes get their status too."""
        nodes = [one for one in manifests if one["kind"] == "Node"]
        others = [one for one in manifests if one["kind"] != "Node"]
        if nodes:
            self.kubectl.apply_nodes(*nodes)
        if others:
            self.kubectl.apply(*others)

    def patch(self, kind: str, name: str, patch: Body, *args: str) -> None:
        """Merge a patch into an object."""
        where = () if kind in CLUSTER_WIDE else ("-n", self.team)
        self.kubectl("patch", kind, name, *where, "--type=merge", "-p", json.dumps(patch), *args)

    def delete(self, kind: str, *names: str) -> None:
        """Delete objects without waiting for their end."""
        where = () if kind in CLUSTER_WIDE else ("-n", self.team)
        self.kubectl("delete", kind, *names, *where, "--wait=false")

    def pods(self, service: str = "") -> list[Body]:
        """Return the pods that are not terminating, of one service or of all."""
        chosen = ("-l", f"kwatt.dev/service={service}") if service else ()
        pods = self.kubectl.items("pods", "-n", self.team, *chosen)
        return [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]

    def running(self, service: str = "") -> list[Body]:
        """Return the pods that run."""
        return [pod for pod in self.pods(service) if pod["status"].get("phase") == "Running"]

    def where(self, service: str = "") -> list[str]:
        """Return the nodes of the running pods, one entry each."""
        return sorted(pod["spec"]["nodeName"] for pod in self.running(service))

    def deployments(self) -> list[Body]:
        """Return the Deployments."""
        return self.kubectl.items("deployments", "-n", self.team)

    def service(self, name: str) -> Body:
        """Return an InferenceService."""
        return self.kubectl.get("inferenceservices.kwatt.dev", name, "-n", self.team)

    def says(self, service: str, type_: str) -> tuple[str, str, str]:
        """Return a condition of an InferenceService: its status, reason and message."""
        return said(self.service(service), type_)

    def explains(self, service: str, type_: str, reason: str, sentence: str = "") -> None:
        """Wait until a condition of an InferenceService is not met for a reason, in these words."""

        def told() -> bool:
            last = self.says(service, type_)
            assert last[:2] == ("False", reason), last
            assert sentence in last[2], last
            return True

        eventually(told, 30)

    def budget(self, name: str) -> Body:
        """Return a PowerBudget's status."""
        status: Body = self.kubectl.get("powerbudget", name).get("status", {})
        return status

    def counts(self, budget: str, **figures: str) -> None:
        """Wait until a PowerBudget's status has these figures."""

        def told() -> bool:
            last = self.budget(budget)
            assert figures.items() <= last.items(), last
            return True

        eventually(told, 30)

    def exceeded(self, name: str) -> tuple[str, str, str]:
        """Return what a PowerBudget says of being exceeded: status, reason and message."""
        return said({"status": self.budget(name)}, "Exceeded")

    def runs(self, service: str, *nodes: str, seconds: float = 60.0) -> None:
        """Wait until a service runs on these nodes and nowhere else, one entry per replica."""

        def told() -> bool:
            return self.where(service) == sorted(nodes) and len(self.pods(service)) == len(nodes)

        eventually(told, seconds, f"{service} on {nodes}")

    def linger(self, service: str) -> None:
        """Let the running pods of a service take their time to end, until `let_go`."""
        for pod in self.running(service):
            self.patch("pod", pod["metadata"]["name"], {"metadata": {"finalizers": [LINGER]}})

    def let_go(self) -> None:
        """Let every pod end that lingers."""
        for pod in self.kubectl.items("pods", "-n", self.team):
            if LINGER in pod["metadata"].get("finalizers", ()):
                self.patch("pod", pod["metadata"]["name"], {"metadata": {"finalizers": None}})


def said(body: Body, type_: str) -> tuple[str, str, str]:
    """Return a condition of an object: its status, reason and message."""
    found = condition(body, type_)
    return found.get("status", ""), found.get("reason", ""), found.get("message", "")
