"""A cycle against an API server on loopback that accepts everything."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
from aiohttp import web

from kwatt.cluster.client import Client
from kwatt.cluster.events import Events
from kwatt.cluster.outbox import Flow, Outbox
from kwatt.metrics import Metrics
from kwatt.reconciler.alarm import Again
from kwatt.reconciler.applying import Applier
from kwatt.reconciler.cycle import Cycle, Parts
from kwatt.reconciler.reporting import Reporter
from kwatt.reconciler.shares import Shares
from kwatt.reconciler.sighting import Lookout
from kwatt.reconciler.store import Store
from kwatt.reconciler.telemetry import Telemetry
from kwatt.reconciler.trigger import Trigger
from kwatt.reconciler.validation import Validator
from kwatt.telemetry.reader import Reader
from unit.cluster_io.conftest import Api
from unit.observation import bodies

PEAK = datetime.fromisoformat("2026-11-23T17:00:00+09:00")
SHED = PEAK - timedelta(seconds=45)
SECOND = timedelta(seconds=1)
WATTS = bodies.WATTS


@pytest.fixture
async def client(api: Api) -> AsyncIterator[Client]:
    async def accept(request: web.Request) -> web.StreamResponse:
        text = await request.text()
        return web.json_response(json.loads(text) if text else {}, status=200)

    async def nothing(_: web.Request) -> web.StreamResponse:
        return web.json_response({"kind": "Status", "code": 404, "message": "no"}, status=404)

    for verb in ("PATCH", "POST", "DELETE"):
        api.script(verb, accept)
    api.script("GET", nothing)
    async with Client(api.configuration) as connected:
        yield connected


def cycle(client: Client, store: Store, wall: datetime) -> Cycle:
    """Put a cycle together as `kwatt run` does; whatever it does, it is `wall` o'clock then."""
    metrics, outbox = Metrics(), Outbox(client, Flow(per_second=None))
    shares = Shares(lambda: 0.0, lambda: 0)

    async def list_pods() -> None:
        """Nothing was seen that is not told."""

    return Cycle(
        Parts(
            store=store,
            validator=Validator(client, lambda: 0.0),
            applier=Applier(outbox, shares, metrics, lambda kind, body: None),
            shares=shares,
            reporter=Reporter(store, outbox, Events(client), metrics, lambda: 0.0),
            metrics=metrics,
            list_pods=list_pods,
            wall=lambda: wall,
            telemetry=Telemetry(Reader(), Trigger(), metrics, lambda: wall),
            lookout=Lookout(store),
        )
    )


def rack() -> Store:
    """Let a service wait for watts on n1, while n2 advertises watts that nothing is planned for.

    Its template was accepted before.
    """
    store, service = Store(Trigger()), bodies.service()
    accepted = {"type": "Accepted", "status": "True", "observedGeneration": 1}
    service["status"] = {"conditions": [accepted]}
    amounts = {"cpu": "64", "memory": "256Gi", "pods": "110", WATTS: "100"}
    idle = bodies.node("n2", {"npu": "other"}, capacity=amounts, allocatable=amounts)
    tight = bodies.budget(windows=[bodies.window(watts=100)])
    tight["spec"]["watts"] = 260
    for body in (
        *(bodies.node("n1"), idle, bodies.npu_class(), bodies.profile()),
        *(tight, service),
    ):
        store.take(body["kind"], "ADDED", body)
    return store


def shares_sent(api: Api) -> dict[str, str]:
    """Return the shares that nodes were told to advertise."""
    patches = [seen for seen in api.requests("PATCH") if "/nodes/" in seen.path]
    return {seen.path.split("/")[4]: seen.body["status"]["capacity"][WATTS] for seen in patches}


def deployments_sent(api: Api) -> int:
    """Count the Deployments that were really applied."""
    patches = [seen for seen in api.requests("PATCH") if "/deployments/" in seen.path]
    return sum("dryRun" not in seen.query for seen in patches)


async def test_before_a_window_a_cycle_raises_as_planned_and_rings_when_shedding_begins(
    api: Api,
    client: Client,
) -> None:
    again = await cycle(client, rack(), wall=SHED - SECOND).run(SHED - 2 * SECOND)

    assert shares_sent(api) == {"n1": "24", "n2": "0"}
    assert deployments_sent(api) == 1
    assert again.at == SHED


async def test_once_shedding_has_begun_a_cycle_planned_before_raises_nothing_any_more(
    api: Api,
    client: Client,
) -> None:
    again = await cycle(client, rack(), wall=SHED).run(SHED - SECOND)

    assert shares_sent(api) == {"n2": "0"}
    assert deployments_sent(api) == 0
    assert again == Again(0.0, SHED)


