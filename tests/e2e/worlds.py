"""Small manifests for end-to-end tests. The figures are made up for arithmetic that can be checked by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cluster.nodes import node

Body = dict[str, Any]
RACK = "topology.kubernetes.io/rack"
RESOURCE = "example.com/npu"
CLASS_LABEL = "example.com/product"


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


def pod_template(image: str = "registry.k8s.io/pause:3.10", **spec: Any) -> Body:
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
        "metadata": {"name": name},
        "value": value,
    }


def namespace(name: str) -> Body:
    """Return a Namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def watts_of(pods: Sequence[Body]) -> int:
    """Sum the kwatt.dev/watts that pods ask for."""
    return sum(
        int(c.get("resources", {}).get("requests", {}).get("kwatt.dev/watts", 0))
        for pod in pods
        for c in pod["spec"]["containers"]
    )
