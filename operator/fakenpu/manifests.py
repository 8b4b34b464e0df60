"""What Kubernetes manifests of nodes and pods say about NPUs. Reads parsed objects, asks nobody."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fakenpu.keys import PodKey, ServiceKey
from fakenpu.names import CLASS_LABEL, SERVICE_LABEL
from fakenpu.pods import Node, Pod, Runtime, Service
from fakenpu.products import PRODUCTS, Product, product_on

Body = Mapping[str, Any]
_OVER = ("Succeeded", "Failed")
_RUNTIMES = {
    "FuriosaLLM": Runtime.FURIOSA_LLM,
    "VLLM": Runtime.VLLM,
    "Triton": Runtime.TRITON,
    "KServe": Runtime.KSERVE,
}


def node_of(body: Body, products: Iterable[Product] = PRODUCTS) -> Node | None:
    """Return the node of a manifest, None where it carries no product that is known."""
    metadata = body.get("metadata") or {}
    product = product_on(metadata.get("labels") or {}, products)
    if product is None:
        return None
    offered = (body.get("status") or {}).get("capacity") or {}
    devices = next((int(offered[name]) for name in product.resources if name in offered), 0)
    return Node(str(metadata["name"]), product, devices) if devices else None


def has_ended(body: Body) -> bool:
    """Return whether a pod holds nothing any more."""
    return (body.get("status") or {}).get("phase") in _OVER


def holds_npus(body: Body) -> bool:
    """Return whether a pod is bound and asks for an NPU of a product that is known."""
    spec = body.get("spec") or {}
    return bool(spec.get("nodeName")) and any(_npus_of(spec, product) for product in PRODUCTS)


def pod_of(body: Body, nodes: Mapping[str, Node]) -> Pod | None:
    """Return a pod that is bound to one of `nodes` and holds NPUs of it, None for any other."""
    metadata, spec = body.get("metadata") or {}, body.get("spec") or {}
    status, labels = body.get("status") or {}, metadata.get("labels") or {}
    node = nodes.get(spec.get("nodeName") or "")
    npus = 0 if node is None else _npus_of(spec, node.product)
    if node is None or not npus:
        return None
    service, namespace = labels.get(SERVICE_LABEL), str(metadata["namespace"])
    return Pod(
        key=PodKey(namespace, str(metadata["name"])),
        node=node.name,
        npus=npus,
        npu_class=str(labels.get(CLASS_LABEL, node.product.name)),
        service=ServiceKey(namespace, service) if service else None,
        env=_env_of(spec),
        container=_container_of(spec, node.product),
        ready=_is_ready(status) and not metadata.get("deletionTimestamp"),
    )


def service_of(body: Body) -> Service:
    """Return an InferenceService of which nothing is asked yet, counted as its `spec.counters` say."""
    metadata, spec = body["metadata"], body.get("spec") or {}
    counters = spec.get("counters") or {}
    served = counters.get("served") or ["served_total"]
    return Service(
        key=ServiceKey(str(metadata["namespace"]), str(metadata["name"])),
        model=str(spec.get("model", "")),
        runtime=_RUNTIMES.get(str(counters.get("runtime")), Runtime.COUNTER),
        counter=str(served[0] if isinstance(served, list) else served),
    )


def _npus_of(spec: Body, product: Product) -> int:
    return sum(_limit(container, product) for container in spec.get("containers") or ())


def _limit(container: Body, product: Product) -> int:
    limits = (container.get("resources") or {}).get("limits") or {}
    return next((int(limits[name]) for name in product.resources if name in limits), 0)


def _container_of(spec: Body, product: Product) -> str:
    holders = (c["name"] for c in spec.get("containers") or () if _limit(c, product))
    return str(next(holders, "server"))


def _env_of(spec: Body) -> dict[str, str]:
    return {
        str(variable["name"]): str(variable["value"])
        for container in spec.get("containers") or ()
        for variable in container.get("env") or ()
        if "value" in variable
    }


def _is_ready(status: Body) -> bool:
    conditions = status.get("conditions") or ()
    ready = any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)
    return status.get("phase") == "Running" and ready
