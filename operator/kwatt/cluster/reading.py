"""Read once, from the live cluster, everything that a plan needs. Synchronous, for the command line."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final, NamedTuple

from kwatt.cluster import paths
from kwatt.cluster.access import load_access
from kwatt.cluster.answers import Body
from kwatt.cluster.client import Client
from kwatt.cluster.paths import Kind
from kwatt.errors import ClusterError, Missing, Refused
from kwatt.names import GATEWAY_API_VERSION, SERVICE_LABEL

_NEEDED: Final = (
    paths.NODES,
    paths.PODS,
    paths.PRIORITY_CLASSES,
    paths.RESOURCE_QUOTAS,
    paths.DEPLOYMENTS,
    *paths.OWN,
)
_SELECTORS: Final = {paths.DEPLOYMENTS: SERVICE_LABEL}
_NO_CRDS: Final = "the CRDs of KWatt are not installed: kubectl apply -f crds/"


def list_bodies(context: str | None = None) -> list[Body]:
    """Return the bodies of all objects that a plan is made from, kind by kind.

    Where the cluster serves no HTTPRoutes, services are read without their route, which is nothing there.
    """
    return asyncio.run(_read(context))


class Wanted(NamedTuple):
    """A collection, or what of it a label selector chooses; `single`: the one object at the path."""

    path: str
    selector: str | None = None
    single: bool = False


def list_kinds(
    context: str | None, wanted: Mapping[str, Wanted]
) -> dict[str, list[Body] | ClusterError]:
    """Return the bodies of each collection, or why they may not be read; Missing of a single object.

    Raises Unavailable if the API server can't be reached.
    """
    return asyncio.run(_list(context, wanted))


async def _list(
    context: str | None, wanted: Mapping[str, Wanted]
) -> dict[str, list[Body] | ClusterError]:
    found: dict[str, list[Body] | ClusterError] = {}
    async with Client(await load_access(context), request_seconds=30.0) as client:
        for name, one in wanted.items():
            try:
                found[name] = await _list_one(client, one)
            except (Missing, Refused) as error:
                found[name] = error
    return found


async def _list_one(client: Client, wanted: Wanted) -> list[Body]:
    if wanted.single:
        return [await client.get(wanted.path)]
    bodies: list[Body] = []
    async for page in client.list_pages(wanted.path, labelSelector=wanted.selector):
        bodies = [] if page.first else bodies
        bodies.extend(page.items)
    return bodies


async def _read(context: str | None) -> list[Body]:
    async with Client(await load_access(context), request_seconds=30.0) as client:
        bodies = [body for kind in _NEEDED for body in await _read_kind(client, kind)]
        return bodies if await _serves_routes(client) else [_unrouted(body) for body in bodies]


async def _serves_routes(client: Client) -> bool:
    try:
        kinds = await client.get(f"/apis/{GATEWAY_API_VERSION}")
    except (Missing, Refused):
        return False
    return any(kind.get("kind") == paths.HTTP_ROUTES.kind for kind in kinds.get("resources") or ())


def _unrouted(body: Body) -> Body:
    spec = body.get("spec")
    if body.get("kind") != paths.INFERENCE_SERVICES.kind or not isinstance(spec, dict):
        return body
    return {**body, "spec": {key: value for key, value in spec.items() if key != "route"}}


async def _read_kind(client: Client, kind: Kind) -> list[Body]:
    bodies: list[Body] = []
    try:
        selector = _SELECTORS.get(kind)
        async for page in client.list_pages(kind.everywhere(), labelSelector=selector):
            bodies = [] if page.first else bodies
            bodies.extend(page.items)
    except Missing as error:
        if kind in paths.OWN:
            raise ClusterError(0, _NO_CRDS) from error
        raise
    return bodies
