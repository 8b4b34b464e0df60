"""Objects with statuses as the operator writes them, for `kwatt top` and `kwatt explain`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from kwatt.cluster.reading import Wanted
from kwatt.errors import ClusterError, Missing

NOW = datetime(2026, 11, 23, 9, 0, 12, tzinfo=UTC)
_AT = "2026-11-23T09:00:00Z"
Body = dict[str, Any]


def condition(type_: str, status: str, reason: str, message: str) -> Body:
    return {
        "type": type_,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": "2026-11-23T08:45:00Z",
    }


def budget(name: str, cap: str, left: str, **status: Any) -> Body:
    return {
        "kind": "PowerBudget",
        "metadata": {"name": name},
        "spec": {
            "nodeSelector": {"matchLabels": {"topology.kubernetes.io/rack": name}},
            "watts": 900,
        },
        "status": {
            "capWatts": cap,
            "hostWatts": "120",
            "idleWatts": "68.96",
            "reservedWatts": "472.6",
            "foreignWatts": "65",
            "headroomWatts": left,
            **status,
        },
    }


def service(namespace: str, name: str, **status: Any) -> Body:
    return {
        "kind": "InferenceService",
        "metadata": {"namespace": namespace, "name": name, "generation": 3},
        "spec": {"model": "yolov5m-640"},
        "status": {"observedGeneration": 3, **status} if status else {},
    }


ENERGY = {
    "joules": "3651200.5",
    "since": "2026-11-22T17:00:00Z",
    "unmeasuredSeconds": 90,
    "scope": "Device",
    "at": _AT,
}
TRAFFIC = service(
    "city-traffic",
    "traffic",
    unit="images",
    summary={"class": "rebellions-atom", "replicas": "4/4", "rate": "1200/1200"},
    conditions=[
        condition("Ready", "True", "ReplicasReady", "4 of 4 replicas are ready"),
        condition("Measured", "True", "Measured", "watts are read from its cards"),
    ],
    placements=[
        {
            "npuClass": "rebellions-atom",
            "npus": 1,
            "operatingPoint": "batch-8",
            "replicas": 4,
            "readyReplicas": 4,
            "perSecond": "1200",
            "watts": "164",
            "basis": "Measured",
        }
    ],
    planned={
        "perSecond": "1200",
        "watts": "164",
        "reservedWatts": "180",
        "unitsPerJoule": "7.317",
        "scope": "Device",
    },
    measured={
        "perSecond": "987.5",
        "watts": "140.2",
        "unitsPerJoule": "7.044",
        "window": "60s",
        "scope": "Device",
        "at": _AT,
        "estimated": True,
    },
    energy=ENERGY,
    comparedWith={"device": "NVIDIA A2", "unitsPerJoule": "0.9", "savedPercent": "87.2"},
)
HAZARD = service(
    "city-safety",
    "hazard",
    unit="장",
    summary={"replicas": "1/2", "rate": "300/900", "reason": "PowerBudgetExceeded"},
    conditions=[
        condition("Ready", "False", "PowerBudgetExceeded", "rack-a1 has 140 W left"),
        condition("Placed", "False", "PowerBudgetExceeded", "rack-a1 has 140 W left"),
        condition(
            "Measured", "Unknown", "NoTelemetry", "figures are planned, no meter is read yet"
        ),
    ],
    placements=[
        {
            "npuClass": "furiosa-rngd",
            "npus": 2,
            "operatingPoint": "tp-2",
            "replicas": 1,
            "readyReplicas": 1,
            "perSecond": "300",
            "watts": "150",
            "basis": "Assumption",
        }
    ],
    planned={"perSecond": "300", "watts": "150", "reservedWatts": "180", "unitsPerJoule": "2"},
    unplaced={
        "shortfallPerSecond": "600",
        "rejections": [
            {
                "npuClass": "furiosa-rngd",
                "reason": "PowerBudgetExceeded",
                "message": "rack-a1 has 140 W left, the service needs 180 W; held by city-traffic/traffic",
            },
            {
                "npuClass": "rebellions-atom",
                "reason": "InsufficientMemory",
                "message": "needs 24 Gi",
            },
        ],
        "nearest": ["+40 W on rack-a1", "one more furiosa-rngd node like n3"],
    },
)
LOST = {
    **TRAFFIC,
    "metadata": {"namespace": "city-food", "name": "nutrition", "generation": 4},
    "status": {
        **TRAFFIC["status"],
        "conditions": [
            condition("Ready", "True", "ReplicasReady", "4 of 4 replicas are ready"),
            condition("Measured", "False", "Unreachable", "no exporter answered for 15 min"),
        ],
    },
}
NEW = service("city-food", "new")
RACK = budget("rack-a1", "900", "173.44", measuredWatts="612.5", energy=ENERGY)
OVER = budget("row-a", "600", "-126.56")
NODE = {
    "kind": "Node",
    "metadata": {"name": "n1", "labels": {"topology.kubernetes.io/rack": "rack-a1"}},
}
POD = {
    "kind": "Pod",
    "metadata": {"name": "traffic-1", "namespace": "city-traffic"},
    "spec": {"nodeName": "n1"},
}


def cluster(*bodies: Body, **refused: ClusterError) -> Any:
    """Return what lists these objects; `refused` are names of what may not be listed, and why."""
    kinds = {
        "services": "InferenceService",
        "budgets": "PowerBudget",
        "pods": "Pod",
        "nodes": "Node",
        "lease": "Lease",
    }

    def read(name: str, one: Wanted) -> list[Body] | ClusterError:
        found = [body for body in bodies if _fits(body, kinds[name], one)]
        return found if found or not one.single else Missing(404, "not found")

    def list_kinds(_: str | None, wanted: Mapping[str, Wanted]) -> dict[str, Any]:
        return {name: refused.get(name, read(name, one)) for name, one in wanted.items()}

    return list_kinds


def lease(renewed: datetime, holder: str = "kwatt-1_a", seconds: int = 15) -> Body:
    """Return the operator's Lease as it was renewed at that time."""
    return {
        "kind": "Lease",
        "metadata": {"namespace": "kwatt-system", "name": "kwatt"},
        "spec": {
            "holderIdentity": holder,
            "leaseDurationSeconds": seconds,
            "renewTime": renewed.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        },
    }


def _fits(body: Body, kind: str, wanted: Wanted) -> bool:
    namespace = body["metadata"].get("namespace", "")
    within = "/namespaces/" not in wanted.path or f"/namespaces/{namespace}/" in wanted.path
    return bool(body["kind"] == kind and within)
