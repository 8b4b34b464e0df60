"""Lists and watches nodes, pods, services and profiles of a cluster, so that load appears where replicas are.

Reads only. A resource that the cluster does not know (KWatt's own, not installed yet) is asked for again.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from typing import Any, Final

import aiohttp
from kubernetes.aio.client import Configuration
from kubernetes.aio.config import ConfigException, load_kube_config

from fakenpu.clock import Clock
from fakenpu.mirror import NODES, PODS, PROFILES, SERVICES, Mirror
from fakenpu.names import API_GROUP
from fakenpu.quantities import BadInput

_PATHS: Final = {
    NODES: "/api/v1/nodes",
    PODS: "/api/v1/pods",
    SERVICES: f"/apis/{API_GROUP}/v1alpha1/inferenceservices",
    PROFILES: f"/apis/{API_GROUP}/v1alpha1/modelprofiles",
}
_WATCH_SECONDS: Final = 300
_AGAIN_SECONDS: Final = 2.0
_LINE_BYTES: Final = 16 * 2**20
_LOG = logging.getLogger(__name__)


async def watch_cluster(clock: Clock, configuration: Configuration) -> None:
    """Keep the world as the cluster is, until cancelled."""
    mirror = Mirror(clock.catch_up())
    async with (
        aiohttp.ClientSession(
            base_url=configuration.host,
            headers=_headers(configuration),
            connector=aiohttp.TCPConnector(ssl=_tls(configuration)),
            read_bufsize=_LINE_BYTES,
        ) as session,
        asyncio.TaskGroup() as tasks,
    ):
        for resource in _PATHS:
            tasks.create_task(_follow(session, resource, clock, mirror))


async def load_access(kubeconfig: str | None) -> Configuration:
    """Return address and credentials of the cluster; raise BadInput without a usable kubeconfig."""
    configuration = Configuration()
    try:
        await load_kube_config(  # type: ignore[no-untyped-call]  # not annotated upstream
            config_file=kubeconfig, client_configuration=configuration, persist_config=False
        )
    except (ConfigException, OSError) as error:
        raise BadInput(f"--kubeconfig: {error}; name a file that exists") from error
    return configuration


def _headers(configuration: Configuration) -> dict[str, str]:
    token = configuration.api_key.get("BearerToken", "")
    return {"Authorization": token} if token else {}


def _tls(configuration: Configuration) -> ssl.SSLContext | bool:
    if not configuration.host.startswith("https"):
        return True
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    if not configuration.verify_ssl:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, configuration.key_file)
    return context


async def _follow(
    session: aiohttp.ClientSession, resource: str, clock: Clock, mirror: Mirror
) -> None:
    """List and watch one resource, again and again; say once why that fails."""
    said = ""
    while True:
        try:
            version = await _list(session, resource, clock, mirror)
            await _watch(session, resource, version, clock, mirror)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            if said != str(error):
                said = str(error)
                _LOG.warning("resource=%s error=%s", resource, said)
            await asyncio.sleep(_AGAIN_SECONDS)


async def _list(session: aiohttp.ClientSession, resource: str, clock: Clock, mirror: Mirror) -> str:
    async with session.get(_PATHS[resource]) as answer:
        answer.raise_for_status()
        listed = await answer.json()
    clock.catch_up()
    mirror.replace_all(resource, listed["items"])
    return str(listed["metadata"]["resourceVersion"])


async def _watch(
    session: aiohttp.ClientSession, resource: str, version: str, clock: Clock, mirror: Mirror
) -> None:
    query = {
        "watch": "1",
        "resourceVersion": version,
        "timeoutSeconds": str(_WATCH_SECONDS),
        "allowWatchBookmarks": "true",
    }
    timeout = aiohttp.ClientTimeout(total=None, sock_read=_WATCH_SECONDS + 30)
    async with session.get(_PATHS[resource], params=query, timeout=timeout) as answer:
        answer.raise_for_status()
        async for line in answer.content:
            event: dict[str, Any] = json.loads(line)
            if event["type"] == "ERROR":  # the version is too old: list again
                return
            clock.catch_up()
            if event["type"] in ("ADDED", "MODIFIED"):
                mirror.changed(resource, event["object"])
            elif event["type"] == "DELETED":
                mirror.deleted(resource, event["object"])
