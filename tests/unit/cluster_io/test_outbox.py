"""The outbox: many writes, each with its outcome."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest
from aiohttp import web

from kwatt.cluster.backoff import Backoff
from kwatt.cluster.client import Client
from kwatt.cluster.lease import NotLeading
from kwatt.cluster.outbox import Applied, Failed, Flow, Outbox, Outdated, Request, portion
from kwatt.cluster.tokens import Bucket
from kwatt.cluster.writes import Apply, Create, Delete, Evict, JsonPatch, MergePatch
from kwatt.errors import Conflict, Refused, Unavailable

UNPACED = Flow(per_second=None)


class Key(NamedTuple):
    namespace: str
    name: str


def request(name: str) -> Request:
    return Request(Key("a", name), Apply(f"/api/v1/namespaces/a/pods/{name}", {"n": name}))


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def client(api) -> AsyncIterator[Client]:
    async with Client(api.configuration) as connected:
        yield connected


def poisoned(say, code: int, **headers):
    """Refuse the object named poison, accept all others."""

    async def answer(request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.text())
        if body["n"] == "poison":
            return await say.failure(code, "poison", **headers)(request)
        return web.json_response(body)

    return answer


class TestRun:
    async def test_outcomes_come_in_the_order_of_the_requests(self, api, say, client):
        api.script("PATCH", poisoned(say, 422))
        requests = [request(name) for name in ("a", "poison", "b")]

        outcomes = await Outbox(client, UNPACED).run(requests)

        assert [type(outcome) for outcome in outcomes] == [Applied, Failed, Applied]
        assert [outcome.request for outcome in outcomes] == requests
        assert isinstance(outcomes[1].error, Refused)

    async def test_no_more_than_the_allowed_number_at_once(self, api, client):
        now, peak = 0, 0

        async def answer(_: web.Request) -> web.StreamResponse:
            nonlocal now, peak
            now, peak = now + 1, max(peak, now + 1)
            await asyncio.sleep(0.01)
            now -= 1
            return web.json_response({})

        api.script("PATCH", answer)
        flow = Flow(concurrency=3, per_second=None)

        await Outbox(client, flow).run([request(str(n)) for n in range(12)])

        assert peak == 3

    async def test_the_rate_is_limited_after_the_burst(self, api, say, client):
        api.script("PATCH", say.json({}))
        flow = Flow(per_second=50, burst=5)
        begun = time.monotonic()

        await Outbox(client, flow).run([request(str(n)) for n in range(15)])

        assert api.seen[-1].at - begun >= 0.15

    async def test_nothing_is_sent_for_no_requests(self, api, client):
        assert await Outbox(client).run([]) == []

    @pytest.mark.parametrize(
        ("write", "method", "path"),
        [
            (Apply("/x", {}), "PATCH", "/x"),
            (JsonPatch("/x", ({"op": "remove", "path": "/a"},)), "PATCH", "/x"),
            (MergePatch("/x", {}), "PATCH", "/x"),
            (Create("/x", {}), "POST", "/x"),
            (Delete("/x", "uid"), "DELETE", "/x"),
            (Evict("a", "p", "uid"), "POST", "/api/v1/namespaces/a/pods/p/eviction"),
        ],
    )
    async def test_each_kind_of_write_is_sent(self, api, say, client, write, method, path):
        api.script(method, say.json({}))

        (outcome,) = await Outbox(client, UNPACED).run([Request("k", write)])

        assert isinstance(outcome, Applied)
        assert (api.seen[0].method, api.seen[0].path) == (method, path)

    async def test_an_eviction_names_the_very_pod(self, api, say, client):
        api.script("POST", say.json({}))

        await Outbox(client, UNPACED).run([Request("k", Evict("a", "p", "uid-p"))])

        preconditions = api.seen[0].body["deleteOptions"]["preconditions"]
        assert preconditions == {"uid": "uid-p"}

    @pytest.mark.parametrize(
        ("write", "method"), [(Delete("/x", "u"), "DELETE"), (Evict("a", "p", "u"), "POST")]
    )
    async def test_what_is_gone_already_counts_as_ended(self, api, say, client, write, method):
        api.script(method, say.failure(404, "gone"))

        (outcome,) = await Outbox(client, UNPACED).run([Request("k", write)])

        assert isinstance(outcome, Applied)


class TestMemory:
    async def test_a_failed_key_waits_and_others_do_not(self, api, say, client):
        api.script("PATCH", poisoned(say, 500))
        clock = Clock()
        outbox = Outbox(client, UNPACED, clock)
        await outbox.run([request("poison")])

        failed, applied = await outbox.run([request("poison"), request("a")])

        assert (failed.attempted, str(failed.error)) == (False, "500 poison")
        assert isinstance(applied, Applied)
        assert len(api.seen) == 2

    async def test_waits_double_up_to_five_minutes(self, api, say, client):
        api.script("PATCH", poisoned(say, 500))
        clock, waits = Clock(), []
        outbox = Outbox(client, UNPACED, clock)

        for _ in range(12):
            (failed,) = await outbox.run([request("poison")])
            waits.append(failed.retry_seconds)
            clock.now += failed.retry_seconds

        assert 1 <= waits[0] <= 1.25
        assert waits == sorted(waits[:9]) + waits[9:]
        assert all(300 <= wait <= 375 for wait in waits[9:])

    async def test_a_key_is_due_when_its_wait_is_over(self, api, say, client):
        api.script("PATCH", poisoned(say, 500))
        clock = Clock()
        outbox = Outbox(client, UNPACED, clock)
        key = Key("a", "poison")

        (failed,) = await outbox.run([request("poison")])

        assert not outbox.due(key)
        assert not outbox.due(key, 100.0 + failed.retry_seconds - 0.01)
        assert outbox.due(key, 100.0 + failed.retry_seconds + 0.01)
        assert outbox.due(Key("a", "other"))

    async def test_a_refusal_waits_longer_than_a_fault(self, api, say, client):
        api.script("PATCH", poisoned(say, 403))

        (failed,) = await Outbox(client, UNPACED).run([request("poison")])

        assert failed.retry_seconds >= 30

    async def test_the_wait_that_the_server_asks_for_is_kept(self, api, say, client):
        api.script("PATCH", poisoned(say, 429, Retry_After="20"))

        (failed,) = await Outbox(client, UNPACED).run([request("poison")])

        assert isinstance(failed.error, Unavailable)
        assert failed.retry_seconds >= 20

    async def test_success_clears_the_memory(self, api, say, client):
        api.script("PATCH", say.failure(409, "changed"), say.json({}), say.failure(409, "changed"))
        clock, waits = Clock(), []
        outbox = Outbox(client, UNPACED, clock)

        for _ in range(3):
            (outcome,) = await outbox.run([request("a")])
            clock.now += 10
            waits.append(outcome)

        assert isinstance(waits[0].error, Conflict)
        assert waits[2].retry_seconds <= 1.25

    async def test_a_forgiven_key_is_due_at_once(self, api, say, client):
        api.script("PATCH", say.failure(422, "no"), say.json({}))
        outbox = Outbox(client, UNPACED)
        await outbox.run([request("a")])

        outbox.forgive(Key("a", "a"))

        (outcome,) = await outbox.run([request("a")])
        assert isinstance(outcome, Applied)

    async def test_a_lost_lease_is_not_held_against_the_key(self, api):
        def closed() -> None:
            raise NotLeading(0, "not leading")

        async with Client(api.configuration, gate=closed) as gated:
            outbox = Outbox(gated, UNPACED)

            (failed,) = await outbox.run([request("a")])

        assert isinstance(failed.error, NotLeading)
        assert outbox.due(Key("a", "a"))


class TestBucket:
    def test_it_allows_the_burst_and_then_the_rate(self):
        bucket = Bucket(per_second=2, burst=3, now=0)

        assert [bucket.take(0) for _ in range(4)] == [True, True, True, False]
        assert [bucket.take(0.5), bucket.take(0.5)] == [True, False]

    def test_it_never_holds_more_than_the_burst(self):
        bucket = Bucket(per_second=2, burst=3, now=0)

        assert [bucket.take(1000) for _ in range(4)] == [True, True, True, False]

    def test_reservations_queue_up(self):
        bucket = Bucket(per_second=2, burst=1, now=0)

        assert [bucket.reserve(0) for _ in range(3)] == [0, 0.5, 1]


@pytest.mark.parametrize("failures", [0, 1, 5, 5000])
def test_a_backoff_stays_between_its_floor_and_its_cap(failures):
    backoff = Backoff(first=1, cap=30)

    assert 1 <= backoff.seconds(failures, 0.0) <= 30
    assert 1 <= backoff.seconds(failures, 0.999) <= 37.5


class TestHolds:
    async def test_what_was_decided_by_something_that_changed_is_not_sent(self, api, client):
        sent = []

        async def answer(request: web.Request) -> web.StreamResponse:
            sent.append(json.loads(await request.text())["n"])
            return web.json_response({})

        api.script("PATCH", answer)
        outbox = Outbox(client, Flow(per_second=None, concurrency=1))

        outcomes = await outbox.run([request("a"), request("b")], lambda: not sent)

        assert sent == ["a"]
        assert isinstance(outcomes[1].error, Outdated)
        assert not outcomes[1].attempted

    async def test_what_is_outdated_waits_for_no_turn(self, api, client):
        answered = []

        async def answer(request: web.Request) -> web.StreamResponse:
            answered.append(request.path)
            return web.json_response({})

        api.script("PATCH", answer)
        outbox = Outbox(client, Flow(per_second=0.001, burst=1, concurrency=1))

        async with asyncio.timeout(60):
            outcomes = await outbox.run(list(map(request, "abcd")), lambda: not answered)

        assert [type(outcome) for outcome in outcomes] == [Applied, Failed, Failed, Failed]

    async def test_being_outdated_is_no_failure_of_the_key(self, client):
        outbox = Outbox(client, UNPACED)

        await outbox.run([request("a")], lambda: False)

        assert outbox.due(Key("a", "a"))


async def portions(outbox, names, most, calm):
    """Return the names of each portion that was tried."""
    requests = [request(name) for name in names]
    return [
        [outcome.request.key.name for outcome in outcomes]
        async for outcomes in outbox.run_some(requests, most, calm)
    ]


class TestSome:
    async def test_only_the_first_due_requests_are_sent_where_there_is_news(self, client):
        outbox = Outbox(client, UNPACED)

        assert await portions(outbox, "abc", 2, lambda: False) == [["a", "b"]]

    async def test_a_request_that_waits_takes_no_place(self, api, say, client):
        api.script("PATCH", poisoned(say, 422))
        outbox = Outbox(client, UNPACED)
        await outbox.run([request("poison")])

        sent = await portions(outbox, ["poison", "a", "b"], 1, lambda: False)

        assert sent == [["poison", "a"]]

    async def test_all_are_sent_while_it_is_calm(self, client):
        calm = iter([True, False])

        sent = await portions(Outbox(client, UNPACED), "abcdefg", 2, lambda: next(calm))

        assert sent == [["a", "b"], ["c", "d"]]

    async def test_a_failure_ends_it(self, api, say, client):
        api.script("PATCH", poisoned(say, 500))

        sent = await portions(Outbox(client, UNPACED), ["a", "poison", "b"], 1, lambda: True)

        assert sent == [["a"], ["poison"]]


@pytest.mark.parametrize(("objects", "expected"), [(0, 50), (2500, 50), (10_000, 200)])
def test_a_portion_grows_with_what_a_cycle_has_to_go_through(objects, expected):
    assert portion(objects) == expected


class TestClosing:
    async def test_it_waits_for_what_was_sent_and_sends_nothing_more(self, api, client):
        arrived, answer = asyncio.Event(), asyncio.Event()

        async def slowly(_: web.Request) -> web.StreamResponse:
            arrived.set()
            await answer.wait()
            return web.json_response({})

        api.script("PATCH", slowly)
        outbox = Outbox(client, UNPACED)
        sending = asyncio.create_task(outbox.run([request("a")]))
        await arrived.wait()

        closing = asyncio.create_task(outbox.close())
        (late,) = await outbox.run([request("b")])
        assert not closing.done()
        answer.set()
        await closing

        assert isinstance(late.error, Outdated)
        assert not late.attempted
        assert [type(one) for one in await sending] == [Applied]
        assert len(api.requests("PATCH")) == 1
