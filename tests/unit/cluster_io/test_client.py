"""The client: what it sends, and which error each answer becomes."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import pytest

from kwatt.cluster.answers import Expired
from kwatt.cluster.client import Client
from kwatt.errors import ClusterError, Conflict, Missing, Refused, Unavailable

POD = "/api/v1/namespaces/a/pods/p"


@pytest.fixture
async def client(api) -> AsyncIterator[Client]:
    async with Client(api.configuration, request_seconds=0.5) as connected:
        yield connected


class TestRequests:
    async def test_apply_names_its_content_type_manager_and_force(self, api, say, client):
        api.script("PATCH", say.json({"kind": "Pod"}))

        answer = await client.apply(POD, {"kind": "Pod", "spec": {}})

        (seen,) = api.seen
        assert answer == {"kind": "Pod"}
        assert seen.query == {"fieldManager": "kwatt", "force": "true"}
        assert seen.content_type == "application/apply-patch+yaml; charset=utf-8"
        assert seen.body == {"kind": "Pod", "spec": {}}

    async def test_dry_run_is_asked_of_the_server(self, api, say, client):
        api.script("PATCH", say.json({}))

        await client.apply(POD, {}, force=False, dry_run=True)

        expected = {"fieldManager": "kwatt", "dryRun": "All", "force": "false"}
        assert api.seen[0].query == expected

    @pytest.mark.parametrize(
        ("call", "content_type"),
        [
            (lambda c: c.json_patch(POD, []), "application/json-patch+json"),
            (lambda c: c.merge_patch(POD, {}), "application/merge-patch+json"),
        ],
    )
    async def test_each_patch_names_its_kind_even_when_empty(
        self, api, say, client, call, content_type
    ):
        api.script("PATCH", say.json({}))

        await call(client)

        assert api.seen[0].content_type == content_type

    async def test_a_json_patch_arrives_as_a_list_in_order(self, api, say, client):
        api.script("PATCH", say.json({}))
        ops = [{"op": "test", "path": "/a", "value": 1}, {"op": "remove", "path": "/a"}]

        await client.json_patch(POD, ops)

        assert api.seen[0].body == ops

    async def test_delete_names_uid_and_version(self, api, say, client):
        api.script("DELETE", say.json({}))

        await client.delete(POD, uid="u", resource_version="7", propagation="Foreground")

        body = api.seen[0].body
        assert body["preconditions"] == {"uid": "u", "resourceVersion": "7"}
        assert body["propagationPolicy"] == "Foreground"

    async def test_create_and_replace_send_json(self, api, say, client):
        api.script("POST", say.json({}, 201))
        api.script("PUT", say.json({}))

        await client.create("/api/v1/namespaces/a/pods", {"kind": "Pod"})
        await client.replace(POD, {"kind": "Pod"})

        assert [(s.method, s.content_type) for s in api.seen] == [
            ("POST", "application/json"),
            ("PUT", "application/json"),
        ]

    async def test_the_bearer_token_is_sent_and_read_anew(self, api, say, client):
        tokens = iter(("bearer one", "bearer two"))
        api.configuration.api_key["BearerToken"] = "bearer none"
        api.configuration.refresh_api_key_hook = lambda c: c.api_key.update(
            BearerToken=next(tokens)
        )
        got = []

        async def answer(request):
            got.append(request.headers["Authorization"])
            return await say.json({})(request)

        api.script("GET", answer)

        await client.get(POD)
        await client.get(POD)

        assert got == ["bearer one", "bearer two"]


class TestErrors:
    @pytest.mark.parametrize(
        ("code", "error"),
        [
            (400, Refused),
            (401, Refused),
            (403, Refused),
            (404, Missing),
            (409, Conflict),
            (410, Expired),
            (413, Refused),
            (415, Refused),
            (422, Refused),
            (429, Unavailable),
            (500, Unavailable),
            (503, Unavailable),
            (504, Unavailable),
        ],
    )
    async def test_a_status_becomes_its_error_with_the_servers_sentence(
        self, api, say, client, code, error
    ):
        api.script("GET", say.failure(code, "the server says why"))

        with pytest.raises(error) as caught:
            await client.get(POD)

        assert type(caught.value) is error
        assert (caught.value.status, caught.value.message) == (code, "the server says why")

    async def test_the_wait_that_the_server_asks_for_is_kept(self, api, say, client):
        api.script("GET", say.failure(429, "too many", Retry_After="3"))

        with pytest.raises(Unavailable) as caught:
            await client.get(POD)

        assert caught.value.retry_after_seconds == 3

    async def test_a_failed_test_of_a_json_patch_is_a_conflict(self, api, say, client):
        message = "the server rejected our request due to an error in our request"
        api.script("PATCH", say.failure(422, message))

        with pytest.raises(Conflict, match="the object has changed"):
            await client.json_patch(POD, [])

    async def test_a_field_that_does_not_exist_is_refused(self, api, say, client):
        message = "failed to create typed patch object (a/p): .spec.x: field not declared in schema"
        api.script("PATCH", say.failure(500, message))

        with pytest.raises(Refused, match="field not declared"):
            await client.apply(POD, {})

    async def test_a_proxys_plain_text_becomes_the_message(self, api, say, client):
        api.script("GET", say.text("upstream connect error", 502))

        with pytest.raises(Unavailable, match="upstream connect error"):
            await client.get(POD)

    async def test_a_page_of_html_with_status_200_is_unavailable(self, api, say, client):
        api.script("GET", say.text("<html>log in</html>"))

        with pytest.raises(Unavailable, match="not JSON"):
            await client.get(POD)

    async def test_silence_ends_after_the_request_time(self, api, say, client):
        api.script("GET", say.chunks(b"{", hold=3600))

        with pytest.raises(Unavailable, match="no answer in time"):
            await client.get(POD)

    async def test_a_broken_connection_is_unavailable(self, api, say, client):
        api.script("PATCH", say.chunks(b'{"a":', cut=True))

        with pytest.raises(Unavailable):
            await client.apply(POD, {})

    async def test_nobody_listening_is_unavailable(self, api, client):
        api.configuration.host = "http://127.0.0.1:9"

        with pytest.raises(Unavailable, match=POD):
            await client.get(POD)


class TestGate:
    """Before each write: lease valid for longer than the timeout."""

    @pytest.mark.parametrize(
        "write",
        [
            lambda c: c.apply(POD, {}),
            lambda c: c.json_patch(POD, []),
            lambda c: c.merge_patch(POD, {}),
            lambda c: c.create(POD, {}),
            lambda c: c.replace(POD, {}),
            lambda c: c.delete(POD, uid="u"),
        ],
    )
    async def test_a_closed_gate_keeps_every_write_from_being_sent(self, api, write):
        def closed() -> None:
            raise ClusterError(0, "not leading")

        async with Client(api.configuration, gate=closed) as gated:
            with pytest.raises(ClusterError, match="not leading"):
                await write(gated)

        assert api.seen == []

    async def test_a_closed_gate_lets_reads_pass(self, api, say):
        api.script("GET", say.json({"kind": "Pod"}))

        async with Client(api.configuration, gate=lambda: 1 / 0) as gated:
            assert await gated.get(POD) == {"kind": "Pod"}


async def test_each_request_is_counted_with_its_outcome(api, say):
    counted = []
    api.script("GET", say.json({}))
    api.script("PATCH", say.failure(409, "conflict"))
    api.script("POST", say.chunks(hold=3600))
    count = lambda *labels: counted.append(labels)  # noqa: E731

    async with Client(api.configuration, on_request=count, request_seconds=0.2) as client:
        await client.get("/api/v1/nodes/n/status")
        with pytest.raises(Conflict):
            await client.apply(POD, {})
        api.configuration.host = "http://127.0.0.1:9"
        with pytest.raises(Unavailable):
            await client.create("/apis/kwatt.dev/v1alpha1/namespaces/a/inferenceservices", {})

    assert counted == [
        ("get", "nodes/status", "200"),
        ("apply", "pods", "409"),
        ("create", "inferenceservices", "unreachable"),
    ]


class TestLists:
    async def test_pages_follow_each_other_with_one_version(self, api, say, client):
        api.script("LIST", say.page([say.pod("a", 1)], 9, "more"), say.page([say.pod("b", 2)], 9))

        pages = [page async for page in client.list_pages("/api/v1/pods", limit=1)]

        assert [(p.items[0]["metadata"]["name"], p.version, p.first) for p in pages] == [
            ("a", "9", True),
            ("b", "9", False),
        ]
        assert api.seen[1].query == {"limit": "1", "continue": "more"}

    async def test_items_get_the_kind_that_lists_leave_out(self, api, say, client):
        api.script("LIST", say.page([say.pod("a", 1)], 9))

        (page,) = [page async for page in client.list_pages("/api/v1/pods")]

        assert (page.items[0]["kind"], page.items[0]["apiVersion"]) == ("Pod", "v1")

    async def test_an_expired_continuation_begins_the_list_again(self, api, say, client):
        api.script(
            "LIST",
            say.page([say.pod("a", 1)], 9, "old"),
            say.failure(410, "The provided continue parameter is too old"),
            say.page([say.pod("b", 2)], 12),
        )

        pages = [page async for page in client.list_pages("/api/v1/pods")]

        assert [(p.version, p.first) for p in pages] == [("9", True), ("12", True)]
        assert "continue" not in api.seen[2].query

    async def test_a_list_that_expires_for_ever_gives_up(self, api, say, client):
        api.script("LIST", say.failure(410, "too old"))

        with pytest.raises(Expired):
            async for _ in client.list_pages("/api/v1/pods"):
                pass

        assert len(api.seen) == 4

    async def test_an_empty_list_has_one_empty_page(self, api, say, client):
        api.script("LIST", say.json({"metadata": {"resourceVersion": "3"}, "items": None}))

        pages = [page async for page in client.list_pages("/api/v1/pods")]

        assert [(page.items, page.version) for page in pages] == [([], "3")]


class TestWatches:
    async def collect(self, client):
        return [event async for event in client.watch("/api/v1/pods", "5", 10)]

    async def test_it_asks_for_bookmarks_from_the_version(self, api, say, client):
        api.script("WATCH", say.chunks())

        assert await self.collect(client) == []

        assert api.seen[0].query == {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": "5",
            "timeoutSeconds": "10",
        }

    @pytest.mark.parametrize("size", [1, 7, 64])
    async def test_events_survive_any_chunk_boundary(self, api, say, client, size):
        line = json.dumps({"type": "ADDED", "object": say.pod("한글", 6)}, ensure_ascii=False)
        data = (line + "\n").encode() * 3
        pieces = [data[i : i + size] for i in range(0, len(data), size)]
        api.script("WATCH", say.chunks(*pieces))

        events = await self.collect(client)

        assert [e.body["metadata"]["name"] for e in events] == ["한글"] * 3

    async def test_an_object_of_five_megabytes_fits_on_a_line(self, api, say, client):
        big = say.pod("big", 6, data="x" * 5_000_000)
        api.script("WATCH", say.events(("ADDED", big), ("DELETED", say.pod("b", 7)), hold=0))

        events = await self.collect(client)

        assert [e.type for e in events] == ["ADDED", "DELETED"]
        assert len(events[0].body["data"]) == 5_000_000

    async def test_an_error_event_of_410_is_expired(self, api, say, client):
        api.script("WATCH", say.events(("ERROR", say.status(410, "too old resource version"))))

        with pytest.raises(Expired, match="too old resource version"):
            await self.collect(client)

    async def test_another_error_event_is_its_error(self, api, say, client):
        api.script("WATCH", say.events(("ERROR", say.status(500, "etcd is away"))))

        with pytest.raises(Unavailable, match="etcd is away"):
            await self.collect(client)

    @pytest.mark.parametrize("line", [b"{nonsense\n", b"[]\n", b'{"type": 1}\n', b'{"type":"A'])
    async def test_a_malformed_line_is_unavailable(self, api, say, client, line):
        api.script("WATCH", say.chunks(line))

        with pytest.raises(Unavailable):
            await self.collect(client)

    async def test_leaving_early_closes_the_connection(self, api, say, client, until):
        closed = asyncio.Event()

        async def answer(request):
            try:
                return await say.events(("ADDED", say.pod("a", 6)))(request)
            finally:
                closed.set()

        api.script("WATCH", answer)

        async with contextlib.aclosing(client.watch("/api/v1/pods", "5", 10)) as events:
            async for _ in events:
                break

        await until(closed.is_set)
