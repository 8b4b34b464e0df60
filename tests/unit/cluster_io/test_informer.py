"""The informer: a store stays true whatever the API server does."""

import asyncio
import contextlib
import itertools
import json

import pytest

from kwatt.cluster.backoff import Backoff
from kwatt.cluster.client import Client
from kwatt.cluster.informer import Informer, OptionalInformer, Pace
from kwatt.cluster.ledger import sighting_of

PODS = "/api/v1/pods"
QUICK = Pace(list_seconds=300, backoff=Backoff(first=0.02, cap=0.1), absent_seconds=0.02)


class Store:
    """What a store of the operator does, reduced to versions."""

    def __init__(self) -> None:
        self.versions: dict[str, str] = {}
        self.log: list[tuple[str, str]] = []
        self.poison = ""

    def take(self, event_type: str, body: dict) -> None:
        metadata = body["metadata"]
        self.log.append((event_type, metadata["name"]))
        if metadata["name"] == self.poison:
            raise RuntimeError("poison")
        if event_type == "DELETED":
            self.versions.pop(metadata["uid"], None)
        else:
            self.versions[metadata["uid"]] = metadata["resourceVersion"]

    def forget(self, uid: str) -> None:
        self.log.append(("forget", uid))
        self.versions.pop(uid, None)


@pytest.fixture
async def start(api):
    """Run informers for the length of a test."""
    async with contextlib.AsyncExitStack() as stack:
        client = await stack.enter_async_context(Client(api.configuration, request_seconds=1))

        def started(store: Store, kind: type[Informer] = Informer, **options) -> Informer:
            informer = kind(client, PODS, store, **{"pace": QUICK, **options})
            task = asyncio.create_task(informer.run())
            stack.push_async_callback(_stopped, task)
            return informer

        yield started


async def _stopped(task: asyncio.Task) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def bookmark(version: int) -> tuple[str, dict]:
    return ("BOOKMARK", {"kind": "Pod", "metadata": {"resourceVersion": str(version)}})


class TestFollowing:
    async def test_it_lists_and_then_watches_from_the_lists_version(self, api, say, start, until):
        store = Store()
        api.script("LIST", say.page([say.pod("a", 3)], 9))
        api.script("WATCH", say.events(("ADDED", say.pod("b", 10)), ("DELETED", say.pod("a", 11))))

        informer = start(store, selector="kwatt.dev/service")
        await until(lambda: store.versions == {"uid-b": "10"})

        assert informer.synced.is_set()
        assert store.log == [("ADDED", "a"), ("ADDED", "b"), ("DELETED", "a")]
        assert api.requests("WATCH")[0].query["resourceVersion"] == "9"
        assert {seen.query["labelSelector"] for seen in api.seen} == {"kwatt.dev/service"}

    async def test_it_is_not_synced_before_the_last_page(self, api, say, start, until):
        store, last = Store(), asyncio.Event()

        async def second(request):
            await last.wait()
            return await say.page([say.pod("b", 4)], 9)(request)

        api.script("LIST", say.page([say.pod("a", 3)], 9, "more"), second)
        api.script("WATCH", say.chunks(hold=3600))

        informer = start(store)
        await until(lambda: store.versions)
        before = (informer.synced.is_set(), informer.last_listed)
        last.set()
        await until(informer.synced.is_set)

        assert before == (False, None)
        assert len(informer) == 2

    async def test_catching_up_tells_what_is_new_and_up_to_when(self, api, say, start, until):
        store = Store()
        api.script("LIST", say.page([say.pod("a", 3)], 9), say.page([say.pod("b", 12)], 15))
        api.script("WATCH", say.events(bookmark(10)))
        informer = start(store)
        await until(lambda: informer.version == 10)

        await informer.catch_up()

        assert informer.version == 15
        assert store.versions == {"uid-a": "3", "uid-b": "12"}

    async def test_old_events_and_echoes_are_not_handed_on(self, api, say, start, until):
        store = Store()
        old, new = say.pod("a", 8), say.pod("b", 12)
        api.script("LIST", say.page([say.pod("a", 9)], 10))
        api.script("WATCH", say.events(("MODIFIED", old), ("ADDED", new), ("MODIFIED", new)))

        start(store)
        await until(lambda: "uid-b" in store.versions)

        assert store.log == [("ADDED", "a"), ("ADDED", "b")]

    async def test_one_object_that_cannot_be_taken_stops_no_other(self, api, say, start, until):
        store = Store()
        store.poison = "a"
        api.script("LIST", say.page([say.pod("a", 3), say.pod("b", 4)], 9))
        api.script("WATCH", say.chunks(hold=3600))

        start(store)

        await until(lambda: store.versions == {"uid-b": "4"})


