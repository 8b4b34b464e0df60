"""A snapshot as plain Kubernetes manifests, which `kwatt plan -f FILE` reads back to the same plan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from bench.planner.fleet import NAMESPACE, PRODUCT, RACK, SOURCE
from kwatt.model.npu import NpuClass, OperatingPoint, Profile
from kwatt.model.snapshot import Budget, Node, PodShape, Service, Snapshot
from kwatt.units import plain

Body = dict[str, Any]
_KWATT = "kwatt.dev/v1alpha1"


def manifests_of(snapshot: Snapshot) -> Body:
    """Return a List of all objects; the budgets must be racks, or over all nodes."""
    return {"apiVersion": "v1", "kind": "List", "items": list(_items(snapshot))}


def _items(snapshot: Snapshot) -> Iterator[Body]:
    racks = {node.name: node.labels[RACK] for node in snapshot.nodes}
    yield from (_priority(value) for value in sorted({s.priority for s in snapshot.services}))
    yield from (_node(node) for node in snapshot.nodes)
    yield from (_npu_class(one) for _, one in sorted(snapshot.classes.items()))
    yield from (_profile(one) for _, one in sorted(snapshot.profiles.items()) if one.points)
    yield from (_budget(budget, racks) for budget in snapshot.budgets)
    yield from (_service(service) for service in snapshot.services)


def _watts(milliwatts: int) -> str:
    return plain(milliwatts, 1000)


def _own(kind: str, name: str, spec: Body) -> Body:
    return {"apiVersion": _KWATT, "kind": kind, "metadata": {"name": name}, "spec": spec}


def _priority_name(value: int) -> str:
    return f"level-{value}"


def _priority(value: int) -> Body:
    return {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": _priority_name(value)},
        "value": value,
    }


def _node(node: Node) -> Body:
    amounts = {
        str(node.resource): str(node.npus_capacity),
        "cpu": f"{node.cpu_milli}m",
        "memory": str(node.memory_bytes),
        "pods": str(node.pods),
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": node.name, "labels": dict(sorted(node.labels.items()))},
        "status": {"capacity": amounts, "allocatable": dict(amounts)},
    }


def _npu_class(npu_class: NpuClass) -> Body:
    spec = {
        "vendor": "Example",
        "product": npu_class.name,
        "nodeSelector": {"matchLabels": {PRODUCT: npu_class.name}},
        "resourceName": npu_class.resources[0],
        "memory": str(npu_class.memory_bytes),
        "watts": {
            "idle": _watts(npu_class.idle.milliwatts),
            "max": _watts(npu_class.max.milliwatts),
        },
        "basis": str(npu_class.basis),
        "source": SOURCE,
    }
    return _own("NPUClass", npu_class.name, spec)


def _profile(profile: Profile) -> Body:
    spec = {
        "unit": profile.unit,
        "memory": str(profile.memory_bytes),
        "points": [_point(point) for point in profile.points],
    }
    return _own("ModelProfile", profile.name, spec)


def _point(point: OperatingPoint) -> Body:
    return {
        "npuClass": point.npu_class,
        "npus": point.npus,
        "operatingPoint": point.name,
        "perSecond": plain(point.rate.micros, 10**6),
        "watts": _watts(point.power.milliwatts),
        "p99Milliseconds": plain(point.p99_micros or 0, 1000),
        "scope": str(point.scope),
        "basis": str(point.basis),
        "source": point.source,
    }


def _budget(budget: Budget, racks: dict[str, str]) -> Body:
    spec = {
        "nodeSelector": _selector({racks[name] for name in budget.nodes}, set(racks.values())),
        "watts": _watts(budget.cap.milliwatts),
        "hostWatts": _watts(budget.host.milliwatts),
        "emptyNodes": "PoweredOff" if budget.empty_off else "Idle",
    }
    return _own("PowerBudget", budget.name, spec)


def _selector(covered: Iterable[str], every: set[str]) -> Body:
    names = sorted(covered)
    if set(names) == every and len(every) > 1:
        return {"matchExpressions": [{"key": RACK, "operator": "Exists"}]}
    return {"matchLabels": {RACK: names[0]}}


def _service(service: Service) -> Body:
    spec: Body = {
        "model": service.model,
        "throughput": {"perSecond": plain(service.target.micros, 10**6)},
        "replicas": {"min": service.min_replicas},
        "priorityClassName": _priority_name(service.priority),
        "template": _template(service.shape),
    }
    if service.latency_micros is not None:
        spec["latency"] = {"p99Milliseconds": plain(service.latency_micros, 1000)}
    if service.power_limit is not None:
        spec["power"] = {"watts": _watts(service.power_limit.milliwatts)}
    body = _own("InferenceService", service.key.name, spec)
    return {**body, "metadata": {"name": service.key.name, "namespace": NAMESPACE}}


def _template(shape: PodShape) -> Body:
    requests = {"cpu": f"{shape.cpu_milli}m", "memory": str(shape.memory_bytes)}
    container = {
        "name": "server",
        "image": "registry.k8s.io/pause:3.10",
        "resources": {"requests": requests},
    }
    return {"spec": {"containers": [container]}}
