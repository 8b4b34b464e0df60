"""Keeps a world as a cluster is: what was listed or watched goes in, pods are placed and removed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from fakenpu.keys import PodKey
from fakenpu.manifests import Body, has_ended, holds_npus, node_of, pod_of, service_of
from fakenpu.profiles import profile_of
from fakenpu.quantities import BadInput
from fakenpu.world import World

NODES: Final = "nodes"
PODS: Final = "pods"
SERVICES: Final = "inferenceservices"
PROFILES: Final = "modelprofiles"


class Mirror:
    """Applies objects of four resources to a world.

    A service or profile that the scenario names keeps what the scenario says. A pod whose NPUs somebody still
    holds, or whose node is not known yet, waits and is tried again after each change.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._given_services = set(world.services)
        self._given_profiles = set(world.profiles)
        self._given_nodes = set(world.nodes)
        self._given_pods = set(world.replicas)
        self._waiting: dict[PodKey, Body] = {}

    def replace_all(self, resource: str, bodies: Iterable[Body]) -> None:
        """Take a list: pods that were there before and are not in it are gone."""
        listed = list(bodies)
        if resource == PODS:
            self._keep_only({_pod_key(body) for body in listed})
        for body in listed:
            self._store(resource, body)
        self._try_again()

    def changed(self, resource: str, body: Body) -> None:
        """Take an object that was added or modified."""
        self._store(resource, body)
        self._try_again()

    def deleted(self, resource: str, body: Body) -> None:
        """Take it that an object is gone. Nodes, services and profiles stay known: their meters go on."""
        if resource == PODS:
            self._remove(_pod_key(body))
            self._try_again()

    def _keep_only(self, keys: set[PodKey]) -> None:
        known = [*self._world.replicas, *self._waiting]
        for key in known:
            if key not in keys and key not in self._given_pods:
                self._remove(key)

    def _remove(self, key: PodKey) -> None:
        self._waiting.pop(key, None)
        self._world.remove(key)

    def _store(self, resource: str, body: Body) -> None:
        if resource == PODS:
            self._store_pod(body)
        elif resource == NODES:
            self._store_node(body)
        elif resource == SERVICES:
            self._store_service(body)
        elif resource == PROFILES:
            self._store_profile(body)

    def _store_pod(self, body: Body) -> None:
        key = _pod_key(body)
        self._waiting.pop(key, None)
        if has_ended(body):
            self._world.remove(key)
            return
        pod = pod_of(body, self._world.nodes)
        replica = self._world.replicas.get(key)
        placed = pod is not None and (
            (replica is not None and replica.pod == pod) or self._world.place(pod)
        )
        if not placed and holds_npus(body):
            self._waiting[key] = body

    def _try_again(self) -> None:
        for body in list(self._waiting.values()):
            self._store_pod(body)

    def _store_node(self, body: Body) -> None:
        node = node_of(body)
        if node is not None and node.name not in self._given_nodes:
            self._world.add_node(node)

    def _store_service(self, body: Body) -> None:
        service = service_of(body)
        if service.key in self._given_services:
            return
        known = self._world.services.get(service.key)
        if known is not None:
            counted = service if (body.get("spec") or {}).get("counters") else known
            service = replace(
                known, model=service.model, runtime=counted.runtime, counter=counted.counter
            )
        if service != known:  # a status that changes is none of ours
            self._world.add_service(service)

    def _store_profile(self, body: Body) -> None:
        try:
            profile = profile_of(body)
        except BadInput:
            return  # KWatt itself tells the author; here its pods draw idle
        if profile.name not in self._given_profiles:
            self._world.set_profile(profile)


def _pod_key(body: Body) -> PodKey:
    metadata: Mapping[str, Any] = body["metadata"]
    return PodKey(str(metadata["namespace"]), str(metadata["name"]))
