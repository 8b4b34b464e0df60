"""Leadership against a real API server, and a process that is stopped."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from kwatt.cluster.client import Client
from kwatt.cluster.leadership import Leadership
from kwatt.cluster.lease import Candidate, Lease, NotLeading, Terms
from kwatt.cluster.paths import LEASES, Kind
from kwatt.errors import InvalidInput

TERMS = Terms(lease=2, renew=1.5, retry=0.2, attempt=1, margin=0.5)
CONFIG_MAPS = Kind("v1", "ConfigMap", "configmaps")
WRITER = Path(__file__).with_name("writer.py")


@pytest.fixture
async def compete(access, namespace):
    async with contextlib.AsyncExitStack() as stack:

        async def start(identity: str) -> tuple[Lease, asyncio.Task]:
            client = await stack.enter_async_context(Client(access))
            candidate = Candidate(namespace, "kwatt", identity)
            lease = Lease(client, candidate, terms=TERMS, die=lambda: None)
            task = asyncio.create_task(lease.run())
            stack.push_async_callback(stop, task)
            return lease, task

        yield start


async def stop(task: asyncio.Task) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_one_of_two_leads_and_a_clean_stop_hands_over(compete, client, namespace, until):
    one, task = await compete("one")
    await until(one.leading.is_set)
    two, _ = await compete("two")
    path = LEASES.named("kwatt", namespace)
    holders, loop = set(), asyncio.get_running_loop()
    deadline = loop.time() + 1.5 * TERMS.lease
    while loop.time() < deadline:
        assert one.valid()
        assert not two.valid()
        holders.add((await client.get(path))["spec"]["holderIdentity"])

    await stop(task)
    await until(two.leading.is_set)

    spec = (await client.get(path))["spec"]
    assert holders == {"one"}
    assert (spec["holderIdentity"], spec["leaseTransitions"]) == ("two", 2)


async def test_a_stopped_leader_writes_nothing_after_it_wakes(
    control_plane, client, compete, namespace, config_map, until
):
    """SIGSTOP of the leader: another one takes over, the old one wakes, must not write, and dies.

    But for one write, if it was stopped between the look at its lease and the sending.
    """
    await client.create(CONFIG_MAPS.within(namespace), config_map("target"))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(WRITER),
        namespace,
        env={**os.environ, "KUBECONFIG": str(control_plane.kubeconfig)},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert await asyncio.wait_for(process.stdout.readline(), 20) == b"writing\n"
        process.send_signal(signal.SIGSTOP)
        two, _ = await compete("two")
        await until(two.leading.is_set)
        path = CONFIG_MAPS.named("target", namespace)
        before = await client.get(path)

        process.send_signal(signal.SIGCONT)
        code = await asyncio.wait_for(process.wait(), 20)

        assert code == 1
        after = await client.get(path)
        assert int(after["data"]["count"]) <= int(before["data"]["count"]) + 1
        assert two.valid()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()


async def test_leadership_outlasts_an_event_loop_that_is_busy_for_longer_than_the_lease(
    access, client, namespace, until
):
    async def connect():
        return access

    leadership = Leadership(connect, Candidate(namespace, "kwatt", "busy"), terms=TERMS)
    with pytest.raises(NotLeading):
        leadership.require()
    task = asyncio.create_task(leadership.run())
    await until(leadership.leading.is_set)

    busy_until = time.monotonic() + 1.5 * TERMS.lease
    while time.monotonic() < busy_until:
        pass

    leadership.require()
    await stop(task)
    assert (await client.get(LEASES.named("kwatt", namespace)))["spec"]["holderIdentity"] == ""


async def test_leadership_that_is_given_up_at_once_ends_without_a_lease(access, client, namespace):
    async def connect():
        return access

    leadership = Leadership(connect, Candidate(namespace, "kwatt", "brief"), terms=TERMS)
    task = asyncio.create_task(leadership.run())
    await stop(task)

    with pytest.raises(NotLeading):
        leadership.require()


async def test_what_keeps_leadership_from_connecting_is_raised():
    async def connect():
        raise InvalidInput("kubeconfig", "no such file")

    with pytest.raises(InvalidInput, match="no such file"):
        await Leadership(connect, Candidate("default", "kwatt")).run()
