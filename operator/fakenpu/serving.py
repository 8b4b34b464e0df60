"""The HTTP side: one path per node and per pod, one port per node where asked, and the control endpoint.

Faults that are about the answer rather than its text (silence, endless bodies, redirects) are made here.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

from aiohttp import web

from fakenpu.clock import Clock
from fakenpu.control import control_routes
from fakenpu.faults import Faults
from fakenpu.keys import PodKey
from fakenpu.quantities import BadInput

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_LINES: Final = 1_000
_CHUNK: Final = b"# " + b"x" * 65_533 + b"\n"


def application(clock: Clock) -> web.Application:
    """Return the application that serves every node and pod, and the control endpoint."""
    app = web.Application(middlewares=[_plain_errors])
    app.add_routes(
        [
            web.get("/nodes/{node}/metrics", _node_handler(clock)),
            web.get("/pods/{namespace}/{pod}/metrics", _pod_handler(clock)),
            web.get("/healthz", _healthz),
            *control_routes(clock),
        ]
    )
    return app


def node_application(clock: Clock, node: str) -> web.Application:
    """Return the application of one node's own port: /metrics as its exporter serves it."""
    app = web.Application(middlewares=[_plain_errors])

    async def handle(request: web.Request) -> web.StreamResponse:
        return await _node_answer(clock, node, request)

    app.add_routes([web.get("/metrics", handle)])
    return app


@web.middleware
async def _plain_errors(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    if request.path.startswith("/control") and not _is_loopback(request.remote):
        raise web.HTTPForbidden(text="the control endpoint answers on loopback only\n")
    try:
        return await handler(request)
    except BadInput as error:
        status = 404 if "not known" in str(error) else 400
        return web.Response(status=status, text=f"{error}\n")


def _is_loopback(remote: str | None) -> bool:
    try:
        return ipaddress.ip_address(remote or "").is_loopback
    except ValueError:
        return False


async def _healthz(_: web.Request) -> web.Response:
    return web.Response(text="ok\n")


def _node_handler(clock: Clock) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        return await _node_answer(clock, request.match_info["node"], request)

    return handle


async def _node_answer(clock: Clock, node: str, request: web.Request) -> web.StreamResponse:
    world = clock.catch_up()
    return await answer(request, world.exposition(node), world.faults_of(node))


def _pod_handler(clock: Clock) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        key = PodKey(request.match_info["namespace"], request.match_info["pod"])
        world = clock.catch_up()
        return await answer(request, world.runtime_exposition(key), world.faults_of(key))

    return handle


async def answer(request: web.Request, text: str, faults: Faults) -> web.StreamResponse:
    """Answer with an exposition, or as its faults demand."""
    if faults.silence_seconds:
        await asyncio.sleep(faults.silence_seconds)
    if faults.down and request.transport is not None:
        request.transport.abort()
    if faults.redirect is not None:
        raise web.HTTPFound(faults.redirect)
    if faults.status is not None:
        return web.Response(status=faults.status, text="switched on: status\n")
    if faults.endless or faults.body_bytes or faults.series:
        return await _long(request, text, faults)
    return _short(text, faults)


def _short(text: str, faults: Faults) -> web.Response:
    if faults.html:
        page = "<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1></body></html>"
        return web.Response(text=page, content_type="text/html")
    body = text.encode()
    if faults.truncated:
        body = body[: len(body) * 2 // 3]
    if faults.invalid_utf8:
        body = b"# \xff\xfe\xfa\n" + body.replace(b'="', b'="\xff', 1)
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})


async def _long(request: web.Request, text: str, faults: Faults) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": CONTENT_TYPE})
    response.enable_chunked_encoding()
    await response.prepare(request)
    with contextlib.suppress(ConnectionResetError):  # the reader has seen enough
        for part in _parts(text, faults):
            await response.write(part)
        await response.write_eof()
    return response


def _parts(text: str, faults: Faults) -> Iterator[bytes]:
    """Yield the exposition, junk series and comments, without end where that is asked for."""
    yield text.encode()
    for start in range(0, faults.series, _LINES):
        numbers = range(start, min(start + _LINES, faults.series))
        yield "".join(f'fakenpu_junk{{n="{number}"}} 1\n' for number in numbers).encode()
    for _ in range(0, faults.body_bytes, len(_CHUNK)):
        yield _CHUNK
    while faults.endless:
        yield _CHUNK