class TestInterruptions:
    async def test_a_watch_goes_on_from_the_last_bookmark(self, api, say, start, until):
        api.script("LIST", say.page([], 9))
        api.script("WATCH", say.events(bookmark(50), hold=0), say.chunks(hold=3600))

        start(Store())
        await until(lambda: len(api.requests("WATCH")) == 2)

        assert api.requests("WATCH")[1].query["resourceVersion"] == "50"
        assert len(api.requests("LIST")) == 1

    @pytest.mark.parametrize("cut", [True, False])
    async def test_a_server_that_accepts_and_closes_gets_no_hot_loop(
        self, api, say, start, until, cut
    ):
        api.script("LIST", say.page([], 9))
        api.script("WATCH", say.chunks(cut=cut))

        start(Store(), pace=Pace(backoff=Backoff(first=0.1, cap=0.2)))
        await until(lambda: len(api.requests("WATCH")) == 4)

        times = [seen.at for seen in api.requests("WATCH")]
        pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
        assert min(pauses) >= 0.1
        assert max(pauses) >= 0.2

    async def test_410_lists_again_and_finds_what_was_deleted(self, api, say, start, until):
        store = Store()
        api.script(
            "LIST",
            say.page([say.pod("a", 3), say.pod("b", 4)], 9),
            say.page([say.pod("b", 4), say.pod("c", 15)], 20),
        )
        expired = ("ERROR", say.status(410, "too old"))
        api.script("WATCH", say.events(expired, hold=0), say.chunks(hold=3600))

        start(store)
        await until(lambda: len(api.requests("WATCH")) == 2)

        assert store.versions == {"uid-b": "4", "uid-c": "15"}
        assert store.log[-2:] == [("ADDED", "c"), ("forget", "uid-a")]
        assert api.requests("WATCH")[1].query["resourceVersion"] == "20"

    @pytest.mark.parametrize("code", [401, 403, 404, 429, 500, 503])
    async def test_a_failing_server_is_asked_again(self, api, say, start, until, code):
        api.script("LIST", say.failure(code, "no"), say.failure(code, "no"), say.page([], 9))
        api.script("WATCH", say.failure(code, "no"), say.chunks(hold=3600))

        informer = start(Store())
        await until(lambda: len(api.requests("WATCH")) == 2)

        assert informer.synced.is_set()
        assert informer.last_error.status == code

    async def test_the_wait_that_the_server_asks_for_is_kept(self, api, say, start, until):
        api.script("LIST", say.failure(429, "busy", Retry_After="0.3"), say.page([], 9))
        api.script("WATCH", say.chunks(hold=3600))

        informer = start(Store())
        await until(informer.synced.is_set)

        first, second = api.requests("LIST")
        assert second.at - first.at >= 0.3

    async def test_a_line_that_is_always_malformed_leads_to_a_new_list(
        self, api, say, start, until
    ):
        store = Store()
        api.script("LIST", say.page([], 9), say.page([say.pod("a", 10)], 11))
        bad = say.chunks(b"{nonsense\n")
        api.script("WATCH", bad, bad, bad, say.events(bookmark(12)))

        start(store)

        await until(lambda: store.versions == {"uid-a": "10"})

    async def test_an_object_without_uid_is_survived(self, api, say, start, until):
        store = Store()
        api.script("LIST", say.page([], 9))
        bad = say.events(("ADDED", {"metadata": {}}), hold=0)
        api.script("WATCH", bad, say.events(("ADDED", say.pod("a", 10))))

        start(store)

        await until(lambda: store.versions == {"uid-a": "10"})

    async def test_a_failed_relist_lets_the_watch_go_on(self, api, say, start, until):
        store = Store()
        api.script("LIST", say.page([], 9), say.failure(500, "no"))
        api.script(
            "WATCH", say.events(bookmark(9), hold=0), say.events(("ADDED", say.pod("a", 10)))
        )

        start(store, pace=Pace(list_seconds=0.01, backoff=Backoff(first=0.02, cap=3)))

        await until(lambda: store.versions == {"uid-a": "10"})


