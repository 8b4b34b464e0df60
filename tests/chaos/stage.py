"""The stage of all faults: a control plane with two racks, a proxy, the operator, churn and a judge."""

from __future__ import annotations

import contextlib
import http.client
import random
import secrets
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench import load
from bench.api import Api, ApiError, Body
from bench.chaos import SERVICES, Churn, unsettled
from bench.ground import say
from bench.load import NAMESPACE, Size
from chaos.proxy import Proxy
from chaos.supervised import Supervised
from cluster import cluster as local
from cluster.cluster import Cluster
from e2e import worlds
from e2e.harness import REPO, Kubectl, install_policies

OWNER = "kwatt.dev/service"
STEADY = ("steady-0", "steady-1")
STEADY_REPLICAS = 3
COUNTED = {
    "Node": "/api/v1/nodes",
    "Pod": "/api/v1/pods",
    "Deployment": f"/apis/apps/v1/deployments?labelSelector={OWNER}",
    "Service": f"/api/v1/services?labelSelector={OWNER}",
    "InferenceService": SERVICES,
    "NPUClass": "/apis/kwatt.dev/v1alpha1/npuclasses",
    "ModelProfile": "/apis/kwatt.dev/v1alpha1/modelprofiles",
    "PowerBudget": "/apis/kwatt.dev/v1alpha1/powerbudgets",
}
AWAY = (ApiError, OSError, http.client.HTTPException)


class PatientChurn(Churn):
    """Churn that goes on while the API server refuses or is away; around `size.services` services stay."""

    def __init__(self, api: Api, size: Size, seed: int) -> None:
        super().__init__(api, size, seed)
        self.caps = True
        self.refused = 0
        self._about = size.services

    def make(self, act: Callable[[], None]) -> None:
        """Make a change, or another one where there are too few or too many services."""
        if act == self._cap and not self.caps:
            return
        if act == self._remove and len(self._names) < self._about:
            act = self._add
        if act == self._add and len(self._names) > 1.3 * self._about:
            act = self._remove
        try:
            super().make(act)
        except AWAY:
            self.refused += 1


