"""The stage of all faults: a control plane with two racks, a proxy, the operator, churn and a judge."""

from __future__ import annotations

import contextlib
import random
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench import load
from bench.api import AWAY, Api
from bench.chaos import SERVICES, Churn, unsettled
from bench.ground import say, wait_until
from bench.load import NAMESPACE, Size
from chaos import world
from chaos.energy import Meter
from chaos.meters import Exporters, PrometheusServer, free_port
from chaos.proxy import Proxy
from chaos.supervised import Supervised
from chaos.world import STEADY, STEADY_REPLICAS
from cluster import cluster as local
from cluster.cluster import Cluster
from e2e import worlds
from e2e.harness import REPO, Kubectl, condition, install_policies

OWNER = "kwatt.dev/service"
SERVICES_OF_ALL = f"/apis/kwatt.dev/v1alpha1/namespaces/{NAMESPACE}/inferenceservices"
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


class PatientChurn(Churn):
    """Churn that goes on while the API server refuses or is away; around `size.services` services stay."""

    def __init__(self, stage: Stage, seed: int) -> None:
        super().__init__(stage.api, stage.size, seed)
        self.caps = True
        self.refused = 0
        self._about = stage.size.services
        self._caps = {body["metadata"]["name"]: body for body in stage.budgets()}

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
    exporters: Exporters
    prometheus: PrometheusServer
    meter: Meter
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

    def budgets(self) -> list[world.Body]:
        """Return the caps as they were at the beginning."""
        return world.budgets(self.size, self.prometheus.url)

    def apply_world(self) -> None:
        """Write classes, profile, budgets and the steady services again."""
        self.api.apply_all([*world.catalogue(), *self.budgets()])
        self.api.apply_all(world.steady())

    def measured(self, *budgets: str) -> set[str]:
        """Return in how many ways the condition Measured stands: of the steady services, of budgets."""
        paths = [f"{SERVICES_OF_ALL}/{name}" for name in STEADY]
        paths += [f"{COUNTED['PowerBudget']}/{name}" for name in budgets]
        try:
            bodies = [self.api.request("GET", path) for path in paths]
        except AWAY:
            return set()
        return {str(condition(body, "Measured").get("status")) for body in bodies}

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

    def steady_joules(self) -> dict[str, float]:
        """Return the joules that the statuses of the steady services tell, by uid."""
        mine = {f"{NAMESPACE}/{name}" for name in STEADY}
        return {uid: one.joules for uid, one in self.meter.told().items() if one.name in mine}

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


@contextlib.contextmanager
def staged(size: Size, seed: int) -> Iterator[Stage]:
    """Set the stage on a cluster of its own, for the length of a block."""
    with local.cluster(f"chaos-{secrets.token_hex(3)}") as cluster:
        kubectl = Kubectl(cluster)
        kubectl("apply", "--server-side", "-f", str(REPO / "crds"))
        kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        install_policies(kubectl)
        with contextlib.ExitStack() as stack:
            stage = _stage(cluster, kubectl, size, seed, stack)
            _furnish(stage)
            yield stage


def _stage(
    cluster: Cluster, kubectl: Kubectl, size: Size, seed: int, stack: contextlib.ExitStack
) -> Stage:
    """Start all that is beside the cluster; the stack ends it."""
    proxy = Proxy(cluster.kubeconfig, seed).start()
    stack.callback(proxy.stop)
    exporters, prometheus = Exporters(cluster, size).start(), PrometheusServer().start()
    stack.callback(exporters.kill)
    stack.callback(prometheus.stop)
    api, followed = Api(cluster.kubeconfig), tuple(f"{NAMESPACE}/{name}" for name in STEADY)
    return Stage(
        cluster=cluster,
        size=size,
        seed=seed,
        api=api,
        kubectl=kubectl,
        proxy=proxy,
        operator=_operator(cluster, proxy, "first", exporters, stack),
        second=_operator(cluster, proxy, "second", exporters, stack),
        exporters=exporters,
        prometheus=prometheus,
        meter=Meter(api, exporters, followed),
    )


def _operator(
    cluster: Cluster, proxy: Proxy, name: str, exporters: Exporters, stack: contextlib.ExitStack
) -> Supervised:
    operator = Supervised(cluster, name, free_port(), "--telemetry-via", exporters.fakes.url)
    operator.kubeconfig = proxy.kubeconfig(operator.kubeconfig)
    stack.callback(operator.leave)
    return operator


def _furnish(stage: Stage) -> None:
    stage.kubectl.apply(worlds.priority("steady", 1000))
    stage.api.apply(load.namespace())
    stage.api.create_nodes(world.nodes(stage.size))
    stage.apply_world()
    stage.api.apply_all(load.services(stage.size))
    stage.operator.keep()
    took, lost, phantoms = stage.converge(240)
    if lost or phantoms:
        raise RuntimeError(f"the stage is not ready: {lost} {phantoms}")
    wait_until(lambda: stage.measured() == {"True"}, 120, "the first watts")
    say(f"the stage is ready after {took:.1f} s")
