"""An API server on loopback that answers what a test tells it: real sockets, our code unpatched."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio.client import Configuration

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


LONG = 3600.0


class Seen(NamedTuple):
    """One request as the server saw it."""

    method: str
    path: str
    query: dict[str, str]
    content_type: str
    body: Any
    at: float


class Api:
    """Answers each request with the next scripted answer of its method; the last one repeats."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.configuration = Configuration()
        self._answers: dict[str, list[Answer]] = {}

    def script(self, verb: str, *answers: Answer) -> None:
        """Set the answers for a method, or for `LIST` and `WATCH`."""
        self._answers[verb] = list(answers)

    def requests(self, verb: str) -> list[Seen]:
        return [seen for seen in self.seen if _verb(seen.method, seen.query) == verb]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        content = await request.text()
        query = dict(request.query)
        body = json.loads(content) if content else None
        kind = request.headers.get("Content-Type", "")
        at = time.monotonic()
        self.seen.append(Seen(request.method, request.path, query, kind, body, at))
        answers = self._answers[_verb(request.method, query)]
        return await (answers.pop(0) if len(answers) > 1 else answers[0])(request)


def _verb(method: str, query: dict[str, str]) -> str:
    if method == "GET" and "watch" in query:
        return "WATCH"
    return "LIST" if method == "GET" and "limit" in query else method


class Say:
    """Builders of answers."""

    @staticmethod
    def json(body: object, status: int = 200, **headers: str) -> Answer:
        async def answer(_: web.Request) -> web.StreamResponse:
            fields = {name.replace("_", "-"): value for name, value in headers.items()}
            return web.json_response(body, status=status, headers=fields)

        return answer

    @staticmethod
    def text(content: str, status: int = 200) -> Answer:
        async def answer(_: web.Request) -> web.StreamResponse:
            return web.Response(text=content, status=status)

        return answer

    @staticmethod
    def failure(code: int, message: str, **headers: str) -> Answer:
        return Say.json(Say.status(code, message), code, **headers)

    @staticmethod
    def status(code: int, message: str) -> dict[str, Any]:
        return {"kind": "Status", "status": "Failure", "code": code, "message": message}

    @staticmethod
    def page(items: list[dict[str, Any]], version: int, more: str = "") -> Answer:
        metadata = {"resourceVersion": str(version), "continue": more}
        return Say.json(
            {"apiVersion": "v1", "kind": "PodList", "metadata": metadata, "items": items}
        )

    @staticmethod
    def chunks(*chunks: bytes, hold: float = 0, cut: bool = False) -> Answer:
        """Send a body piece by piece; keep it open for `hold` seconds, or `cut` the connection."""

        async def answer(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse()
            await response.prepare(request)
            for chunk in chunks:
                await response.write(chunk)
            await asyncio.sleep(hold)
            if cut and request.transport is not None:
                request.transport.abort()
            return response

        return answer

    @staticmethod
    def events(*events: tuple[str, dict[str, Any]], hold: float = LONG) -> Answer:
        lines = [json.dumps({"type": t, "object": o}).encode() + b"\n" for t, o in events]
        return Say.chunks(*lines, hold=hold)

    @staticmethod
    def pod(name: str, version: int, **fields: Any) -> dict[str, Any]:
        metadata = {"name": name, "uid": f"uid-{name}", "resourceVersion": str(version)}
        return {"metadata": metadata, **fields}


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    scripted = Api()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", scripted.handle)
    server = TestServer(app)
    await server.start_server(shutdown_timeout=0.01)
    scripted.configuration.host = str(server.make_url("")).rstrip("/")
    yield scripted
    await server.close()


@pytest.fixture
def say() -> type[Say]:
    return Say


@pytest.fixture
def until() -> Callable[..., Awaitable[None]]:
    async def wait(condition: Callable[[], object], seconds: float = 5.0) -> None:
        """Wait for a condition, with a deadline."""
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110  # any condition, not one that sets an event
                await asyncio.sleep(0.005)

    return wait
