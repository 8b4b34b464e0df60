"""Pods, Deployments and plans for the tests of changes: one service, 50 W above idle a replica."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import builders as b
from kwatt.changes.diff import diff
from kwatt.changes.values import Changes, Group
from kwatt.model.keys import PodKey, ServiceKey
from kwatt.model.plan import Placement, Plan, Totals
from kwatt.model.snapshot import Deployment, Pod, Snapshot

KEY = ServiceKey("city", "traffic")
GROUP = Group(KEY, b.variant())
NONE = b.watts(0)
NO_TOTALS = Totals(NONE, NONE, NONE, NONE, NONE, 0, 0, 0, 0, 0, 0, 0)


def placement(on: str = "n1", replicas: int = 1, above_idle: int = 50, **facts: Any) -> Placement:
    """Place replicas of the default variant, each reserving its NPU's 10 W idle and `above_idle`."""
    defaults = {"service": KEY, "variant": b.variant(), "operating_point": "at-100"}
    reserved = b.watts((10 + above_idle) * replicas)
    figures = {"rate": b.rate(100 * replicas), "reserved": reserved, "planned": reserved}
    return Placement(node=on, replicas=replicas, **(defaults | figures | facts))


def plan_of(*placements: Placement) -> Plan:
    """Make a plan that says nothing but where replicas go."""
    return Plan(placements, (), (), NO_TOTALS, "")


def pod(name: str, **facts: Any) -> Pod:
    """Make a pod of the default variant, gated unless a node or a pin is given."""
    gated = not (facts.get("node") or facts.get("pin"))
    defaults = {
        "uid": f"uid-{name}",
        "resource_version": "7",
        "service": KEY,
        "variant": b.variant(),
        "deployment": "traffic-atom-1",
        "gated": gated,
        "ready": facts.get("node") is not None,
        "watts": 50,
        "created": b.NOW,
    }
    return Pod(key=PodKey("city", name), **(defaults | facts))


def deployment(replicas: int = 1, **facts: Any) -> Deployment:
    """Make the Deployment of the default variant."""
    defaults = {
        "namespace": "city",
        "name": "traffic-atom-1",
        "uid": "uid-d",
        "owner_uid": "uid-s",
        "service": KEY,
        "variant": b.variant(),
        "desired": "",
    }
    return Deployment(replicas=replicas, **(defaults | facts))


def cluster(*pods: Pod, replicas: int | None = None, **facts: Any) -> Snapshot:
    """Make a snapshot with these pods, by default with a Deployment of as many replicas."""
    count = len(pods) if replicas is None else replicas
    defaults = {
        "services": [b.service()],
        "nodes": [b.node("n1", advertised_watts=720), b.node("n2", advertised_watts=720)],
        "deployments": (deployment(count),),
    }
    return b.snapshot(**(defaults | facts), pods=pods)


def advertised(snapshot: Snapshot) -> dict[str, int]:
    """Return what the nodes advertise, without writes in the air."""
    return {n.name: n.advertised_watts for n in snapshot.nodes if n.advertised_watts is not None}


def changes(snapshot: Snapshot, *placements: Placement) -> Changes:
    """Compute the changes towards a plan."""
    return diff(snapshot, plan_of(*placements), advertised(snapshot))


def names_of(pods: Iterable[Any]) -> list[str]:
    """Return the names of the pods that changes are about."""
    return [change.pod.name for change in pods]


def seconds_ago(seconds: float) -> Any:
    """Return a time before the snapshot's."""
    return b.NOW - timedelta(seconds=seconds)
