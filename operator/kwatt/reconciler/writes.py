"""From changes to requests: each change of a cycle as one write with a key, ready to be sent.

Nothing is sent here. A write whose object is already as it should be is not made at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from kwatt import names
from kwatt.changes.values import Cost, Eviction, Group, Release, Removal, Scale, ShareChange
from kwatt.cluster.outbox import Request
from kwatt.cluster.paths import DEPLOYMENTS, NODES, PODS, SERVICES, status_of
from kwatt.cluster.writes import Apply, Claim, Delete, Evict, JsonPatch, MergePatch
from kwatt.manifests.deployments import Owner, Workload, build_deployment, desired_hash
from kwatt.manifests.patches import build_cost, build_release, build_share
from kwatt.manifests.routes import OwnedRoute
from kwatt.manifests.services import OwnedService, build_service
from kwatt.model.keys import ServiceKey, Variant
from kwatt.model.snapshot import Deployment, Service, Snapshot
from kwatt.planning.curves import setting_of
from kwatt.reconciler.describing import ObjectKey
from kwatt.reconciler.memo import Memo
from kwatt.reconciler.store import Written

Body = dict[str, Any]


class WriteKey(NamedTuple):
    """What a write is about: back-off and failures are remembered by it.

    `act` keeps a decrease of power apart from an increase, and one version of a manifest from the next.
    `service` is the InferenceService whose status tells of a failure.
    """

    target: ObjectKey
    act: str
    service: ServiceKey | None = None


@dataclass(frozen=True, slots=True)
class Scene:
    """What writes are built from besides the change itself.

    `generations` are those of Deployments and HTTPRoutes as KWatt left them, by uid: another one was
    edited since. `hashes` are those of manifests, by all that these are built from.
    """

    snapshot: Snapshot
    owners: Mapping[ServiceKey, Written]
    services: Mapping[tuple[str, str], OwnedService]
    generations: Mapping[str, int]
    routes: Mapping[ServiceKey, OwnedRoute] = field(default_factory=dict)
    hashes: Memo[str] = field(default_factory=Memo)


def share_writes(changes: Iterable[ShareChange], act: str) -> list[Request]:
    """Patch the share of kwatt.dev/watts on nodes."""
    return [
        Request(
            WriteKey(ObjectKey("Node", "", change.node), act),
            MergePatch(status_of(NODES.named(change.node)), build_share(change)),
        )
        for change in changes
    ]


def removal_writes(removals: Iterable[Removal]) -> list[Request]:
    """Delete Deployments that are no longer planned."""
    return [
        Request(
            WriteKey(ObjectKey("Deployment", removal.namespace, removal.name), "delete"),
            Delete(DEPLOYMENTS.named(removal.name, removal.namespace), removal.uid),
        )
        for removal in removals
    ]


def cost_writes(costs: Iterable[Cost]) -> list[Request]:
    """Name the pods that a shrinking Deployment loses."""
    return [
        Request(
            WriteKey(ObjectKey("Pod", *cost.pod), "cost"),
            MergePatch(PODS.named(cost.pod.name, cost.pod.namespace), build_cost(cost)),
        )
        for cost in costs
    ]


def eviction_writes(evictions: Iterable[Eviction]) -> list[Request]:
    """Evict pods; the API server refuses with 429 what a PodDisruptionBudget protects."""
    return [
        Request(
            WriteKey(ObjectKey("Pod", *eviction.pod), "evict"),
            Evict(eviction.pod.namespace, eviction.pod.name, eviction.uid),
        )
        for eviction in evictions
    ]


def release_writes(snapshot: Snapshot, releases: Iterable[Release]) -> list[Request]:
    """Pin gated pods to their node and remove the gate."""
    return [
        Request(
            WriteKey(ObjectKey("Pod", *release.pod), "release"),
            JsonPatch(
                PODS.named(release.pod.name, release.pod.namespace),
                tuple(build_release(release, snapshot.now)),
            ),
        )
        for release in releases
    ]


def scale_writes(scene: Scene, scales: Iterable[Scale]) -> list[Request]:
    """Apply the Deployments that differ from what they should be."""
    have = {Group(d.service, d.variant): d for d in scene.snapshot.deployments}
    services = {service.key: service for service in scene.snapshot.services}
    requests = []
    for scale in scales:
        service = services[scale.service]
        existing = have.get(Group(scale.service, scale.variant))
        if service.held is not None or scale.only_resized or not scale.replicas:
            requests += _resize(scale, existing)
        elif scale.service in scene.owners:  # else it was deleted while it was planned
            requests += _apply_deployment(scene, scale, service, existing)
    return requests


def _resize(scale: Scale, existing: Deployment | None) -> list[Request]:
    """Change only the number of replicas: who is held has no template, who leaves needs none."""
    if existing is None or existing.replicas == scale.replicas:
        return []
    path = DEPLOYMENTS.named(existing.name, existing.namespace)
    patch = {"metadata": {"uid": existing.uid}, "spec": {"replicas": scale.replicas}}
    target = ObjectKey("Deployment", existing.namespace, existing.name)
    key = WriteKey(target, f"resize/{scale.replicas}", scale.service)
    return [Request(key, MergePatch(path, patch))]


def _apply_deployment(
    scene: Scene, scale: Scale, service: Service, existing: Deployment | None
) -> list[Request]:
    owner = scene.owners[scale.service]
    load = workload(owner, scale.variant, service, scene.snapshot)
    if existing is not None and _current(scene, existing, scale, load):
        return []
    manifest = build_deployment(load, scale)
    name = str(manifest["metadata"]["name"])
    path = DEPLOYMENTS.named(name, owner.namespace)
    target = ObjectKey("Deployment", owner.namespace, name)
    key = WriteKey(target, f"apply/{desired_hash(manifest)}", scale.service)
    known = existing is not None
    return [Request(key, Apply(path, manifest) if known else Claim(path, manifest, owner.uid))]


def _current(scene: Scene, existing: Deployment, scale: Scale, load: Workload) -> bool:
    left = scene.generations.get(existing.uid, existing.generation)
    desired = scene.hashes.value(
        Group(scale.service, scale.variant),
        (load, scale),
        lambda: desired_hash(build_deployment(load, scale)),
    )
    return (
        existing.desired == desired
        and existing.replicas == scale.replicas
        and existing.generation == left
    )


def workload(
    owner: Written, variant: Variant, service: Service | None, snapshot: Snapshot
) -> Workload:
    """Collect what a Deployment of `variant` is built from."""
    npu_class = snapshot.classes.get(variant.npu_class)
    overrides = {v["npuClass"]: v["template"] for v in owner.spec.get("variants") or []}
    return Workload(
        owner=Owner(owner.namespace, owner.name, owner.uid),
        template=owner.spec["template"],
        override=overrides.get(variant.npu_class),
        env=_env(variant, service, snapshot),
        tolerations=npu_class.tolerations if npu_class else (),
        priority_class=owner.spec.get("priorityClassName"),
    )


def _env(
    variant: Variant, service: Service | None, snapshot: Snapshot
) -> tuple[tuple[str, str], ...]:
    profile = snapshot.profiles.get(service.model) if service else None
    for point in profile.points if profile else ():
        alike = (point.npu_class, point.npus) == (variant.npu_class, variant.npus)
        if alike and setting_of(point.env) == variant.setting:
            return point.env
    return ()


def service_writes(scene: Scene) -> list[Request]:
    """Apply the Service of every planned InferenceService that lacks it or has another."""
    requests = []
    for service in scene.snapshot.services:
        owner = scene.owners.get(service.key)  # None: it was deleted while it was planned
        if service.held is None and owner is not None:
            requests += _apply_service(scene, owner)
    return requests


def _apply_service(scene: Scene, owner: Written) -> list[Request]:
    existing = scene.services.get((owner.namespace, owner.name))
    ours = existing is not None and existing.owner_uid == owner.uid
    if ours and existing is not None and existing.desired == _service_hash(scene, owner):
        return []
    manifest = _service(owner)
    path = SERVICES.named(owner.name, owner.namespace)
    target = ObjectKey("Service", owner.namespace, owner.name)
    key = WriteKey(
        target, f"apply/{desired_hash(manifest)}", ServiceKey(owner.namespace, owner.name)
    )
    return [Request(key, Apply(path, manifest) if ours else Claim(path, manifest, owner.uid))]


def _service_hash(scene: Scene, owner: Written) -> str:
    return scene.hashes.value(
        owner.uid, (owner.spec["template"],), lambda: desired_hash(_service(owner))
    )


def _service(owner: Written) -> Body:
    return build_service(Owner(owner.namespace, owner.name, owner.uid), owner.spec["template"])


def rehearsals(owner: Written, snapshot: Snapshot) -> list[Body]:
    """Build the Deployments for a dry run: from the owner's template, and from each variant of it."""
    classes = [variant["npuClass"] for variant in owner.spec.get("variants") or []]
    return [_rehearsal(owner, name, snapshot) for name in ("", *classes)]


def _rehearsal(owner: Written, npu_class: str, snapshot: Snapshot) -> Body:
    variant = Variant(npu_class or "any", f"{names.GROUP}/any-npu", 1, "")
    scale = Scale(ServiceKey(owner.namespace, owner.name), variant, 0, 0, "")
    return build_deployment(workload(owner, variant, None, snapshot), scale)
