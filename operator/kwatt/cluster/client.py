"""Talk to the API server in raw JSON; every answer is a body or an error of kwatt.errors.

The only module that sends requests. It must not know what the bodies mean, retry, or keep anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from types import TracebackType
from typing import Final, NamedTuple, Self
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio.client import ApiClient, Configuration

from kwatt import __version__
from kwatt.cluster.answers import Body, Event, Expired, error_for, event_in, translated
from kwatt.cluster.encoding import apply_document
from kwatt.cluster.lines import lines_of
from kwatt.cluster.paths import resource_of
from kwatt.names import FIELD_MANAGER

REQUEST_SECONDS: Final = 10.0
CONNECT_SECONDS: Final = 5.0
STALLED_SECONDS: Final = 90.0  # bookmarks arrive every minute: a silent watch is a dead connection
PAGE: Final = 100  # objects; the memory that a larger page takes is not all given back
_RESTARTS: Final = 3

_JSON: Final = "application/json"
_APPLY: Final = (
    "application/apply-patch+yaml; charset=utf-8"  # with it ApiClient sends bytes as they are
)
_JSON_PATCH: Final = "application/json-patch+json"
_MERGE_PATCH: Final = "application/merge-patch+json"

Gate = Callable[[], None]
OnRequest = Callable[[str, str, str], None]


class Page(NamedTuple):
    """Part of a list. `first` is true again when the list had to be restarted: drop what came before."""

    items: list[Body]
    version: str
    first: bool


class _Call(NamedTuple):
    """A request as plain data."""

    verb: str
    method: str
    path: str
    query: Mapping[str, object]
    content_type: str = _JSON
    body: object = None


class Client:
    """A connection pool to one API server.

    `gate` runs right before each write is sent and raises to prevent it. `on_request` is told the
    verb, the resource and the outcome of each request: HTTP status, timeout, cancelled or unreachable.
    """

    def __init__(
        self,
        configuration: Configuration,
        *,
        gate: Gate | None = None,
        on_request: OnRequest | None = None,
        request_seconds: float = REQUEST_SECONDS,
    ) -> None:
        self._configuration = configuration
        self._gate = gate
        self._on_request = on_request
        self._limits = aiohttp.ClientTimeout(total=request_seconds, connect=CONNECT_SECONDS)

    async def __aenter__(self) -> Self:
        self._api = ApiClient(self._configuration)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._api.close()  # type: ignore[no-untyped-call]  # not annotated upstream

    async def get(self, path: str, **query: object) -> Body:
        """Read one object."""
        return await self._send(_Call("get", "GET", path, query))

    async def list_pages(
        self, path: str, limit: int = PAGE, **query: object
    ) -> AsyncGenerator[Page, None]:
        """Read a collection page by page, all pages of one version; begin again when it expires."""
        token, restarts, first = "", 0, True
        while True:
            pieces: dict[str, object] = {**query, "limit": limit}
            if token:
                pieces["continue"] = token
            try:
                answer = await self._send(_Call("list", "GET", path, pieces))
            except Expired:
                restarts += 1
                if restarts > _RESTARTS:
                    raise
                token, first = "", True
                continue
            yield Page(_items(answer), answer["metadata"].get("resourceVersion", ""), first)
            token, first = answer["metadata"].get("continue") or "", False
            if not token:
                return

    async def watch(
        self, path: str, resource_version: str, timeout_seconds: int, **query: object
    ) -> AsyncGenerator[Event, None]:
        """Yield the events after a version, bookmarks too, until the server ends the watch.

        Wrap it in `contextlib.aclosing`: only then is the connection closed when the caller stops early.
        """
        query |= {
            "watch": True,
            "allowWatchBookmarks": True,
            "resourceVersion": resource_version,
            "timeoutSeconds": timeout_seconds,
        }
        limits = aiohttp.ClientTimeout(
            total=timeout_seconds + CONNECT_SECONDS + REQUEST_SECONDS,
            connect=CONNECT_SECONDS,
            sock_read=STALLED_SECONDS,
        )
        async with self._exchange(_Call("watch", "GET", path, query), limits) as answer:
            async for line in lines_of(answer.content.iter_any()):
                yield event_in(line)

    async def apply(
        self, path: str, body: Body, *, force: bool = True, dry_run: bool = False
    ) -> Body:
        """Create or change the fields that the body names, and own them (server-side apply)."""
        query = {**_manager(dry_run=dry_run), "force": force}
        document = apply_document(body)
        return await self._send(_Call("apply", "PATCH", path, query, _APPLY, document))

    async def json_patch(self, path: str, ops: list[Body], *, dry_run: bool = False) -> Body:
        """Apply the operations in their order, all or none; Conflict when a test among them fails."""
        query = _manager(dry_run=dry_run)
        return await self._send(_Call("patch", "PATCH", path, query, _JSON_PATCH, list(ops)))

    async def merge_patch(self, path: str, body: Body, *, dry_run: bool = False) -> Body:
        """Overlay the body; null removes a field, a list replaces the list."""
        query = _manager(dry_run=dry_run)
        return await self._send(_Call("patch", "PATCH", path, query, _MERGE_PATCH, body))

    async def create(self, path: str, body: Body, *, dry_run: bool = False) -> Body:
        """Create an object in a collection, or on a subresource such as pods/eviction."""
        return await self._send(
            _Call("create", "POST", path, _manager(dry_run=dry_run), _JSON, body)
        )

    async def replace(self, path: str, body: Body, *, dry_run: bool = False) -> Body:
        """Overwrite the object; Conflict when the body carries another resourceVersion than it has."""
        return await self._send(
            _Call("replace", "PUT", path, _manager(dry_run=dry_run), _JSON, body)
        )

    async def delete(
        self,
        path: str,
        *,
        uid: str,
        resource_version: str | None = None,
        propagation: str = "Background",
    ) -> Body:
        """Delete this very object; Conflict when another one has its name by now."""
        preconditions = {"uid": uid}
        if resource_version is not None:
            preconditions["resourceVersion"] = resource_version
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": propagation,
            "preconditions": preconditions,
        }
        return await self._send(_Call("delete", "DELETE", path, {}, _JSON, options))

    async def _send(self, call: _Call) -> Body:
        async with self._exchange(call, self._limits) as answer:
            body: Body = json.loads(await answer.read())
            return body

    @contextlib.asynccontextmanager
    async def _exchange(
        self, call: _Call, limits: aiohttp.ClientTimeout
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Lend a good answer for as long as it is read."""
        with translated(f"{call.method} {call.path}"):
            answer = await self._opened(call, limits)
            try:
                if not answer.ok:
                    raise error_for(answer.status, answer.headers, await answer.read())
                yield answer
            finally:
                answer.close()  # returns to the pool what was read to its end

    async def _opened(self, call: _Call, limits: aiohttp.ClientTimeout) -> aiohttp.ClientResponse:
        headers = await self._headers(call)
        if call.method != "GET" and self._gate is not None:
            self._gate()  # after the credentials, which may take long, and before anything is sent
        url = self._configuration.host + call.path + _query(call.query)
        outcome = "unreachable"
        try:
            answer = await self._api.rest_client.request(  # type: ignore[no-untyped-call]
                call.method, url, headers=headers, body=call.body, _request_timeout=limits
            )
            outcome = str(answer.status)
        except TimeoutError:
            outcome = "timeout"
            raise
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        finally:
            if self._on_request is not None:
                self._on_request(call.verb, resource_of(call.path), outcome)
        response: aiohttp.ClientResponse = answer.response
        return response

    async def _headers(self, call: _Call) -> dict[str, str]:
        headers = {
            "Accept": _JSON,
            "Content-Type": call.content_type,
            "User-Agent": f"kwatt/{__version__}",
        }
        await self._api.update_params_for_auth(
            headers, [], ["BearerToken"], call.path, call.method, call.body
        )
        return headers


def _items(answer: Body) -> list[Body]:
    """Return the items with their kind, which the server leaves out in lists of its own kinds."""
    common = {
        "apiVersion": answer.get("apiVersion", ""),
        "kind": str(answer.get("kind", "")).removesuffix("List"),
    }
    return [{**common, **item} for item in answer.get("items") or []]


def _manager(*, dry_run: bool) -> dict[str, object]:
    query: dict[str, object] = {"fieldManager": FIELD_MANAGER}
    return {**query, "dryRun": "All"} if dry_run else query


def _query(query: Mapping[str, object]) -> str:
    pieces = {
        key: str(value).lower() if isinstance(value, bool) else str(value)
        for key, value in query.items()
        if value is not None
    }
    return f"?{urlencode(pieces)}" if pieces else ""
