"""An HTTP proxy between the operator and the API server that fails on demand. Shares no code with KWatt.

It speaks plain HTTP to the operator on loopback and hands its token on, so that it can answer in the
API server's place. Whatever it is told takes effect with the next request.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import web
from yarl import URL

from e2e.observer import access

logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # what is cut is cut on purpose
HOP = {"host", "connection", "transfer-encoding", "keep-alive", "content-length"}


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong: a share of the requests is refused, all are slow, watches get an answer of their own."""

    status: int = 0
    share: float = 0.0
    slow_seconds: float = 0.0
    watch_status: int = 0


NONE = Fault()


class Proxy:
    """Runs in a thread of its own until `stop`."""

    def __init__(self, kubeconfig: Path, seed: int) -> None:
        self.counts = {"passed": 0, "refused": 0, "cut": 0}
        self.url = ""
        self._fault = NONE
        self._server, self._tls, _ = access(kubeconfig)
        self._random = random.Random(f"proxy-{seed}")
        self._watches: set[asyncio.Transport] = set()
        self._loop = asyncio.new_event_loop()
        self._listens = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> Proxy:
        """Begin to listen on a free port of loopback."""
        self._thread.start()
        if not self._listens.wait(30):
            raise RuntimeError("the proxy did not start")
        return self

    def stop(self) -> None:
        """End it; what is under way is cut."""
        asyncio.run_coroutine_threadsafe(self._session.close(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)

    @contextmanager
    def failing(self, fault: Fault) -> Iterator[None]:
        """Fail for the length of a block."""
        self._fault = fault
        try:
            yield
        finally:
            self._fault = NONE

    def cut(self) -> None:
        """Close every open watch without a word."""
        self._loop.call_soon_threadsafe(self._cut)

    def kubeconfig(self, of: Path) -> Path:
        """Write a kubeconfig beside another one that leads here with the same user."""
        config = yaml.safe_load(of.read_text())
        for cluster in config["clusters"]:
            cluster["cluster"] = {"server": self.url}
        path = of.with_name(f"{of.name}-proxy")
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump(config))
        return path

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen())
        self._listens.set()
        self._loop.run_forever()

    async def _listen(self) -> None:
        connector = aiohttp.TCPConnector(ssl=self._tls, limit=0)
        limits = aiohttp.ClientTimeout(total=None, sock_connect=5)
        self._session = aiohttp.ClientSession(
            connector=connector, timeout=limits, auto_decompress=False
        )
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, handler_cancellation=True, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        fault, watches = self._fault, "watch" in request.query
        if fault.slow_seconds:
            await asyncio.sleep(fault.slow_seconds)
        if watches and fault.watch_status:
            return self._refused(fault.watch_status)
        if self._random.random() < fault.share:
            return self._refused(fault.status)
        try:
            return await self._passed(request, watches)
        except (aiohttp.ClientError, OSError):
            if request.transport is not None:
                request.transport.abort()
            raise

    async def _passed(self, request: web.Request, watches: bool) -> web.StreamResponse:
        url = URL(f"https://{self._server}{request.raw_path}", encoded=True)
        headers = {k: v for k, v in request.headers.items() if k.lower() not in HOP}
        transport: Any = request.transport
        self._watches |= {transport} if watches else set()
        try:
            async with self._session.request(
                request.method, url, headers=headers, data=await request.read() or None
            ) as answer:
                own = {k: v for k, v in answer.headers.items() if k.lower() not in HOP}
                response = web.StreamResponse(status=answer.status, headers=own)
                await response.prepare(request)
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
                await response.write_eof()
                self.counts["passed"] += 1
                return response
        finally:
            self._watches.discard(transport)

    def _refused(self, status: int) -> web.Response:
        self.counts["refused"] += 1
        reasons = {410: "Expired", 429: "TooManyRequests", 503: "ServiceUnavailable"}
        body = {
            "kind": "Status",
            "apiVersion": "v1",
            "status": "Failure",
            "message": f"made up by the proxy: {status}",
            "reason": reasons.get(status, "InternalError"),
            "code": status,
        }
        if status == HTTPStatus.GONE:  # a watch is told so within the stream
            told = json.dumps({"type": "ERROR", "object": body})
            return web.Response(text=told + "\n", content_type="application/json")
        headers = {"Retry-After": "1"} if status == 429 else {}
        return web.Response(
            status=status, text=json.dumps(body), content_type="application/json", headers=headers
        )

    def _cut(self) -> None:
        for transport in self._watches:
            self.counts["cut"] += 1
            transport.abort()
