"""When a status is written."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from dataclasses import replace
from typing import Any

import pytest

from kwatt.cluster.client import Client
from kwatt.cluster.events import Events
from kwatt.cluster.outbox import Flow, Outbox
from kwatt.metrics import Metrics
from kwatt.model.keys import ServiceKey
from kwatt.reconciler.reporting import Reporter
from kwatt.reconciler.status_change import StatusChange
from kwatt.reconciler.store import Store
from kwatt.reconciler.trigger import Trigger
from unit.cluster_io.conftest import Api, Say
from unit.reconciler.scenes import KEY, own


class Bench:
    """A reporter whose clock is set by hand, and what it sent."""

    def __init__(self, api: Api, client: Client) -> None:
        self.now = 100.0
        self._api = api
        outbox = Outbox(client, Flow(per_second=None))
        self._reporter = Reporter(
            Store(Trigger()), outbox, Events(client), Metrics(), lambda: self.now
        )

    async def report(
        self, *changes: StatusChange, brought_on: Collection[ServiceKey] = ()
    ) -> tuple[int, float | None]:
        """Report; return how many statuses were written, and when to look again."""
        before = len(self._api.requests("PATCH"))
        wait = await self._reporter.report(changes, brought_on)
        return len(self._api.requests("PATCH")) - before, wait


@pytest.fixture
async def bench(api: Api) -> AsyncIterator[Bench]:
    api.script("PATCH", Say.json({"status": {}}))
    async with Client(api.configuration) as client:
        yield Bench(api, client)


def change(**facts: Any) -> StatusChange:
    """Make a change of the status of a service."""
    return StatusChange(own(), {"conditions": []}, **{"urgent": False, **facts})


async def test_a_condition_that_flips_is_written_at_once_and_a_figure_later(bench: Bench) -> None:
    assert await bench.report(change(urgent=True)) == (1, None)
    assert await bench.report(change()) == (0, 5.0)
    assert await bench.report(change(urgent=True)) == (1, None)


async def test_a_replica_that_is_ready_within_two_seconds_costs_no_write(bench: Bench) -> None:
    wavering = change(urgent=True, wavering=True)

    assert await bench.report(wavering) == (0, 2.0)
    bench.now += 1.5
    assert await bench.report(wavering) == (0, 0.5)
    assert await bench.report() == (0, None)
    assert await bench.report(wavering) == (0, 2.0)


async def test_replicas_that_a_new_spec_adds_have_ten_seconds(bench: Bench) -> None:
    edited = change(urgent=True, wavering=True, edited=True)

    assert await bench.report(edited) == (0, 10.0)
    bench.now += 8.0
    assert await bench.report(replace(edited, edited=False)) == (1, None)


async def test_the_ten_seconds_count_from_the_last_release_and_are_thirty_at_most(
    bench: Bench,
) -> None:
    edited = change(urgent=True, wavering=True, edited=True)

    assert await bench.report(edited, brought_on={KEY}) == (0, 10.0)
    bench.now += 8.0
    assert await bench.report(edited, brought_on={ServiceKey("city", "other")}) == (0, 2.0)
    assert await bench.report(edited, brought_on={KEY}) == (0, 10.0)
    bench.now += 9.0
    assert await bench.report(edited, brought_on={KEY}) == (0, 10.0)
    bench.now += 9.0
    assert await bench.report(edited, brought_on={KEY}) == (0, 4.0)
    bench.now += 4.0
    assert await bench.report(edited, brought_on={KEY}) == (1, None)


async def test_a_replica_that_is_not_ready_for_longer_is_told(bench: Bench) -> None:
    wavering = change(urgent=True, wavering=True)

    await bench.report(wavering)
    bench.now += 2.0
    assert await bench.report(replace(wavering, status={"conditions": [], "x": 1})) == (1, None)