class TestComparing:
    async def test_deletions_between_watch_and_list_are_no_drift(self, api, say, start, until):
        store = Store()
        gone = ("DELETED", say.pod("a", 15))
        api.script("LIST", say.page([say.pod("a", 3)], 9), say.page([], 20))
        api.script("WATCH", say.events(bookmark(10), hold=0.05), say.events(gone, hold=0.05))

        informer = start(store, pace=Pace(0.01, Backoff(0.02, 0.1)))
        await until(lambda: len(api.requests("LIST")) >= 4)

        assert store.log == [("ADDED", "a"), ("forget", "uid-a")]
        assert api.requests("WATCH")[1].query["resourceVersion"] == "10"
        assert informer.drift == 0

    async def test_deletions_that_no_event_told_are_drift(self, api, say, start, until):
        api.script("LIST", say.page([say.pod("a", 3)], 9), say.page([], 20))
        api.script("WATCH", say.events(bookmark(20), hold=0.05))

        informer = start(Store(), pace=Pace(0.01, Backoff(0.02, 0.1)))

        await until(lambda: informer.drift == 1)


class TestWithoutWatch:
    async def test_it_only_lists_and_sorts_out_what_others_saw(self, api, say, start, until):
        store = Store()
        api.script("LIST", say.page([say.pod("a", 3)], 9))

        informer = start(store, watch=False)
        await until(informer.synced.is_set)
        informer.offer(None, say.pod("a", 3))
        informer.offer("MODIFIED", say.pod("a", 10))
        informer.offer("DELETED", say.pod("a", 12))
        informer.offer("MODIFIED", say.pod("a", 11))

        assert store.log == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]
        assert api.requests("WATCH") == []

    async def test_it_forgets_what_a_later_list_lacks(self, api, say, start, until):
        store = Store()
        api.script("LIST", say.page([say.pod("a", 3)], 9), say.page([], 20))

        start(store, watch=False, pace=Pace(0.05, Backoff(0.02, 0.1)))

        await until(lambda: store.log == [("ADDED", "a"), ("forget", "uid-a")])

    async def test_it_lists_at_once_when_the_watch_of_the_others_has_lost_its_place(
        self, api, say, start, until
    ):
        store = Store()
        api.script("LIST", say.page([say.pod("a", 3), say.pod("b", 4)], 9), say.page([], 20))
        informer = start(store, watch=False)
        await until(informer.synced.is_set)
        informer.offer(None, say.pod("a", 3))
        informer.offer("ADDED", say.pod("b", 4))

        informer.offer(None, say.pod("b", 4))

        await until(lambda: store.versions == {})
        assert len(api.requests("LIST")) == 2

    async def test_what_was_gone_before_the_others_listed_first_is_forgotten_at_once(
        self, api, say, start, until
    ):
        store = Store()
        both, one = [say.pod("a", 3), say.pod("b", 4)], [say.pod("b", 4)]
        api.script("LIST", say.page(both, 9), say.page(one, 20))
        informer = start(store, watch=False)
        await until(informer.synced.is_set)

        informer.offer(None, say.pod("b", 4))

        await until(lambda: store.versions == {"uid-b": "4"})

    async def test_what_was_gone_before_the_others_listed_nothing_is_forgotten_soon(
        self, api, say, start, until
    ):
        store = Store()
        api.script("LIST", say.page([say.pod("a", 3)], 9), say.page([], 20))

        start(store, watch=False, pace=Pace(300.0, Backoff(0.02, 0.1), second_seconds=0.1))

        await until(lambda: store.log == [("ADDED", "a"), ("forget", "uid-a")])

    async def test_an_object_that_could_not_be_taken_is_tried_at_the_next_list(
        self, api, say, start, until
    ):
        store = Store()
        store.poison = "a"
        api.script("LIST", say.page([say.pod("a", 3)], 9))

        start(store, watch=False, pace=Pace(0.05, Backoff(0.02, 0.1)))
        await until(lambda: store.log)
        store.poison = ""

        await until(lambda: store.versions == {"uid-a": "3"})


