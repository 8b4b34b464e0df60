"""Events: one per fact, counted, and never an error of the caller."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from kwatt.cluster.client import Client
from kwatt.cluster.events import Events, Held, Lost, Posted, Subject, event_name
from kwatt.errors import Refused, Unavailable

SERVICE = Subject("kwatt.dev/v1alpha1", "InferenceService", "a", "yolo", "uid-1")
BUDGET = Subject("kwatt.dev/v1alpha1", "PowerBudget", "", "rack", "uid-2")


class Stored:
    """The Events of an API server."""

    def __init__(self) -> None:
        self.bodies: dict[str, dict] = {}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        if request.method == "POST":
            name = body["metadata"]["name"]
            if name in self.bodies:
                return web.json_response({"message": "exists"}, status=409)
            self.bodies[name] = body
            return web.json_response(body, status=201)
        name = request.path.rpartition("/")[2]
        if name not in self.bodies:
            return web.json_response({"message": "none"}, status=404)
        self.bodies[name] |= body
        return web.json_response(self.bodies[name])


@pytest.fixture
def stored(api) -> Stored:
    stored = Stored()
    for method in ("POST", "PATCH"):
        api.script(method, stored.handle)
    return stored


@pytest.fixture
async def client(api) -> AsyncIterator[Client]:
    async with Client(api.configuration) as connected:
        yield connected


async def test_an_event_names_its_object_and_its_source(api, stored, client):
    outcome = await Events(client, instance="pod-1").post(SERVICE, "Warning", "Unplaced", "why")

    (event,) = stored.bodies.values()
    assert outcome == Posted(1)
    assert api.seen[0].path == "/api/v1/namespaces/a/events"
    assert event["involvedObject"]["uid"] == "uid-1"
    assert (event["type"], event["reason"], event["message"]) == ("Warning", "Unplaced", "why")
    assert event["source"] == {"component": "kwatt"}


async def test_the_same_event_is_counted(stored, client):
    events = Events(client)

    outcomes = [await events.post(SERVICE, "Normal", "Placed", "on npu-1") for _ in range(3)]

    assert outcomes == [Posted(1), Posted(2), Posted(3)]
    assert [event["count"] for event in stored.bodies.values()] == [3]


async def test_the_count_goes_on_after_a_restart(stored, client):
    for _ in range(3):
        await Events(client).post(SERVICE, "Normal", "Placed", "on npu-1")
    events = Events(client)

    outcomes = [await events.post(SERVICE, "Normal", "Placed", "on npu-1") for _ in range(2)]

    assert outcomes == [Posted(1), Posted(2)]
    assert [event["count"] for event in stored.bodies.values()] == [2]


async def test_an_event_that_the_server_dropped_is_created_again(stored, client):
    events = Events(client)
    await events.post(SERVICE, "Normal", "Placed", "on npu-1")
    stored.bodies.clear()

    assert await events.post(SERVICE, "Normal", "Placed", "on npu-1") == Posted(1)
    assert len(stored.bodies) == 1


async def test_events_of_cluster_wide_objects_live_in_default(api, stored, client):
    await Events(client).post(BUDGET, "Warning", "Exceeded", "by 140 W")

    assert api.seen[0].path == "/api/v1/namespaces/default/events"


async def test_too_many_events_about_one_object_are_held(stored, client):
    now = 0.0
    events = Events(client, burst=2, clock=lambda: now)

    first = [await events.post(SERVICE, "Normal", "R", f"m{n}") for n in range(3)]
    other = await events.post(BUDGET, "Normal", "R", "m")
    now = 60.0
    later = await events.post(SERVICE, "Normal", "R", "m4")

    assert first == [Posted(1), Posted(1), Held()]
    assert (other, later) == (Posted(1), Posted(1))


@pytest.mark.parametrize(("code", "error"), [(403, Refused), (500, Unavailable)])
async def test_a_refused_event_is_only_a_result(api, say, client, code, error):
    api.script("POST", say.failure(code, "no"))

    outcome = await Events(client).post(SERVICE, "Normal", "R", "m")

    assert isinstance(outcome, Lost)
    assert isinstance(outcome.error, error)


async def test_an_event_in_a_namespace_that_is_gone_is_lost(api, say, client):
    api.script("POST", say.failure(404, "namespace not found"))

    assert isinstance(await Events(client).post(SERVICE, "Normal", "R", "m"), Lost)


async def test_long_messages_are_cut_between_characters(stored, client):
    await Events(client).post(SERVICE, "Normal", "R", "전력" * 400)

    (event,) = stored.bodies.values()
    assert len(event["message"].encode()) <= 1024
    assert event["message"].endswith("…")


def test_another_fact_has_another_name():
    names = {
        event_name(SERVICE, "R", "m"),
        event_name(SERVICE, "R", "n"),
        event_name(SERVICE, "S", "m"),
        event_name(BUDGET, "R", "m"),
    }

    assert len(names) == 4
    assert all(len(name) <= 253 for name in names)