@dataclass
class Stage:
    """All that a fault can act on."""

    cluster: Cluster
    size: Size
    seed: int
    api: Api
    kubectl: Kubectl
    proxy: Proxy
    operator: Supervised
    second: Supervised
    random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = random.Random(f"faults-{self.seed}")

    @property
    def folder(self) -> Path:
        """Return the folder of the cluster's own files."""
        return local.folder_of(self.cluster.name)

    def wait(self, seconds: float) -> None:
        """Let a fault last."""
        threading.Event().wait(seconds)

    def apply_world(self) -> None:
        """Write classes, profile, budgets and the steady services again."""
        self.api.apply_all([*load.catalogue(), *load.budgets(self.size)])
        self.api.apply_all(steady())

    def steady_pods(self) -> dict[str, str]:
        """Return the running pods of the services that nobody touches: uid and node."""
        pods = self.api.list(f"/api/v1/namespaces/{NAMESPACE}/pods")["items"]
        return {
            pod["metadata"]["uid"]: pod["spec"].get("nodeName", "")
            for pod in pods
            if pod["metadata"].get("labels", {}).get(OWNER) in STEADY
            and pod["status"].get("phase") == "Running"
            and not pod["metadata"].get("deletionTimestamp")
        }

    def energy(self) -> dict[str, float]:
        """Return the joules of every service that has any in its status, by uid."""
        found = {}
        for body in self.api.list(SERVICES)["items"]:
            joules = body.get("status", {}).get("energy", {}).get("joules")
            if joules is not None:
                found[body["metadata"]["uid"]] = float(joules)
        return found

    def problems(self) -> tuple[list[str], list[str]]:
        """Return what is lost and what is a phantom, at this moment; an API that is away loses all."""
        try:
            return self._lost(), [*self._ghosts(), *self._drift()]
        except AWAY as error:
            return [f"API: {error}"], []

    def _lost(self) -> list[str]:
        lost = [*unsettled(self.api), *self.operator.unhealthy()]
        running = len(self.steady_pods())
        expected = STEADY_REPLICAS * len(STEADY)
        return [*lost, *([] if running == expected else [f"steady pods: {running} of {expected}"])]

    def _ghosts(self) -> list[str]:
        """Name what is there without a service, and pods in excess of what their service plans."""
        services = {one["metadata"]["name"]: one for one in self.api.list(SERVICES)["items"]}
        ghosts, pods = [], Counter[str]()
        for kind in ("Deployment", "Service", "Pod"):
            for body in self.api.list(COUNTED[kind])["items"]:
                owner = body["metadata"].get("labels", {}).get(OWNER)
                if owner and owner not in services:
                    ghosts.append(f"{kind} {body['metadata']['name']}")
                if owner and kind == "Pod" and not body["spec"].get("schedulingGates"):
                    pods[owner] += 1
        for name, body in services.items():
            planned = body.get("status", {}).get("summary", {}).get("replicas", "0/0")
            if pods[name] != int(planned.partition("/")[2] or 0):
                ghosts.append(f"{name}: {pods[name]} pods, {planned} replicas")
        return ghosts

    def _drift(self) -> list[str]:
        """Compare what the leader believes in with what the API server holds."""
        leader = next((one for one in (self.operator, self.second) if one.leads()), None)
        if leader is None:
            return ["no leader"]
        stored = leader.stored()
        held = {kind: len(self.api.list(path)["items"]) for kind, path in COUNTED.items()}
        return [
            f"{kind}: {stored.get(kind, 0)} stored, {count} there"
            for kind, count in held.items()
            if stored.get(kind, 0) != count
        ]

    def converge(self, seconds: float) -> tuple[float, list[str], list[str]]:
        """Wait until nothing is lost and nothing is a phantom; return how long it took, and what is left."""
        begun, calm = time.monotonic(), 0
        while True:
            lost, phantoms = self.problems()
            calm = 0 if lost or phantoms else calm + 1
            took = time.monotonic() - begun
            if calm == 2 or took > seconds:
                return took, lost, phantoms
            time.sleep(0.5)  # the pace of polling; the deadline decides


def steady() -> list[Body]:
    """Return services of the highest priority, which churn leaves alone."""
    bodies = [load.service(name, STEADY_REPLICAS) for name in STEADY]
    return [{**b, "spec": {**b["spec"], "priorityClassName": "steady"}} for b in bodies]


@contextlib.contextmanager
def staged(size: Size, seed: int) -> Iterator[Stage]:
    """Set the stage on a cluster of its own, for the length of a block."""
    with local.cluster(f"chaos-{secrets.token_hex(3)}") as cluster:
        kubectl = Kubectl(cluster)
        kubectl("apply", "--server-side", "-f", str(REPO / "crds"))
        kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        install_policies(kubectl)
        proxy = Proxy(cluster.kubeconfig, seed).start()
        first, second = (_operator(cluster, proxy, name) for name in ("first", "second"))
        stage = Stage(cluster, size, seed, Api(cluster.kubeconfig), kubectl, proxy, first, second)
        try:
            _furnish(stage)
            yield stage
        finally:
            for one in (first, second):
                one.leave()
            proxy.stop()


def _operator(cluster: Cluster, proxy: Proxy, name: str) -> Supervised:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    operator = Supervised(cluster, name, port)
    operator.kubeconfig = proxy.kubeconfig(operator.kubeconfig)
    return operator


def _furnish(stage: Stage) -> None:
    stage.kubectl.apply(worlds.priority("steady", 1000))
    stage.api.apply(load.namespace())
    stage.api.create_nodes(load.nodes(stage.size))
    stage.apply_world()
    stage.api.apply_all(load.services(stage.size))
    stage.operator.keep()
    took, lost, phantoms = stage.converge(240)
    if lost or phantoms:
        raise RuntimeError(f"the stage is not ready: {lost} {phantoms}")
    say(f"the stage is ready after {took:.1f} s")
