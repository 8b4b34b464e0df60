"""The task beside the loop: what it asks for, how often it tells, and what it goes on from."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

import builders as b
from kwatt.energy.accounts import Books
from kwatt.energy.holdings import Holdings
from kwatt.metrics import Metrics
from kwatt.model.feedback import NO_FEEDBACK, Grounds
from kwatt.model.keys import ServiceKey
from kwatt.model.measurements import Counted, Measurements
from kwatt.model.targets import CardFormat, ExporterTarget, Targets
from kwatt.model.telemetry import Readings, Refusal, Refused, Source
from kwatt.reconciler.store import Written, packed
from kwatt.reconciler.telemetry import Sighting, Telemetry
from kwatt.reconciler.trigger import Trigger
from kwatt.units import Energy, Ratio
from unit.energy.scenes import CAM, card, holder, holdings
from unit.held import entries

FORMAT = CardFormat(b.ATOM, ("w",), "card", Ratio(1000, 1), b.watts(10), b.watts(1), b.watts(100))
TARGETS = Targets(exporters=(ExporterTarget("n1", "http://n1", FORMAT, 15_000),))


class Clock:
    """A clock that a script moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class Script:
    """Answers round after round what a test wrote down, each at its second; then the test is over."""

    def __init__(self, clock: Clock, rounds: Sequence[tuple[float, Readings]]) -> None:
        self._clock = clock
        self._rounds = list(rounds)
        self.asked = 0
        self.told: list[Measurements | None] = []
        self.telemetry: Telemetry | None = None

    async def read(self, targets: Targets, now_ms: int) -> Readings:
        self.asked += 1
        assert self.telemetry is not None
        self.told.append(self.telemetry.measurements)
        if not self._rounds:
            raise asyncio.CancelledError
        self._clock.seconds, readings = self._rounds.pop(0)
        return readings


def sighting(scene: Holdings, targets: Targets = TARGETS, books: Books | None = None) -> Sighting:
    return Sighting(
        targets,
        make_holdings=lambda: scene,
        make_grounds=Grounds,
        make_books=lambda: books or Books(),
        make_remembered=lambda: NO_FEEDBACK,
    )


async def run(
    seen: Sighting, rounds: Sequence[tuple[float, Readings]], kind: type[Script] = Script
) -> Script:
    """Run telemetry through a script without waiting between rounds."""
    clock = Clock()
    script = kind(clock, rounds)
    wall = lambda: b.NOW + timedelta(seconds=clock.seconds)  # noqa: E731
    telemetry = script.telemetry = Telemetry(
        script, Trigger(), Metrics(), wall, clock, round_seconds=0
    )
    telemetry.see(seen)
    with pytest.raises(asyncio.CancelledError):
        await telemetry.run()
    return script


def watts(seconds: float, amount: float = 50) -> tuple[float, Readings]:
    cards = (card(0, seconds, amount, "a"), card(1, seconds, 10))
    return seconds, Readings(cards=cards)


async def test_figures_reach_statuses_once_a_minute_and_what_turns_at_once() -> None:
    silent = [(seconds, Readings()) for seconds in (205.0, 210.0)]
    rounds = [watts(seconds) for seconds in range(0, 136, 15)]
    script = await run(sighting(holdings(holder("a"))), [*rounds, *silent])

    services = [told.services.get(CAM) for told in script.told if told is not None]
    joules = [one.counted.energy for one in services if one]
    assert joules == sorted(joules)
    # at the first sample, the first mean, after one and two minutes, and at the loss
    assert len(set(joules)) == 5
    assert [one.loss for one in services if one][-2:] == ["Stale", "Stale"]


async def test_joules_go_on_from_what_the_statuses_tell() -> None:
    before = Counted(Energy(9_000_000), b.NOW - timedelta(days=1), 5, b.NOW)
    seen = sighting(holdings(holder("a")), books=Books(services={CAM: before}))
    script = await run(seen, [watts(0), watts(15), watts(90)])

    last = script.told[-1]
    assert last is not None
    assert last.services[CAM].counted.energy > Energy(9_000_000)
    assert last.services[CAM].counted.since == before.since


class Remaking(Script):
    """A script in which the service is deleted and made anew in the middle, between two sightings."""

    async def read(self, targets: Targets, now_ms: int) -> Readings:
        if self._clock.seconds == 120 and self.telemetry is not None:
            self.telemetry.forget(Written("InferenceService", *CAM, "uid", 1, packed({}), {}))
            assert self.telemetry.measurements is not None
            assert CAM not in self.telemetry.measurements.services
        return await super().read(targets, now_ms)


async def test_a_service_that_was_made_anew_begins_at_no_joules() -> None:
    rounds = [watts(seconds) for seconds in range(0, 196, 15)]
    script = await run(sighting(holdings(holder("a"))), rounds, Remaking)

    told = [one.services[CAM].counted for one in script.told if one and CAM in one.services]
    first, second = sorted({one.since for one in told if one.since})
    before = [one.energy for one in told if one.since == first]
    after = [one.energy for one in told if one.since == second]
    assert before[-1] == Energy(50_000 * 60)  # told once a minute
    assert after[0] == Energy(50_000 * 15)
    assert sorted(after) == after
    assert after[-1] <= Energy(50_000 * 75)


async def test_where_nothing_is_configured_nobody_is_asked() -> None:
    clock = Clock()
    script = Script(clock, [])
    telemetry = Telemetry(script, Trigger(), Metrics(), lambda: b.NOW, clock)
    telemetry.see(sighting(holdings(), targets=Targets()))

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await telemetry.run()
    assert script.asked == 0
    assert telemetry.measurements == Measurements()
    assert ServiceKey("city", "cam") not in telemetry.measurements.services


class Passing(Script):
    """A script in which every round has another node, whose exporter refuses, and no earlier one."""

    async def read(self, targets: Targets, now_ms: int) -> Readings:
        assert self.telemetry is not None
        target = ExporterTarget(f"n{self.asked}", "http://n", FORMAT, 15_000)
        self.telemetry.see(sighting(holdings(holder("a")), Targets(exporters=(target,))))
        return await super().read(targets, now_ms)


async def test_targets_that_refused_and_are_gone_leave_nothing_behind() -> None:
    def refused(number: int) -> tuple[float, Readings]:
        name = f"{b.ATOM} on n{number}"
        one = Refused(Source.EXPORTER, name, Refusal.UNREACHABLE, "no", npu_class=b.ATOM)
        return 15.0 * number, Readings(refused=(one,))

    seen, held = sighting(holdings(holder("a"))), []
    for rounds in (3, 30):
        script = await run(seen, [refused(number) for number in range(rounds)], Passing)
        held.append(entries(script.telemetry))

    assert held[0] == held[1]
