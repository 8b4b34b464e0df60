"""The world of the benchmark: nodes, budgets and services as manifests. Values only.

The figures are made up so that they can be checked by hand: an NPU draws 10 W idle and 60 W at most, a
replica gives 100 images a second. The rack caps bind, so that every share of watts has to be patched:
each rack may run 120 replicas where its NPUs would allow 160, and about 100 are needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from e2e import worlds

Body = dict[str, Any]
NAMESPACE = "bench"
NODES_PER_RACK = 20
NPUS = 8
IDLE, MOST, RATE = 10, 60, 100
REPLICAS = 5
EVERYWHERE = {worlds.CLASS_LABEL: "one"}


@dataclass(frozen=True, slots=True)
class Size:
    """How big the world is."""

    nodes: int
    services: int

    @property
    def pods(self) -> int:
        """Return how many pods all services have."""
        return self.services * REPLICAS

    @property
    def racks(self) -> tuple[str, ...]:
        """Return the names of the racks."""
        return tuple(f"rack-{number:02d}" for number in range(self.nodes // NODES_PER_RACK))


FULL = Size(nodes=200, services=200)
QUICK = Size(nodes=40, services=40)


def nodes(size: Size) -> list[Body]:
    """Return the nodes, rack by rack."""
    return [
        worlds.npu_node(f"node-{number:03d}", size.racks[number // NODES_PER_RACK], NPUS)
        for number in range(size.nodes)
    ]


def catalogue() -> list[Body]:
    """Return the class of all NPUs and the profile of all services."""
    return [worlds.npu_class(idle=IDLE, most=MOST), worlds.profile("model", worlds.point())]


def rack_cap(replicas: int) -> int:
    """Return the watts of a rack that runs so many replicas."""
    return NODES_PER_RACK * NPUS * IDLE + replicas * (MOST - IDLE)


def budgets(size: Size) -> list[Body]:
    """Return a cap on each rack, and one on all of them that binds as well."""
    racks = [worlds.budget(rack, rack_cap(120), {worlds.RACK: rack}) for rack in size.racks]
    room = rack_cap(108) * len(size.racks)
    return [*racks, worlds.budget("all", room, EVERYWHERE)]


def name_of(number: int) -> str:
    """Return the name of a service."""
    return f"service-{number:03d}"


def service(name: str, replicas: int = REPLICAS) -> Body:
    """Return an InferenceService that needs so many replicas."""
    return worlds.service(name, NAMESPACE, replicas * RATE, _template())


def services(size: Size) -> list[Body]:
    """Return all InferenceServices."""
    return [service(name_of(number)) for number in range(size.services)]


def deployments(size: Size) -> list[Body]:
    """Return the same pods as plain Deployments: no gate, no watts."""
    return [_deployment(name_of(number)) for number in range(size.services)]


def plain_services(size: Size) -> list[Body]:
    """Return the Services that KWatt makes too."""
    return [_plain_service(name_of(number)) for number in range(size.services)]


def _template() -> Body:
    return worlds.pod_template()


def _deployment(name: str) -> Body:
    template = _template()
    container = {
        **template["spec"]["containers"][0],
        "resources": {"limits": {worlds.RESOURCE: "1"}},
    }
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "replicas": REPLICAS,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {**template["spec"], "containers": [container]},
            },
        },
    }


def _plain_service(name: str) -> Body:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"selector": {"app": name}, "ports": [{"port": 8000}]},
    }
