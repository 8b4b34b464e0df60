"""The lease: one leader, and no write by anybody else. The records live in a server with versions."""

import asyncio
import contextlib
from dataclasses import replace

import pytest
from aiohttp import web

from kwatt.cluster.client import Client
from kwatt.cluster.lease import Candidate, Lease, NotLeading, Terms

SHORT = Terms(lease=0.6, renew=0.4, retry=0.05, attempt=0.2, margin=0.2)
PATH = "/apis/coordination.k8s.io/v1/namespaces/a/leases/kwatt"


class Records:
    """The Leases of an API server: optimistic locking, and faults on demand."""

    def __init__(self) -> None:
        self.current: dict | None = None
        self.version = 0
        self.history: list[str] = []
        self.fault: int | None = None
        self.silent = False

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if self.silent:
            await asyncio.sleep(3600)
        if self.fault:
            return web.Response(status=self.fault, text="fault")
        if request.method == "GET":
            status = 200 if self.current else 404
            return web.json_response(self.current or {"message": "none"}, status=status)
        return self.write(await request.json(), request.method)

    def write(self, body: dict, method: str) -> web.Response:
        taken = self.current if method == "POST" else None
        version = body["metadata"].get("resourceVersion")
        if taken or (method == "PUT" and version != str(self.version)):
            return web.json_response({"message": "changed"}, status=409)
        self.put(body["spec"])
        return web.json_response(self.current)

    def put(self, spec: dict) -> None:
        self.version += 1
        metadata = {"name": "kwatt", "namespace": "a", "resourceVersion": str(self.version)}
        self.current = {"metadata": metadata, "spec": spec}
        if self.history[-1:] != [spec["holderIdentity"]]:
            self.history.append(spec["holderIdentity"])


class Clock:
    """The running clock, with jumps."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def jump(self, seconds: float) -> None:
        self.ahead += seconds

    def __call__(self) -> float:
        return asyncio.get_running_loop().time() + self.ahead


@pytest.fixture
def records(api) -> Records:
    records = Records()
    for verb in ("GET", "POST", "PUT"):
        api.script(verb, records.handle)
    return records


@pytest.fixture
async def compete(api, records):
    """Make candidates compete for the length of a test."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(identity: str, **options) -> tuple[Lease, asyncio.Task]:
            client = await stack.enter_async_context(Client(api.configuration))
            candidate = Candidate("a", "kwatt", identity)
            lease = Lease(client, candidate, **{"terms": SHORT, "die": lambda: None, **options})
            task = asyncio.create_task(lease.run())
            stack.push_async_callback(stop, task)
            return lease, task

        yield start


async def stop(task: asyncio.Task) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


class TestAcquiring:
    async def test_the_first_candidate_creates_the_record(self, records, compete, until):
        lease, _ = await compete("one")

        await until(lease.leading.is_set)

        spec = records.current["spec"]
        assert (spec["holderIdentity"], spec["leaseDurationSeconds"]) == ("one", 1)
        assert (lease.epoch, lease.valid()) == (1, True)
        lease.require()

    async def test_the_leader_renews_and_keeps_its_times(self, records, compete, until):
        lease, _ = await compete("one")
        await until(lambda: records.version >= 1)
        first = records.current["spec"]

        await until(lambda: records.version >= 4)

        last = records.current["spec"]
        assert last["acquireTime"] == first["acquireTime"]
        assert last["renewTime"] > first["renewTime"]
        assert (last["leaseTransitions"], lease.epoch) == (1, 1)

    async def test_a_second_candidate_waits_while_the_first_renews(self, records, compete, until):
        one, _ = await compete("one")
        await until(one.leading.is_set)
        two, _ = await compete("two")

        await until(lambda: records.version >= 30)

        assert records.history == ["one"]
        assert not two.valid()
        with pytest.raises(NotLeading):
            two.require()

    async def test_an_expired_lease_is_taken(self, records, compete, until):
        records.put({"holderIdentity": "dead", "leaseDurationSeconds": 1, "leaseTransitions": 4})
        lease, _ = await compete("one")

        await until(lease.leading.is_set)

        assert records.current["spec"]["leaseTransitions"] == 5

    async def test_a_record_that_claims_a_year_keeps_nobody_waiting_for_a_year(
        self, records, compete, until
    ):
        records.put({"holderIdentity": "dead", "leaseDurationSeconds": 31536000})
        lease, _ = await compete("one")

        await until(lease.leading.is_set)

    async def test_the_wall_clock_of_the_record_does_not_matter(self, records, compete, until):
        records.put({"holderIdentity": "x", "renewTime": "2001-01-01T00:00:00.000000Z"})
        lease, _ = await compete("one")
        begun = asyncio.get_running_loop().time()

        await until(lease.leading.is_set)

        assert asyncio.get_running_loop().time() - begun >= SHORT.lease

    async def test_at_most_one_of_two_leads_at_any_time(self, records, compete, until):
        leases = [(await compete(name))[0] for name in ("one", "two")]
        together = []

        def watched() -> bool:
            together.append(all(lease.valid() for lease in leases))
            return records.version >= 20

        await until(watched)

        assert not any(together)
        assert len(records.history) == 1


