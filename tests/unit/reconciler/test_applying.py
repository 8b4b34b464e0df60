"""The order of a cycle's writes where requests are routed: they leave first, but never hold a cap up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio.client import Configuration

import builders as b
from kwatt.changes.splits import Split
from kwatt.changes.values import Changes, Scale
from kwatt.cluster.client import Client
from kwatt.cluster.outbox import Outbox
from kwatt.manifests.routes import Answer, OwnedRoute
from kwatt.metrics import Metrics
from kwatt.reconciler.applying import Applier
from kwatt.reconciler.shares import Shares
from kwatt.reconciler.writes import Scene
from unit.reconciler.scenes import KEY, NAME, TEMPLATE, VARIANT, applied, own, scene, world

TWO = b.variant(npus=2)
SPEC = {"template": TEMPLATE, "route": {"gateway": {"name": "public"}}}


class Api:
    """An API server that notes what is written; HTTPRoutes wait until `open` is set."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.open = asyncio.Event()
        self.open.set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        name = request.path.rpartition("/")[2]
        kind = request.path.split("/")[-2]
        if request.method == "GET":
            return web.json_response({"kind": "Status", "code": 404}, status=404)
        if kind == "httproutes":
            await self.open.wait()
        self.written.append(f"{kind}/{name}")
        return web.json_response(await request.json())


@pytest.fixture
async def api() -> Api:
    return Api()


@pytest.fixture
async def applier(api: Api) -> AsyncIterator[Applier]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.handle)
    server = TestServer(app)
    await server.start_server(shutdown_timeout=0.01)
    configuration = Configuration()
    configuration.host = str(server.make_url("")).rstrip("/")
    async with Client(configuration) as client:
        shares = Shares(lambda: 0.0, lambda: 0)
        yield Applier(Outbox(client), shares, Metrics(), lambda kind, body: None)
    await server.close()


def routed_scene() -> Scene:
    """Make a scene whose route still names the variant that is about to go."""
    rules = [{"backendRefs": [{"name": NAME, "port": 8000, "weight": 1000}]}]
    route = OwnedRoute("city", "traffic", "r", "uid-traffic", "", 1, {"rules": rules}, Answer())
    snapshot = replace(world(services=[b.service(mixes=True)]), deployments=(applied(),))
    return scene(snapshot, own(spec=SPEC), routes={KEY: route})


CHANGES = Changes(
    shrink=(Scale(KEY, VARIANT, 0, 50, ""),),
    splits=(Split(KEY, ((TWO, 1000),)),),
)


async def test_requests_leave_before_the_pods_and_services_come_before_routes(
    api: Api, applier: Applier
) -> None:
    await applier.apply(CHANGES, routed_scene(), lambda: True)

    assert api.written[:2] == ["httproutes/traffic", f"deployments/{NAME}"]
    new = replace(routed_scene(), routes={})
    api.written.clear()
    await applier.apply(CHANGES, new, lambda: True)
    assert [name.partition("/")[0] for name in api.written] == [
        "deployments",
        "services",
        "services",
        "httproutes",
    ]


async def test_a_cap_does_not_wait_for_a_route_that_can_not_be_written(
    api: Api, applier: Applier
) -> None:
    api.open.clear()

    sent = await applier.apply(CHANGES, routed_scene(), lambda: True)

    assert api.written[0] == f"deployments/{NAME}"
    assert "httproutes/traffic" not in api.written
    assert sent.retry_seconds == 0.0
