"""Writes as plain data, and the one function that sends them.

Whoever decides builds these values; tests compare them; nothing is sent until the outbox does.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeAlias, assert_never

from kwatt.cluster.answers import Body
from kwatt.cluster.client import Client
from kwatt.cluster.paths import eviction_of
from kwatt.errors import Missing, Refused


@dataclass(frozen=True, slots=True)
class Apply:
    """Server-side apply of the fields that KWatt owns."""

    path: str
    body: Body
    force: bool = True


@dataclass(frozen=True, slots=True)
class Claim:
    """Server-side apply of an object that may not exist yet, unless somebody else's has its name."""

    path: str
    body: Body
    owner_uid: str


@dataclass(frozen=True, slots=True)
class JsonPatch:
    """Operations, all or none; begin with a test of the resourceVersion."""

    path: str
    ops: tuple[Body, ...]


@dataclass(frozen=True, slots=True)
class MergePatch:
    """An overlay; null removes a field."""

    path: str
    body: Body


@dataclass(frozen=True, slots=True)
class Create:
    """A new object in a collection."""

    path: str
    body: Body


@dataclass(frozen=True, slots=True)
class Delete:
    """The end of this very object."""

    path: str
    uid: str
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Evict:
    """The end of a pod, if its PodDisruptionBudget allows it; 429 (Unavailable) when it does not.

    When another pod has that name by now, the API server needs 10 s to find it out, then Conflict.
    """

    namespace: str
    name: str
    uid: str


Write: TypeAlias = Apply | Claim | JsonPatch | MergePatch | Create | Delete | Evict


async def send(client: Client, write: Write) -> Body:
    """Carry out one write and return the API server's answer."""
    match write:
        case Apply(path, body, force):
            return await client.apply(path, body, force=force)
        case Claim(path, body, owner_uid):
            ours = await _is_ours(client, path, body, owner_uid)
            # Without force an object that a stranger made since then is a Conflict, not taken over.
            return await client.apply(path, body, force=ours)
        case JsonPatch(path, ops):
            return await client.json_patch(path, list(ops))
        case MergePatch(path, body):
            return await client.merge_patch(path, body)
        case Create(path, body):
            return await client.create(path, body)
        case Delete(path, uid, version):
            return await _ended(client.delete(path, uid=uid, resource_version=version))
        case Evict():
            path = eviction_of(write.name, write.namespace)
            return await _ended(client.create(path, _eviction(write)))
        case _:
            assert_never(write)


async def _ended(call: Awaitable[Body]) -> Body:
    """What is gone already has ended."""
    try:
        return await call
    except Missing:
        return {}


def _eviction(pod: Evict) -> Body:
    return {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod.name, "namespace": pod.namespace},
        "deleteOptions": {"preconditions": {"uid": pod.uid}},
    }


async def _is_ours(client: Client, path: str, body: Body, owner_uid: str) -> bool:
    """Tell whether the object exists already; raise Refused if it is somebody else's."""
    try:
        found = await client.get(path)
    except Missing:
        return False
    owners = found["metadata"].get("ownerReferences") or []
    if not any(owner.get("uid") == owner_uid for owner in owners):
        raise Refused(
            409,
            f"a {body['kind']} named {body['metadata']['name']} exists already and is not KWatt's; "
            f"delete it or choose another name",
        )
    return True
