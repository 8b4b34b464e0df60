"""What came and went leaves nothing behind: an operator that runs for months must not grow."""

from __future__ import annotations

import asyncio
import gc
import json
import weakref
from typing import Any

import pytest
from aiohttp import web

from kwatt.cluster.client import Client
from kwatt.cluster.events import Events
from kwatt.cluster.outbox import Flow, Outbox, Request
from kwatt.cluster.writes import MergePatch
from kwatt.metrics import Metrics
from kwatt.reconciler.applying import Applier
from kwatt.reconciler.cycle import Cycle, Parts
from kwatt.reconciler.reporting import Reporter
from kwatt.reconciler.shares import Shares
from kwatt.reconciler.sighting import Lookout
from kwatt.reconciler.store import KINDS, Store
from kwatt.reconciler.telemetry import Telemetry
from kwatt.reconciler.trigger import Trigger
from kwatt.reconciler.validation import Validator
from kwatt.telemetry.reader import Reader
from unit.cluster_io.conftest import Api, Say
from unit.held import entries
from unit.observation import bodies

Body = dict[str, Any]


class Life:
    """A cycle on an API server that gives every object an identity, and services that come and go."""

    def __init__(self, client: Client) -> None:
        self.store, self.seconds = Store(Trigger()), 0.0
        self._made: dict[str, Body] = {}
        metrics, outbox = Metrics(), Outbox(client, Flow(per_second=None), self._clock)
        shares = Shares(self._clock, lambda: 0)
        self.cycle = Cycle(
            Parts(
                store=self.store,
                validator=Validator(client, self._clock),
                applier=Applier(outbox, shares, metrics, self._learn),
                shares=shares,
                reporter=Reporter(self.store, outbox, Events(client), metrics, self._clock),
                metrics=metrics,
                list_pods=self._nothing,
                wall=lambda: bodies.NOW,
                telemetry=Telemetry(Reader(), Trigger(), metrics, lambda: bodies.NOW),
                lookout=Lookout(self.store),
            )
        )
        for body in (bodies.node("n1"), bodies.npu_class(), bodies.profile()):
            self.store.take(body["kind"], "ADDED", body)

    def _clock(self) -> float:
        return self.seconds

    async def _nothing(self) -> None:
        """Nothing was seen that is not told."""

    def _learn(self, kind: str, body: Body) -> None:
        if kind in KINDS:
            self._made[body["metadata"]["uid"]] = body
            self.store.take(kind, "MODIFIED", body)

    async def pass_by(self, number: int) -> int:
        """Let a service come, be served and go; return how many objects were made for it."""
        service = bodies.service(f"s{number}")
        self.store.take("InferenceService", "ADDED", service)
        await self._turn()
        made, self._made = self._made, {}
        for body in (service, *made.values()):
            self.store.take(body["kind"], "DELETED", body)
        await self._turn()
        await self._turn()
        return len(made)

    async def _turn(self) -> None:
        self.seconds += 60
        await self.cycle.run(bodies.NOW)


async def accept(request: web.Request) -> web.StreamResponse:
    """Take what is applied, as an object of its own."""
    body = json.loads(await request.text())
    name = request.path.removesuffix("/status").rpartition("/")[2]
    body["metadata"] = {**body.get("metadata", {}), "generation": 1}
    body["metadata"].setdefault("uid", f"uid-{body.get('kind')}-{name}")
    return web.json_response(body)


@pytest.fixture
def served(api: Api) -> Api:
    api.script("PATCH", accept)
    api.script("GET", Say.failure(404, "no"))
    return api


async def test_services_that_came_and_went_leave_nothing_behind(served: Api) -> None:
    async with Client(served.configuration) as client:
        life = Life(client)
        for number in range(3):
            assert await life.pass_by(number) == 2  # a Deployment and a Service
        before = entries(life.cycle)

        for number in range(3, 23):
            await life.pass_by(number)

    assert entries(life.cycle) == before


class Patch(dict[str, Any]):
    """A body that can be watched."""


async def test_a_write_that_failed_is_remembered_without_its_body(api: Api) -> None:
    api.script("PATCH", Say.failure(422, "no"))
    async with Client(api.configuration) as client:
        outbox, body = Outbox(client, Flow(per_second=None)), Patch(n=1)
        gone = weakref.ref(body)
        await outbox.run([Request(("a",), MergePatch("/api/v1/namespaces/a/pods/p", body))])
        del body
        await asyncio.sleep(0)  # the event loop lets go of the outcomes
        gc.collect()

        assert not outbox.due(("a",))
        assert gone() is None
