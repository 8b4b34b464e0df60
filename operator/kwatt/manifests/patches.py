"""Patches of pods and nodes as plain data: releasing a pod, its deletion cost, a node's share of watts."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, assert_never

from kwatt import names
from kwatt.changes.values import Cost, Release, ShareChange
from kwatt.model.selectors import AffinityGap

_NODE_AFFINITY: Final = "/spec/affinity/nodeAffinity"
_REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"


def build_release(release: Release, now: datetime) -> list[dict[str, Any]]:
    """Pin the pod, name its deletion cost and remove the gate in one JSON patch, tested against what was seen.

    A gated pod's nodeSelector and required node affinity may only be narrowed, which is what this does:
    https://kubernetes.io/docs/concepts/scheduling-eviction/pod-scheduling-readiness/
    """
    return [
        {"op": "test", "path": "/metadata/uid", "value": release.uid},
        {"op": "test", "path": "/metadata/resourceVersion", "value": release.resource_version},
        {"op": "test", "path": "/spec/schedulingGates/0/name", "value": names.GATE},
        *_pin(release),
        {"op": "remove", "path": "/spec/schedulingGates/0"},
        _annotate(names.RELEASED_ANNOTATION, now.isoformat(timespec="seconds")),
        _annotate(names.DELETION_COST, str(release.cost)),
    ]


def _annotate(name: str, value: str) -> dict[str, Any]:
    return {"op": "add", "path": "/metadata/annotations/" + _escaped(name), "value": value}


def _pin(release: Release) -> list[dict[str, Any]]:
    if release.hostname is not None:
        if release.has_node_selector:
            path = "/spec/nodeSelector/" + _escaped(names.HOSTNAME_LABEL)
            return [{"op": "add", "path": path, "value": release.hostname}]
        selector = {names.HOSTNAME_LABEL: release.hostname}
        return [{"op": "add", "path": "/spec/nodeSelector", "value": selector}]
    return _pin_by_name(release)


def _pin_by_name(release: Release) -> list[dict[str, Any]]:
    """Narrow every required term, or add one below what exists: an affinity that is there must stay."""
    fields = [{"key": "metadata.name", "operator": "In", "values": [release.node]}]
    required = {"nodeSelectorTerms": [{"matchFields": fields}]}
    match release.affinity_terms:
        case None:
            value = {"nodeAffinity": {_REQUIRED: required}}
            return [{"op": "add", "path": "/spec/affinity", "value": value}]
        case AffinityGap.NODE_AFFINITY:
            return [{"op": "add", "path": _NODE_AFFINITY, "value": {_REQUIRED: required}}]
        case AffinityGap.REQUIRED:
            return [{"op": "add", "path": f"{_NODE_AFFINITY}/{_REQUIRED}", "value": required}]
        case int() as count:
            terms = f"{_NODE_AFFINITY}/{_REQUIRED}/nodeSelectorTerms"
            return [
                {"op": "add", "path": f"{terms}/{index}/matchFields", "value": fields}
                for index in range(count)
            ]
        case never:
            assert_never(never)


def build_cost(cost: Cost) -> dict[str, Any]:
    """Set the pod-deletion-cost by merge patch; the uid keeps it off a pod of the same name."""
    return {
        "metadata": {"uid": cost.uid, "annotations": {names.DELETION_COST: str(cost.cost)}},
    }


def build_share(change: ShareChange) -> dict[str, Any]:
    """Set the node's share of kwatt.dev/watts; refused with 409 if the node changed since it was read."""
    watts = {names.WATTS: str(change.after)}
    return {
        "metadata": {"resourceVersion": change.resource_version},
        "status": {"capacity": watts, "allocatable": watts},
    }


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
