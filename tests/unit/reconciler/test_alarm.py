"""An alarm rings after seconds, at a time of day, or when somebody has set the clock."""

from __future__ import annotations

from datetime import timedelta

import pytest

import builders as b
from kwatt.reconciler.alarm import Again, Alarm

PULSE = 15.0


class Clocks:
    """A monotonic clock and a wall clock that pass time together until one of them is set."""

    def __init__(self) -> None:
        self.seconds, self.time = 1000.0, b.NOW

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        self.time += timedelta(seconds=seconds)

    def alarm(self, **again: float) -> Alarm:
        at = b.NOW + timedelta(seconds=again["at"]) if "at" in again else None
        return Alarm(Again(again.get("seconds"), at), lambda: self.seconds, lambda: self.time)


@pytest.mark.parametrize(
    ("again", "left"),
    [
        ({}, PULSE),
        ({"seconds": 4}, 4),
        ({"seconds": 40}, PULSE),
        ({"at": 4}, 4),
        ({"at": 4000}, PULSE),
        ({"seconds": 9, "at": 4}, 4),
        ({"seconds": 3, "at": 4}, 3),
        ({"at": -5}, 0),
    ],
)
def test_the_wait_is_the_shortest_there_is(again: dict[str, float], left: float) -> None:
    assert Clocks().alarm(**again).left(PULSE) == left


@pytest.mark.parametrize("again", [{"at": 100}, {"seconds": 100}])
def test_it_rings_neither_before_nor_after(again: dict[str, float]) -> None:
    clocks = Clocks()
    alarm = clocks.alarm(**again)

    clocks.sleep(99.5)
    assert alarm.left(PULSE) == 0.5
    clocks.sleep(0.5)
    assert alarm.left(PULSE) == 0
    clocks.sleep(7)
    assert alarm.left(PULSE) == 0


def test_a_clock_that_runs_a_little_fast_changes_when_it_rings_and_nothing_else() -> None:
    clocks = Clocks()
    alarm = clocks.alarm(at=100, seconds=1000)

    clocks.sleep(50)
    clocks.time += timedelta(milliseconds=400)

    assert alarm.left(100) == pytest.approx(49.6)


@pytest.mark.parametrize("jump", [timedelta(hours=-1), timedelta(seconds=2), timedelta(days=1)])
def test_a_clock_that_was_set_rings_at_once(jump: timedelta) -> None:
    clocks = Clocks()
    alarm = clocks.alarm(at=4000)

    clocks.time += jump

    assert alarm.left(PULSE) == 0


def test_the_alarm_after_that_goes_by_the_new_time() -> None:
    clocks = Clocks()
    clocks.time -= timedelta(hours=1)

    assert clocks.alarm(at=10).left(10000) == 3610