class TestReleasing:
    async def test_a_clean_stop_hands_over_without_waiting(self, records, compete, until):
        patient = replace(SHORT, lease=30, renew=20)
        one, task = await compete("one", terms=patient)
        await until(one.leading.is_set)
        two, _ = await compete("two", terms=patient)

        await stop(task)
        await until(two.leading.is_set)

        assert records.history == ["one", "", "two"]
        assert not one.valid()

    async def test_a_stop_whose_rights_went_first_says_so_and_the_next_one_waits(
        self, records, compete, until, caplog
    ):
        lease, task = await compete("one")
        await until(lease.leading.is_set)
        records.fault = 403

        await stop(task)

        assert "lease not released wait=0.6s error=403" in caplog.text
        records.fault = None
        two, _ = await compete("two")
        await until(two.leading.is_set)
        assert records.history == ["one", "two"]

    async def test_a_stop_of_a_follower_writes_nothing(self, records, compete, until):
        records.put({"holderIdentity": "x", "leaseDurationSeconds": 1})
        _, task = await compete("one")

        await stop(task)

        assert records.history == ["x"]

    async def test_a_stop_while_the_server_is_away_ends_in_time(self, records, compete, until):
        lease, task = await compete("one")
        await until(lease.leading.is_set)
        records.silent = True

        async with asyncio.timeout(2):
            await stop(task)


class TestLosing:
    @pytest.mark.parametrize("fault", [401, 403, 404, 409, 429, 500])
    async def test_a_leader_that_cannot_renew_dies(self, records, compete, until, fault):
        deaths = []
        lease, task = await compete("one", die=lambda: deaths.append(lease.valid()))
        await until(lease.leading.is_set)

        records.fault = fault

        await until(task.done)
        assert len(deaths) == 1

    async def test_a_leader_that_gets_no_answer_dies_before_its_lease_ends(
        self, records, compete, until
    ):
        deaths, terms = [], replace(SHORT, lease=30)
        lease, task = await compete("one", terms=terms, die=lambda: deaths.append(lease.valid()))
        await until(lease.leading.is_set)

        records.silent = True

        await until(task.done)
        assert deaths == [True]

    async def test_a_leader_whose_record_was_taken_dies(self, records, compete, until):
        deaths = []
        lease, task = await compete("one", die=lambda: deaths.append(lease.valid()))
        await until(lease.leading.is_set)

        records.put({"holderIdentity": "thief", "leaseDurationSeconds": 1})

        await until(task.done)
        assert deaths == [False]
        assert records.history == ["one", "thief"]

    async def test_a_short_outage_is_survived(self, api, records, compete, until):
        lease, task = await compete("one")
        await until(lease.leading.is_set)
        records.fault, version, before = 500, records.version, len(api.seen)
        await until(lambda: len(api.seen) >= before + 2)
        records.fault = None

        await until(lambda: records.version > version + 2)

        assert (task.done(), lease.epoch) == (False, 1)

    async def test_a_deleted_record_is_made_again(self, records, compete, until):
        lease, _ = await compete("one")
        await until(lease.leading.is_set)

        records.current = None

        await until(lambda: records.current is not None)
        assert (lease.valid(), lease.epoch) == (True, 1)


class TestStoppedProcesses:
    """A process that was stopped must not write after it wakes."""

    async def test_the_gate_is_closed_at_once(self, compete, until):
        clock = Clock()
        lease, _ = await compete("one", clock=clock)
        await until(lease.leading.is_set)

        clock.ahead = SHORT.lease

        with pytest.raises(NotLeading):
            lease.require()

    async def test_the_gate_closes_before_a_write_could_outlast_the_lease(self, compete, until):
        clock = Clock()
        lease, _ = await compete("one", clock=clock)
        await until(lease.leading.is_set)

        clock.ahead = SHORT.lease - SHORT.margin

        assert lease.valid()
        with pytest.raises(NotLeading, match=r"0\.2"):
            lease.require()

    async def test_it_dies_even_if_nobody_took_the_lease(self, records, compete, until):
        clock = Clock()
        lease, task = await compete("one", clock=clock)
        await until(lease.leading.is_set)

        clock.ahead = 30

        await until(task.done)
        assert records.history == ["one"]

    async def test_an_answer_from_before_the_stop_gives_no_lease(self, records, compete, until):
        clock = Clock()
        records.put = after_first(records.put, lambda: clock.jump(30))

        lease, task = await compete("one", clock=clock)
        await until(lease.leading.is_set)

        assert lease.valid()
        assert not task.done()

    async def test_the_lease_runs_from_the_beginning_of_the_renewal(self, records, compete, until):
        clock = Clock()
        records.put = after_first(records.put, lambda: clock.jump(10))
        terms = Terms(lease=15, renew=12, retry=30, attempt=5, margin=1)

        lease, _ = await compete("one", clock=clock, terms=terms)
        await until(lease.leading.is_set)

        assert lease.valid(for_seconds=4)
        assert not lease.valid(for_seconds=5)


def after_first(put, act):
    """Wrap the server's writing so that something happens once, before it answers."""
    pending = [act]

    def wrapped(spec: dict) -> None:
        put(spec)
        if pending:
            pending.pop()()

    return wrapped
