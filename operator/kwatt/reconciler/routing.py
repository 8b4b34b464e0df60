"""From splits to requests: the HTTPRoute of each routed service, and a Service per variant behind it.

    weights that fall ─► ... pods go and come ... ─► Services of variants ─► other weights ─► what is left over

Nothing is sent here, and nothing is asked for that is already as it should be.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from kwatt.api.ports import routed_port
from kwatt.changes.splits import WHOLE, Split
from kwatt.cluster.outbox import Request
from kwatt.cluster.paths import HTTP_ROUTES, SERVICES
from kwatt.cluster.writes import Apply, Claim, Delete
from kwatt.manifests.deployments import Owner, deployment_name, desired_hash
from kwatt.manifests.routes import Backend, OwnedRoute, build_route, covers
from kwatt.manifests.services import OwnedService, build_variant_service
from kwatt.model.keys import ServiceKey
from kwatt.reconciler.describing import ObjectKey
from kwatt.reconciler.store import Written
from kwatt.reconciler.writes import Scene, WriteKey

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Routing:
    """The requests of one cycle: `drain` before pods go, the others after pods came, in this order."""

    drain: list[Request]
    services: list[Request]
    routes: list[Request]
    remove: list[Request]


class _Routed(NamedTuple):
    """A service with a route, and what its HTTPRoute should be."""

    owner: Written
    split: Split
    manifest: Body


def routing_writes(scene: Scene, splits: Iterable[Split]) -> Routing:
    """Compare the splits with what is there."""
    routed = [one for split in splits for one in _routed(scene, split)]
    drain: list[Request] = []
    others: list[Request] = []
    for one in routed:
        existing = scene.routes.get(one.split.service)
        if not _current(scene, existing, one):
            falls = existing is not None and _falls(existing, one.manifest)
            (drain if falls else others).append(_request(one, existing))
    services = [request for one in routed for request in _services(scene, one)]
    return Routing(drain, services, others, list(_remove(scene, routed)))


def _routed(scene: Scene, split: Split) -> Iterator[_Routed]:
    """Yield the service with its route, none if it was edited or deleted since it was planned."""
    owner = scene.owners.get(split.service)
    route = owner.spec.get("route") if owner else None
    if owner is None or not isinstance(route, dict):
        return
    port = routed_port(owner.spec["template"], route.get("port"))
    if port is None:
        return
    backends = [
        Backend(deployment_name(owner.name, variant), weight) for variant, weight in split.weights
    ]
    everything = [Backend(owner.name, WHOLE)]  # nothing is planned: it keeps its host names
    yield _Routed(owner, split, build_route(_owner(owner), route, port, backends or everything))


def _owner(owner: Written) -> Owner:
    return Owner(owner.namespace, owner.name, owner.uid)


def _current(scene: Scene, existing: OwnedRoute | None, one: _Routed) -> bool:
    """Tell whether it need not be written: who edits it after each write must not make that endless."""
    if existing is None or existing.owner_uid != one.owner.uid:
        return False
    as_left = scene.generations.get(existing.uid) == existing.generation
    intact = as_left or covers(existing.spec, one.manifest["spec"])
    return existing.desired == desired_hash(one.manifest) and intact


def _falls(existing: OwnedRoute, manifest: Body) -> bool:
    """Tell whether a Service with a weight is to have none."""
    (rule,) = manifest["spec"]["rules"]
    kept = {ref["name"] for ref in rule["backendRefs"] if ref["weight"]}
    return any(backend.weight and backend.service not in kept for backend in existing.backends)


def _request(one: _Routed, existing: OwnedRoute | None) -> Request:
    ours = existing is not None and existing.owner_uid == one.owner.uid
    path = HTTP_ROUTES.named(one.owner.name, one.owner.namespace)
    return _applying(path, one.manifest, one.owner, ours=ours)


def _services(scene: Scene, one: _Routed) -> Iterator[Request]:
    """Apply the Services of the variants that the route names."""
    owner = one.owner
    for variant, _ in one.split.weights:
        manifest = build_variant_service(_owner(owner), variant, owner.spec["template"])
        name = manifest["metadata"]["name"]
        existing = scene.services.get((owner.namespace, name))
        ours = existing is not None and existing.owner_uid == owner.uid
        if ours and existing is not None and existing.desired == desired_hash(manifest):
            continue
        yield _applying(SERVICES.named(name, owner.namespace), manifest, owner, ours=ours)


def _applying(path: str, manifest: Body, owner: Written, *, ours: bool) -> Request:
    target = ObjectKey(manifest["kind"], owner.namespace, manifest["metadata"]["name"])
    service = ServiceKey(owner.namespace, owner.name)
    key = WriteKey(target, f"apply/{desired_hash(manifest)}", service)
    return Request(key, Apply(path, manifest) if ours else Claim(path, manifest, owner.uid))


def _remove(scene: Scene, routed: Iterable[_Routed]) -> Iterator[Request]:
    """Delete routes that nobody asks for, and Services of variants that no route names any more."""
    variants = [one for one in scene.services.values() if one.variant]
    if not (scene.routes or variants):
        return
    planned = {
        scene.owners[one.key].uid: one
        for one in scene.snapshot.services
        if one.held is None and one.key in scene.owners
    }
    for key in sorted(scene.routes):
        route = scene.routes[key]
        service = planned.get(route.owner_uid)
        if service is not None and not (service.mixes and service.key == key):
            yield _deletion("HTTPRoute", route)
    named = {
        (route.namespace, backend.service)
        for route in scene.routes.values()
        for backend in route.backends
    } | {(one.owner.namespace, name) for one in routed for name in _named(one.manifest)}
    for stale in sorted(variants, key=lambda one: (one.namespace, one.name)):
        if (stale.namespace, stale.name) not in named and stale.owner_uid in planned:
            yield _deletion("Service", stale)


def _named(manifest: Body) -> list[str]:
    (rule,) = manifest["spec"]["rules"]
    return [ref["name"] for ref in rule["backendRefs"]]


def _deletion(kind: str, one: OwnedRoute | OwnedService) -> Request:
    collection = HTTP_ROUTES if kind == "HTTPRoute" else SERVICES
    key = WriteKey(ObjectKey(kind, one.namespace, one.name), "delete")
    return Request(key, Delete(collection.named(one.name, one.namespace), one.uid))
