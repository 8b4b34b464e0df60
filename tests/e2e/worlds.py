"""Small manifests for end-to-end tests. The figures are made up for arithmetic that can be checked by hand."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cluster.nodes import node

Body = dict[str, Any]
RACK = "topology.kubernetes.io/rack"
RESOURCE = "example.com/npu"
CLASS_LABEL = "example.com/product"
IMAGE = "registry.k8s.io/pause:3.10"


def npu_node(name: str, rack: str = "a1", npus: int = 4, product: str = "one", **more: Any) -> Body:
    """Return a node with NPUs of a product in a rack."""
    labels = {CLASS_LABEL: product, RACK: rack, **more.pop("labels", {})}
    return node(name, labels, {more.pop("resource", RESOURCE): npus}, **more)


def npu_class(name: str = "one", idle: int = 10, most: int = 60, **spec: Any) -> Body:
    """Return a class whose NPU draws `idle` to `most` watts."""
    return {
        "apiVersion": "kwatt.dev/v1alpha1",
        "kind": "NPUClass",
        "metadata": {"name": name},
        "spec": {
            "vendor": "Example",
            "product": name,
            "nodeSelector": {"matchLabels": {CLASS_LABEL: name}},
            "resourceName": RESOURCE,
            "memory": "16Gi",
            "watts": {"idle": idle, "max": most},
            "basis": "Assumption",
            "source": "made up for a test",
            **spec,
        },
    }


def point(npu_class: str = "one", rate: int = 100, watts: int = 60, **more: Any) -> Body:
    """Return an operating point of one NPU."""
    return {
        "npuClass": npu_class,
        "npus": 1,
        "operatingPoint": f"at-{rate}",
        "perSecond": rate,
        "watts": watts,
        "p99Milliseconds": 20,
        "scope": "Device",
        "basis": "Assumption",
        "source": "made up for a test",
        **more,
    }


def profile(name: str = "model", *points: Body) -> Body:
    """Return a profile; by default one point of 100 images a second at 60 W."""
    return {
        "apiVersion": "kwatt.dev/v1alpha1",
        "kind": "ModelProfile",
        "metadata": {"name": name},
        "spec": {"unit": "images", "memory": "2Gi", "points": list(points or (point(),))},
    }


def service(
    name: str, namespace: str, per_second: int = 100, template: Body | None = None, **spec: Any
) -> Body:
    """Return an InferenceService of the default model."""
    return {
        "apiVersion": "kwatt.dev/v1alpha1",
        "kind": "InferenceService",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "model": "model",
            "throughput": {"perSecond": per_second},
            "template": template or pod_template(),
            **spec,
        },
    }


def pod_template(image: str = IMAGE, **spec: Any) -> Body:
    """Return a pod template with one container and one port."""
    container = {"name": "server", "image": image, "ports": [{"containerPort": 8000}]}
    return {"spec": {"containers": [container], "terminationGracePeriodSeconds": 1, **spec}}


def budget(name: str, watts: int, labels: Mapping[str, str] | None = None, **spec: Any) -> Body:
    """Return a budget over the nodes with `labels`, by default rack a1."""
    return {
        "apiVersion": "kwatt.dev/v1alpha1",
        "kind": "PowerBudget",
        "metadata": {"name": name},
        "spec": {"nodeSelector": {"matchLabels": labels or {RACK: "a1"}}, "watts": watts, **spec},
    }


def priority(name: str, value: int) -> Body:
    """Return a PriorityClass."""
    return {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": name, "labels": {"kwatt.test": "true"}},
        "value": value,
    }


def named(one: Body, name: str) -> Body:
    """Return a manifest under another name."""
    return {**one, "metadata": {**one["metadata"], "name": name}}


def foreign_pod(name: str, namespace: str, node: str, npus: int = 1) -> Body:
    """Return a pod that asks for NPUs and knows nothing of watts."""
    asked = {RESOURCE: str(npus)}
    container = {"name": "main", "image": IMAGE, "resources": {"requests": asked, "limits": asked}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "containers": [container],
            "nodeSelector": {"kubernetes.io/hostname": node},
            "terminationGracePeriodSeconds": 1,
        },
    }


def quota(namespace: str, watts: int) -> Body:
    """Return a quota of the watts above idle that a namespace may ask for."""
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "watts", "namespace": namespace},
        "spec": {"hard": {"requests.kwatt.dev/watts": str(watts)}},
    }


def disruption_budget(service: str, namespace: str, least: int) -> Body:
    """Return a PodDisruptionBudget over the pods of a service."""
    chosen = {"matchLabels": {"kwatt.dev/service": service}}
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": service, "namespace": namespace},
        "spec": {"minAvailable": least, "selector": chosen},
    }


def window(start: datetime, end: datetime, watts: int) -> Body:
    """Return a window from one time of day in UTC to another."""
    clock = {"from": f"{start:%H:%M}", "to": f"{end:%H:%M}"}
    return {"name": "now", "timeZone": "UTC", **clock, "watts": watts}


def watts_of(pod: Body) -> int:
    """Return the kwatt.dev/watts that a pod asks for."""
    requests = (one.get("resources", {}).get("requests", {}) for one in pod["spec"]["containers"])
    return sum(int(one.get("kwatt.dev/watts", 0)) for one in requests)
