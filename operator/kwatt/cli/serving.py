"""The operator's own HTTP endpoints: /metrics, /healthz, /readyz."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import NoReturn

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

_LOG = logging.getLogger(__name__)

Check = Callable[[], str | None]


def build_app(registry: CollectorRegistry, alive: Check, ready: Check) -> web.Application:
    """Build the application; a check returns what is wrong, None when all is well."""

    async def metrics(_: web.Request) -> web.Response:
        headers = {"Content-Type": CONTENT_TYPE_LATEST}
        # In a thread: at 10,000 services this takes a second, in which the lease must be renewed.
        body = await asyncio.to_thread(generate_latest, registry)
        return web.Response(body=body, headers=headers)

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/healthz", _answering(alive))
    app.router.add_get("/readyz", _answering(ready))
    return app


def _answering(check: Check) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(_: web.Request) -> web.StreamResponse:
        problem = check()
        return web.Response(text=problem or "ok", status=503 if problem else 200)

    return answer


async def serve(
    app: web.Application, host: str, port: int, bound: Callable[[int], None] = lambda _: None
) -> NoReturn:
    """Serve until cancelled; port 0 takes a free one, logs it and tells `bound`."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        _LOG.info("serving address=%s", runner.addresses)
        bound(runner.addresses[0][1])
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()
    raise AssertionError("unreachable: the event is never set")
