"""A service with its template, and the Deployment that was built from it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import builders as b
from kwatt.changes.values import Scale
from kwatt.manifests.deployments import build_deployment, deployment_name, desired_hash
from kwatt.model.keys import ServiceKey
from kwatt.model.snapshot import Deployment, Snapshot
from kwatt.reconciler.store import Written, packed
from kwatt.reconciler.writes import Scene, workload

KEY = ServiceKey("city", "traffic")
ENV = {"MAX_BATCH": "8"}
VARIANT = b.variant(env=ENV)
SCALE = Scale(KEY, VARIANT, 2, 50, "at-100")
NAME = deployment_name("traffic", VARIANT)
TEMPLATE = {"spec": {"containers": [{"name": "server", "ports": [{"containerPort": 8000}]}]}}


def own(kind: str = "InferenceService", name: str = "traffic", **facts: Any) -> Written:
    """Make an own object as it was last seen, without a status."""
    namespace = "city" if kind == "InferenceService" else ""
    defaults = {"generation": 3, "status": {}, "spec": {"template": TEMPLATE}} | facts
    status = packed(defaults.pop("status"))
    return Written(kind, namespace, name, f"uid-{name}", packed=status, **defaults)


def world(**facts: Any) -> Snapshot:
    """Make a snapshot with the service, whose one operating point has an environment."""
    defaults = {"services": [b.service()], "profiles": [b.profile(b.point(env=ENV))]}
    return b.snapshot(**(defaults | facts))


def scene(snapshot: Snapshot | None = None, owner: Written | None = None, **facts: Any) -> Scene:
    """Make a scene around a snapshot."""
    defaults = {"owners": {KEY: owner or own()}, "services": {}, "generations": {}}
    return Scene(snapshot=snapshot or world(), **(defaults | facts))


def applied(**facts: Any) -> Deployment:
    """Make the Deployment as KWatt left it."""
    manifest = build_deployment(workload(own(), VARIANT, b.service(), world()), SCALE)
    defaults = {
        "namespace": "city",
        "name": NAME,
        "uid": "uid-d",
        "owner_uid": "uid-traffic",
        "service": KEY,
        "variant": VARIANT,
        "replicas": 2,
        "desired": desired_hash(manifest),
        "generation": 5,
    }
    return Deployment(**(defaults | facts))


def with_deployment(deployment: Deployment, **facts: Any) -> Snapshot:
    """Add a Deployment to the world."""
    return replace(world(**facts), deployments=(deployment,))
