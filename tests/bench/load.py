"""The world of the benchmark: nodes, budgets and services as manifests. Values only.

The figures are made up so that they can be checked by hand: an NPU draws 10 W idle and 60 W at most, a
replica gives 100 images a second. The rack caps bind, so that every share of watts has to be patched:
each rack may run 120 replicas where its NPUs would allow 160, and about 100 are needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cluster.nodes import node

Body = dict[str, Any]
NAMESPACE = "bench"
RACK = "topology.kubernetes.io/rack"
PRODUCT = "example.com/product"
RESOURCE = "example.com/npu"
IMAGE = "registry.k8s.io/pause:3.10"
NODES_PER_RACK = 20
NPUS = 8
IDLE, MOST, RATE = 10, 60, 100
REPLICAS = 5
ELSEWHERE = "elsewhere"  # a model measured on a class that no node has
EVERYWHERE = {PRODUCT: "one"}


@dataclass(frozen=True, slots=True)
class Size:
    """How big the world is."""

    nodes: int
    services: int
    replicas: int = REPLICAS  # of each service that has any
    waiting: int = 0  # services that no NPU in the cluster can serve

    @property
    def pods(self) -> int:
        """Return how many pods all services have."""
        return (self.services - self.waiting) * self.replicas

    @property
    def racks(self) -> tuple[str, ...]:
        """Return the names of the racks."""
        return tuple(f"rack-{number:02d}" for number in range(self.nodes // NODES_PER_RACK))


FULL = Size(nodes=200, services=200)
QUICK = Size(nodes=40, services=40)


def namespace() -> Body:
    """Return the namespace of all services."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}


def nodes(size: Size) -> list[Body]:
    """Return the nodes, rack by rack."""
    return [_node(number, size.racks[number // NODES_PER_RACK]) for number in range(size.nodes)]


def _node(number: int, rack: str) -> Body:
    return node(f"node-{number:03d}", {PRODUCT: "one", RACK: rack}, {RESOURCE: NPUS})


def catalogue() -> list[Body]:
    """Return the class of all NPUs and the profile of all services."""
    facts = {"basis": "Assumption", "source": "made up for the benchmark"}
    npu_class = {
        "vendor": "Example",
        "product": "one",
        "nodeSelector": {"matchLabels": EVERYWHERE},
        "resourceName": RESOURCE,
        "memory": "16Gi",
        "watts": {"idle": IDLE, "max": MOST},
        **facts,
    }
    point = {
        "npuClass": "one",
        "npus": 1,
        "operatingPoint": "full",
        "perSecond": RATE,
        "watts": MOST,
        "p99Milliseconds": 20,
        "scope": "Device",
        **facts,
    }
    profile = {"unit": "images", "memory": "2Gi", "points": [point]}
    absent = {**npu_class, "nodeSelector": {"matchLabels": {PRODUCT: "two"}}, "product": "two"}
    elsewhere = {**profile, "points": [{**point, "npuClass": "two"}]}
    return [
        *(_own("NPUClass", "one", npu_class), _own("NPUClass", "two", absent)),
        *(_own("ModelProfile", "model", profile), _own("ModelProfile", ELSEWHERE, elsewhere)),
    ]


def _own(kind: str, name: str, spec: Body) -> Body:
    metadata = {"name": name}
    return {"apiVersion": "kwatt.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}


def rack_cap(replicas: int) -> int:
    """Return the watts of a rack that runs so many replicas."""
    return NODES_PER_RACK * NPUS * IDLE + replicas * (MOST - IDLE)


def budgets(size: Size) -> list[Body]:
    """Return a cap on each rack, and one on all of them that binds as well."""
    racks = [_budget(rack, rack_cap(120), {RACK: rack}) for rack in size.racks]
    return [*racks, _budget("all", rack_cap(108) * len(size.racks), EVERYWHERE)]


def _budget(name: str, watts: int, labels: dict[str, str]) -> Body:
    return _own("PowerBudget", name, {"nodeSelector": {"matchLabels": labels}, "watts": watts})


def name_of(number: int) -> str:
    """Return the name of a service."""
    return f"service-{number:03d}"


def service(name: str, replicas: int = REPLICAS, model: str = "model") -> Body:
    """Return an InferenceService that needs so many replicas."""
    spec = {
        "model": model,
        "throughput": {"perSecond": replicas * RATE},
        "template": {"spec": _pod(_container())},
    }
    body = _own("InferenceService", name, spec)
    return {**body, "metadata": {"name": name, "namespace": NAMESPACE}}


def services(size: Size) -> list[Body]:
    """Return all InferenceServices."""
    served = size.services - size.waiting
    return [
        service(name_of(number), size.replicas, "model" if number < served else ELSEWHERE)
        for number in range(size.services)
    ]


def deployments(size: Size) -> list[Body]:
    """Return the same pods as plain Deployments: no gate, no watts."""
    return [_deployment(name_of(number), size.replicas) for number in range(size.services)]


def plain_services(size: Size) -> list[Body]:
    """Return the Services that KWatt makes too."""
    return [_plain_service(name_of(number)) for number in range(size.services)]


def _container() -> Body:
    return {"name": "server", "image": IMAGE, "ports": [{"containerPort": 8000}]}


def _pod(container: Body) -> Body:
    return {"containers": [container], "terminationGracePeriodSeconds": 1}


def _deployment(name: str, replicas: int) -> Body:
    container = {**_container(), "resources": {"limits": {RESOURCE: "1"}}}
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": _pod(container)},
        },
    }


def _plain_service(name: str) -> Body:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"selector": {"app": name}, "ports": [{"port": 8000}]},
    }
