"""Bodies as the API server sends them, for tests: a small complete one of each kind, with what differs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

Body = dict[str, Any]

NOW = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)  # a Monday, noon in Seoul
ATOM = "rebellions.ai/ATOM"
WATTS = "kwatt.dev/watts"


def node(name: str = "n1", labels: Mapping[str, str] | None = None, **status: Any) -> Body:
    """Return a ready node with four ATOMs."""
    amounts = {"cpu": "64", "memory": "256Gi", "pods": "110", ATOM: "4"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "uid": f"uid-{name}",
            "resourceVersion": "7",
            "labels": {"kubernetes.io/hostname": name, "npu": "atom", **(labels or {})},
        },
        "spec": {},
        "status": {
            "capacity": amounts,
            "allocatable": amounts,
            "conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": "t0"}],
            **status,
        },
    }


def container(name: str = "server", **requests: str) -> Body:
    """Return a container with these requests (`cpu`, `memory`) ."""
    return {"name": name, "image": "example/server", "resources": {"requests": requests}}


def pod(name: str, node_name: str | None = "n1", namespace: str = "city", **requests: str) -> Body:
    """Return a foreign pod bound to `node_name`."""
    spec: Body = {"containers": [{"name": "main", "resources": {"requests": requests}}]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": namespace, "name": name, "uid": f"uid-{name}"},
        "spec": spec | ({"nodeName": node_name} if node_name else {}),
        "status": {"phase": "Running" if node_name else "Pending"},
    }


OWN_LABELS = {
    "kwatt.dev/service": "traffic",
    "kwatt.dev/variant": "traffic-atom-1a2b3",
    "kwatt.dev/npu-class": "atom",
    "kwatt.dev/npus": "1",
}


def own_pod(name: str, node_name: str | None = "n1", **metadata: Any) -> Body:
    """Return a pod of the service city/traffic as KWatt's Deployment makes it."""
    body = pod(name, node_name, cpu="2", memory="4Gi", **{ATOM: "1", WATTS: "24"})
    body["metadata"] |= {
        "labels": {**OWN_LABELS, "pod-template-hash": "abc", "app": "x"},
        "creationTimestamp": "2026-11-23T02:00:00Z",
        "ownerReferences": [
            {"kind": "ReplicaSet", "name": "traffic-atom-1a2b3-abc", "controller": True}
        ],
        **metadata,
    }
    return body


def deployment(**metadata: Any) -> Body:
    """Return KWatt's Deployment of the service city/traffic."""
    owner = {
        "apiVersion": "kwatt.dev/v1alpha1",
        "kind": "InferenceService",
        "name": "traffic",
        "uid": "uid-traffic",
        "controller": True,
    }
    template = {
        "metadata": {"labels": OWN_LABELS},
        "spec": {"containers": [container(**{ATOM: "1", WATTS: "24"})]},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "namespace": "city",
            "name": "traffic-atom-1a2b3",
            "uid": "uid-deployment",
            "labels": OWN_LABELS,
            "annotations": {"kwatt.dev/desired": "d1"},
            "ownerReferences": [owner],
            **metadata,
        },
        "spec": {"replicas": 2, "template": template},
        "status": {},
    }


def service(name: str = "traffic", template: Body | None = None, **spec: Any) -> Body:
    """Return an InferenceService in the namespace city."""
    pods = template or {"spec": {"containers": [container(cpu="2", memory="4Gi")]}}
    return {
        "apiVersion": "kwatt.dev/v1alpha1",
        "kind": "InferenceService",
        "metadata": {"namespace": "city", "name": name, "uid": f"uid-{name}", "generation": 1},
        "spec": {
            "model": "yolo",
            "throughput": {"perSecond": 400},
            "template": pods,
            **spec,
        },
    }


def npu_class(name: str = "atom", **spec: Any) -> Body:
    """Return a schedulable NPUClass."""
    return {
        "apiVersion": "kwatt.dev/v1alpha1",
        "kind": "NPUClass",
        "metadata": {"name": name, "uid": f"uid-{name}"},
        "spec": {
            "vendor": "Rebellions",
            "product": "ATOM",
            "nodeSelector": {"matchLabels": {"npu": name}},
            "resourceName": ATOM,
            "memory": "16Gi",
            "watts": {"idle": "17.24", "max": 65},
            "basis": "Measured",
            "source": "test",
            **spec,
        },
    }


def point(name: str = "batch-8", **differs: Any) -> Body:
    """Return a measured operating point on one ATOM."""
    return {
        "npuClass": "atom",
        "npus": 1,
        "operatingPoint": name,
        "perSecond": "412.5",
        "watts": "41.2",
        "p99Milliseconds": 38,
        "scope": "Device",
        "basis": "Measured",
        "source": "test",
        **differs,
    }


def profile(name: str = "yolo", points: list[Body] | None = None, **spec: Any) -> Body:
    """Return a ModelProfile with one point."""
    return {
        "apiVersion": "kwatt.dev/v1alpha1",
        "kind": "ModelProfile",
        "metadata": {"name": name, "uid": f"uid-{name}"},
        "spec": {
            "unit": "images",
            "memory": "2Gi",
            "points": [point()] if points is None else points,
            **spec,
        },
    }


def budget(name: str = "rack", windows: list[Body] | None = None, **spec: Any) -> Body:
    """Return a PowerBudget of 9 kW over every node."""
    return {
        "apiVersion": "kwatt.dev/v1alpha1",
        "kind": "PowerBudget",
        "metadata": {"name": name, "uid": f"uid-{name}"},
        "spec": {
            "nodeSelector": {
                "matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "Exists"}]
            },
            "watts": 9000,
            "windows": windows or [],
            **spec,
        },
    }


def window(name: str = "peak", **differs: Any) -> Body:
    """Return a window from 17:00 to 21:00 in Seoul on working days."""
    return {
        "name": name,
        "timeZone": "Asia/Seoul",
        "days": ["Mon", "Tue", "Wed", "Thu", "Fri"],
        "from": "17:00",
        "to": "21:00",
        "watts": 6000,
        **differs,
    }


def quota(hard: Mapping[str, str], **spec: Any) -> Body:
    """Return a ResourceQuota in the namespace city."""
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"namespace": "city", "name": "watts", "uid": "uid-quota"},
        "spec": {"hard": dict(hard), **spec},
    }


def priority(name: str, value: int, *, default: bool = False) -> Body:
    """Return a PriorityClass."""
    return {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": name, "uid": f"uid-{name}"},
        "value": value,
        "globalDefault": default,
    }
