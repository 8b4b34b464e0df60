"""Builders of small snapshots: every argument has a sensible default, watts and rates are plain numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from kwatt.model.keys import ServiceKey, Variant
from kwatt.model.npu import NpuClass, OperatingPoint, Profile
from kwatt.model.selectors import LabelSelector, NodeTerm, Requirement
from kwatt.model.snapshot import Budget, Incumbent, Node, PodShape, Quota, Service, Snapshot
from kwatt.planning.curves import setting_of
from kwatt.units import Power, Throughput

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
GIB = 1024**3
RESOURCE = "rebellions.ai/ATOM"
ATOM = "atom"


def watts(amount: float | str) -> Power:
    """Make a Power of watts."""
    return Power.parse(amount)


def rate(amount: float | str) -> Throughput:
    """Make a Throughput of units per second."""
    return Throughput.parse(amount)


def node(name: str = "n1", npus: int = 8, npu_class: str | None = ATOM, **facts: Any) -> Node:
    """Make a ready node with plenty of cpu and memory."""
    resource = RESOURCE if npu_class == ATOM else f"npu/{npu_class}" if npu_class else None
    defaults = {
        "labels": {"kubernetes.io/hostname": name},
        "npu_class": npu_class,
        "resource": resource,
        "npus_capacity": npus,
        "npus_allocatable": npus,
        "cpu_milli": 64_000,
        "memory_bytes": 512 * GIB,
        "pods": 110,
    }
    return Node(name=name, **(defaults | facts))


def npu_class(name: str = ATOM, idle: float = 10, most: float = 100, **facts: Any) -> NpuClass:
    """Make an NPU class of 16 GiB; `idle` and `most` are watts of one NPU."""
    resource = RESOURCE if name == ATOM else f"npu/{name}"
    defaults = {
        "resources": (resource,),
        "selector": LabelSelector((Requirement("npu", "In", (name,)),)),
        "memory_bytes": 16 * GIB,
    }
    return NpuClass(name=name, idle=watts(idle), max=watts(most), **(defaults | facts))


def point(
    per_second: float = 100,
    draw: float = 60,
    p99: float | None = 20,
    npu_class: str = ATOM,
    npus: int = 1,
    env: Mapping[str, str] | None = None,
    name: str = "",
) -> OperatingPoint:
    """Make an operating point: units per second and watts of one replica, p99 in milliseconds."""
    return OperatingPoint(
        npu_class=npu_class,
        npus=npus,
        name=name or f"at-{per_second:g}",
        rate=rate(per_second),
        power=watts(draw),
        p99_micros=None if p99 is None else int(p99 * 1000),
        env=tuple(sorted((env or {}).items())),
    )


def profile(*points: OperatingPoint, name: str = "yolo", memory: int = 2 * GIB) -> Profile:
    """Make a profile in images; by default of one point: 100/s at 60 W on one atom."""
    return Profile(name=name, unit="images", memory_bytes=memory, points=points or (point(),))


def service(
    name: str = "traffic", target: float = 100, namespace: str = "city", **facts: Any
) -> Service:
    """Make a service of the model `yolo`."""
    defaults: dict[str, Any] = {"model": "yolo", "shape": PodShape(1000, GIB)}
    return Service(key=ServiceKey(namespace, name), target=rate(target), **(defaults | facts))


def budget(
    name: str = "rack-a1", cap: float = 1000, nodes: Iterable[str] = ("n1",), **facts: Any
) -> Budget:
    """Make a budget without host watts."""
    host = watts(facts.pop("host", 0))
    return Budget(name=name, cap=watts(cap), host=host, nodes=tuple(sorted(nodes)), **facts)


def quota(hard: Mapping[str, int], namespace: str = "city", name: str = "team") -> Quota:
    """Make a quota that nobody else uses."""
    return Quota(namespace, name, hard, {})


def variant(npu_class: str = ATOM, npus: int = 1, env: Mapping[str, str] | None = None) -> Variant:
    """Make the variant of a curve."""
    resource = RESOURCE if npu_class == ATOM else f"npu/{npu_class}"
    return Variant(npu_class, resource, npus, setting_of(tuple(sorted((env or {}).items()))))


def incumbent(on: str = "n1", replicas: int = 1, draw: int = 50, **facts: Any) -> Incumbent:
    """Make running replicas of the default variant; `draw` is their whole watts above idle."""
    return Incumbent(facts.pop("variant", variant(**facts)), on, replicas, draw)


def on_hosts(*names: str) -> tuple[NodeTerm, ...]:
    """Make a required affinity to nodes by name."""
    return (NodeTerm(fields=(Requirement("metadata.name", "In", names),)),)


def snapshot(
    services: Iterable[Service] = (),
    nodes: Iterable[Node] = (),
    budgets: Iterable[Budget] = (),
    **facts: Any,
) -> Snapshot:
    """Make a snapshot; by default one node of eight atoms, and the default class and profile."""
    classes = facts.pop("classes", [npu_class()])
    profiles = facts.pop("profiles", [profile()])
    return Snapshot(
        now=NOW,
        nodes=tuple(nodes) or (node(),),
        classes={c.name: c for c in classes},
        profiles={p.name: p for p in profiles},
        budgets=tuple(budgets),
        services=tuple(services),
        quotas=tuple(facts.pop("quotas", ())),
        **facts,
    )