async def test_a_cap_that_is_cut_while_templates_are_tried_is_lowered_before_they_are_all_tried(
    api: Api,
    client: Client,
) -> None:
    store = rack()
    resources = {**bodies.node("n1")["status"]["capacity"], WATTS: "24"}
    store.take("Node", "MODIFIED", bodies.node("n1", capacity=resources, allocatable=resources))
    for number in range(20):  # twice as many as are tried at once
        store.take("InferenceService", "ADDED", bodies.service(f"new-{number:02}"))
    cut = bodies.budget()
    cut["spec"]["watts"] = 10

    async def cut_meanwhile(request: web.Request) -> web.StreamResponse:
        if "dryRun" in request.query:
            store.take("PowerBudget", "MODIFIED", cut)
        return web.json_response(json.loads(await request.text()))

    api.script("PATCH", cut_meanwhile)

    again = await cycle(client, store, wall=SHED - SECOND).run(SHED - 2 * SECOND)

    tried = [seen for seen in api.requests("PATCH") if "dryRun" in seen.query]
    assert 0 < len(tried) < 20
    assert shares_sent(api) == {"n1": "0", "n2": "0"}
    assert deployments_sent(api) == 0
    assert not [
        seen
        for seen in api.requests("PATCH")
        if seen.path.endswith("/status") and "/nodes/" not in seen.path
    ]
    assert again.seconds == 0.0


async def test_a_status_names_the_generation_that_was_planned_though_the_spec_was_edited_meanwhile(
    api: Api,
    client: Client,
) -> None:
    store = rack()
    edited = bodies.service(throughput={"perSecond": 100})
    edited["metadata"]["generation"] = 2

    async def edit_meanwhile(request: web.Request) -> web.StreamResponse:
        if "/deployments/" in request.path and "dryRun" not in request.query:
            store.take("InferenceService", "MODIFIED", edited)
        return web.json_response(json.loads(await request.text()))

    api.script("PATCH", edit_meanwhile)

    await cycle(client, store, wall=SHED - SECOND).run(SHED - 2 * SECOND)

    (status,) = [
        seen.body["status"]
        for seen in api.requests("PATCH")
        if seen.path.endswith("/inferenceservices/traffic/status")
    ]
    assert status["observedGeneration"] == 1
    assert status["summary"]["rate"].endswith("/400")


async def test_a_template_that_is_edited_while_the_plan_is_made_is_not_written_untried(
    api: Api,
    client: Client,
) -> None:
    store, before = rack(), bodies.service()
    store.take("InferenceService", "MODIFIED", before)
    edited = bodies.service(template={"spec": {"containers": [bodies.container("edited")]}})
    edited["metadata"]["generation"] = 2

    async def edit_meanwhile(request: web.Request) -> web.StreamResponse:
        if "dryRun" in request.query:
            store.take("InferenceService", "MODIFIED", edited)
        return web.json_response(json.loads(await request.text()))

    api.script("PATCH", edit_meanwhile)

    await cycle(client, store, wall=SHED - SECOND).run(SHED - 2 * SECOND)

    sent = [seen for seen in api.requests("PATCH") if "/deployments/" in seen.path]
    names = [
        seen.body["spec"]["template"]["spec"]["containers"][0]["name"]
        for seen in sent
        if "dryRun" not in seen.query
    ]
    assert names == ["server"]


def crowd(number: int) -> Store:
    """Let so many services ask for more than there is, and so wait."""
    store = Store(Trigger())
    for body in (bodies.node("n1"), bodies.npu_class(), bodies.profile()):
        store.take(body["kind"], "ADDED", body)
    for count in range(number):
        service = bodies.service(f"s{count:03}", throughput={"perSecond": 10**6})
        store.take("InferenceService", "ADDED", service)
    return store


def told(api: Api) -> int:
    """Count the statuses of services that were written."""
    return sum("/inferenceservices/" in seen.path for seen in api.requests("PATCH"))


async def test_statuses_are_all_told_in_one_cycle_while_nothing_happens(
    api: Api,
    client: Client,
) -> None:
    await cycle(client, crowd(120), wall=SHED - SECOND).run(SHED - 2 * SECOND)

    assert told(api) == 120


async def test_what_own_writes_bring_about_is_no_news(api: Api, client: Client) -> None:
    store = crowd(120)

    async def watch(request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.text())
        if "/services/" in request.path:
            body["metadata"]["uid"] = f"uid-{body['metadata']['name']}"
            store.take("Service", "ADDED", body)
        return web.json_response(body)

    api.script("PATCH", watch)

    await cycle(client, store, wall=SHED - SECOND).run(SHED - 2 * SECOND)

    assert store.sizes()["Service"] == 120
    assert told(api) == 120


async def test_news_is_looked_at_before_all_statuses_are_told(
    api: Api,
    client: Client,
) -> None:
    store = crowd(120)

    async def happen_meanwhile(request: web.Request) -> web.StreamResponse:
        if "dryRun" not in request.query:
            store.take("Node", "ADDED", bodies.node("n2"))
        return web.json_response(json.loads(await request.text()))

    api.script("PATCH", happen_meanwhile)

    again = await cycle(client, store, wall=SHED - SECOND).run(SHED - 2 * SECOND)

    assert told(api) == 50
    assert again.seconds == 0.0
