"""Nodes: labels, taints, readiness and what they offer."""

from __future__ import annotations

from kwatt.observation.parsing.demands import amount, taints_of
from kwatt.observation.parsing.reading import (
    Body,
    condition,
    read_flag,
    read_identity,
    read_items,
    read_mapping,
    read_pairs,
    read_text,
)
from kwatt.observation.values import ParsedNode


def parse_node(body: Body) -> ParsedNode:
    """Parse a Node. Raises InvalidInput.

    A node without a Ready condition counts as ready: it is a manifest from a file, or so new that its
    not-ready taint keeps pods away.
    """
    identity = read_identity(body, "Node", namespaced=False)
    metadata, spec, status = (read_mapping(body, key) for key in ("metadata", "spec", "status"))
    capacity = _amounts(status, "capacity")
    allocatable = _amounts(status, "allocatable") if status.get("allocatable") else capacity
    ready = condition(body, "Ready")
    return ParsedNode(
        uid=identity.uid,
        name=identity.name,
        labels=read_pairs(metadata, "labels", "metadata."),
        taints=taints_of(read_items(spec, "taints", "spec."), "spec.taints."),
        ready=ready is None or ready.get("status") == "True",
        unschedulable=read_flag(spec, "unschedulable", "spec."),
        capacity=_extended(capacity),
        allocatable=_extended(allocatable),
        cpu_milli=allocatable.get("cpu", 0),
        memory_bytes=allocatable.get("memory", 0),
        pods=allocatable.get("pods", 0),
        resource_version=read_text(metadata, "resourceVersion", "metadata."),
    )


def _amounts(status: Body, key: str) -> dict[str, int]:
    amounts = read_mapping(status, key, "status.")
    return {str(n): amount(str(n), value, f"status.{key}.{n}") for n, value in amounts.items()}


def _extended(amounts: dict[str, int]) -> dict[str, int]:
    return {name: amounts[name] for name in sorted(amounts) if "/" in name}