class TestOptional:
    """What a cluster may not serve is followed from when it does until it does not any more."""

    async def test_what_is_not_served_is_empty_and_known(self, api, say, start, until):
        store, served = Store(), []
        api.script("LIST", say.text("404 page not found", 404))

        informer = start(store, OptionalInformer, served=served.append)
        await until(informer.synced.is_set)

        assert (store.log, set(served)) == ([], {False})
        assert informer.last_listed is not None

    async def test_what_is_served_later_is_found(self, api, say, start, until):
        store, served = Store(), []
        missing = say.text("404 page not found", 404)
        api.script("LIST", missing, missing, say.page([say.pod("a", 3)], 9))
        api.script("WATCH", say.events())

        start(store, OptionalInformer, served=served.append)
        await until(lambda: len(served) == 3)

        assert served == [False, False, True]
        assert store.versions == {"uid-a": "3"}

    async def test_one_answer_that_it_is_gone_is_not_believed(self, api, say, start, until):
        store, served = Store(), []
        page = say.page([say.pod("a", 3)], 9)
        api.script("LIST", page)
        api.script("WATCH", say.failure(404, "not found"), say.events())

        start(store, OptionalInformer, served=served.append)
        await until(lambda: len(api.requests("WATCH")) == 2)

        assert served == [True, True]
        assert store.log == [("ADDED", "a")]

    async def test_what_is_gone_is_forgotten(self, api, say, start, until):
        store, served = Store(), []
        api.script("LIST", say.page([say.pod("a", 3)], 9), say.text("404 page not found", 404))
        api.script("WATCH", say.failure(404, "not found"))

        start(store, OptionalInformer, served=served.append)
        await until(lambda: served[-1:] == [False])

        assert store.versions == {}
        assert store.log[-1] == ("forget", "uid-a")


class Keeper:
    """Keeps the last body that was handed on."""

    def __init__(self) -> None:
        self.body: dict = {}

    def take(self, event_type: str, body: dict) -> None:
        self.body = body

    def forget(self, uid: str) -> None:
        """Nothing is forgotten here."""


async def test_who_keeps_a_name_does_not_keep_the_list_that_it_came_in(api):
    keeper = Keeper()
    listed = json.loads('{"metadata": {"uid": "u-1", "name": "cam-1", "resourceVersion": "7"}}')
    async with Client(api.configuration) as client:
        Informer(client, "/api/v1/pods", keeper).offer("ADDED", listed)

    assert keeper.body == listed
    assert all(keeper.body["metadata"][n] is not listed["metadata"][n] for n in ("uid", "name"))
    assert sighting_of(listed).uid == "u-1"
    assert sighting_of(listed).uid is not listed["metadata"]["uid"]
