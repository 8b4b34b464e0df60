"""Read once, from the live cluster, everything that a plan needs. Synchronous, for the command line."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

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
GATEWAY_API: Final = f"/apis/{GATEWAY_API_VERSION}"
_SELECTORS: Final = {paths.DEPLOYMENTS: SERVICE_LABEL}
_NO_CRDS: Final = "the CRDs of KWatt are not installed: kubectl apply -f crds/"


def list_bodies(context: str | None = None) -> list[Body]:
    """Return the bodies of all objects that a plan is made from, kind by kind.

    The last one is the list of the Gateway API's kinds, where the cluster serves any.
    """
    return asyncio.run(_read(context))


async def _read(context: str | None) -> list[Body]:
    async with Client(await load_access(context), request_seconds=30.0) as client:
        bodies = [body for kind in _NEEDED for body in await _read_kind(client, kind)]
        with contextlib.suppress(Missing, Refused):
            bodies.append(await client.get(GATEWAY_API))
        return bodies


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
