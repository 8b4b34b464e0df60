"""Windows are open by the clock on a wall; `to` is exclusive; over midnight the day of the start counts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from kwatt.observation.observe import next_boundary, observe
from kwatt.observation.parsing.budgets import parse_power_budget
from kwatt.observation.windows import cap_at, is_open
from unit.observation.bodies import budget, window
from unit.observation.worlds import world

NEW_YORK = {
    "timeZone": "America/New_York"
}  # forward 2026-03-08 02:00 EST, back 2026-11-01 02:00 EDT


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def sunday(start: str, end: str) -> dict[str, Any]:
    return {**NEW_YORK, "days": ["Sun"], "from": start, "to": end}


@pytest.mark.parametrize(
    ("differs", "now", "is_inside"),
    [
        ({}, "2026-11-23T16:59:59+09:00", False),
        ({}, "2026-11-23T17:00:00+09:00", True),
        ({}, "2026-11-23T20:59:59+09:00", True),
        ({}, "2026-11-23T21:00:00+09:00", False),
        ({}, "2026-11-22T18:00:00+09:00", False),
        ({}, "2026-11-23T08:30:00Z", True),
        ({"to": "24:00"}, "2026-11-23T23:59:59+09:00", True),
        ({"to": "24:00"}, "2026-11-24T00:00:00+09:00", False),
        ({"days": ["Fri"], "from": "22:00", "to": "06:00"}, "2026-11-27T23:00:00+09:00", True),
        ({"days": ["Fri"], "from": "22:00", "to": "06:00"}, "2026-11-28T05:59:59+09:00", True),
        ({"days": ["Fri"], "from": "22:00", "to": "06:00"}, "2026-11-28T06:00:00+09:00", False),
        ({"days": ["Fri"], "from": "22:00", "to": "06:00"}, "2026-11-27T05:00:00+09:00", False),
        ({"days": ["Sun"], "from": "22:00", "to": "06:00"}, "2026-11-23T05:00:00+09:00", True),
    ],
)
def test_by_day_and_time(differs: dict[str, Any], now: str, is_inside: bool) -> None:
    (one,) = parse_power_budget(budget(windows=[window(**differs)])).windows

    assert is_open(one, at(now)) == is_inside


@pytest.mark.parametrize(
    ("span", "now", "is_inside"),
    [
        (("01:00", "04:00"), "2026-03-08T06:59:59Z", True),  # 01:59:59 EST
        (
            ("01:00", "04:00"),
            "2026-03-08T07:00:00Z",
            True,
        ),  # 03:00:00 EDT, two hours long that night
        (("01:00", "04:00"), "2026-03-08T08:00:00Z", False),  # 04:00 EDT
        (("02:10", "02:50"), "2026-03-08T07:20:00Z", False),  # a time that no clock showed
        (("01:30", "01:45"), "2026-11-01T05:30:00Z", True),  # 01:30 EDT
        (("01:30", "01:45"), "2026-11-01T05:45:00Z", False),  # 01:45 EDT
        (("01:30", "01:45"), "2026-11-01T06:30:00Z", True),  # 01:30 EST, shown a second time
        (("17:00", "21:00"), "2026-07-01T21:00:00Z", True),  # 17:00 EDT
        (("17:00", "21:00"), "2026-12-01T21:30:00Z", False),  # 16:30 EST
    ],
)
def test_when_clocks_change(span: tuple[str, str], now: str, is_inside: bool) -> None:
    days = ["Mon", "Tue", "Wed", "Sun"]
    differs = {**NEW_YORK, "days": days, "from": span[0], "to": span[1]}
    (one,) = parse_power_budget(budget(windows=[window(**differs)])).windows

    assert is_open(one, at(now)) == is_inside


def test_the_least_cap_of_the_open_windows_holds() -> None:
    parsed = parse_power_budget(
        budget(windows=[window("a"), window("b", watts=5000), window("c", watts=1, days=["Sun"])])
    )

    assert cap_at(parsed, at("2026-11-23T18:00:00+09:00")).window == "b"
    assert cap_at(parsed, at("2026-11-23T16:00:00+09:00")).window is None


def test_a_window_may_raise_the_cap() -> None:
    parsed = parse_power_budget(budget(windows=[window(watts=12000)]))

    assert cap_at(parsed, at("2026-11-23T18:00:00+09:00")).cap.watts == 12000


@pytest.mark.parametrize(
    ("differs", "now", "boundary"),
    [
        ({}, "2026-11-23T12:00:00+09:00", "2026-11-23T17:00:00+09:00"),
        ({}, "2026-11-23T17:00:00+09:00", "2026-11-23T21:00:00+09:00"),
        ({}, "2026-11-27T21:00:00+09:00", "2026-11-30T17:00:00+09:00"),
        ({"days": ["Mon"]}, "2026-11-23T21:00:00+09:00", "2026-11-30T17:00:00+09:00"),
        ({"to": "24:00"}, "2026-11-23T18:00:00+09:00", "2026-11-24T00:00:00+09:00"),
        ({"from": "22:00", "to": "06:00"}, "2026-11-23T23:00:00+09:00", "2026-11-24T06:00+09:00"),
        (sunday("02:30", "05:00"), "2026-03-08T06:00:00Z", "2026-03-08T07:00:00Z"),
        (sunday("01:30", "03:00"), "2026-11-01T05:00:00Z", "2026-11-01T05:30:00Z"),
        (sunday("01:30", "03:00"), "2026-11-01T05:40:00Z", "2026-11-01T06:00:00Z"),
        (sunday("01:30", "03:00"), "2026-11-01T06:00:00Z", "2026-11-01T06:30:00Z"),
        (sunday("01:30", "03:00"), "2026-11-01T06:40:00Z", "2026-11-01T08:00:00Z"),
    ],
)
def test_the_next_boundary(differs: dict[str, Any], now: str, boundary: str) -> None:
    seen = world(budget(windows=[window(**differs)]))

    assert next_boundary(seen, at(now)) == at(boundary)


def test_without_a_window_that_opens_or_closes_there_is_no_boundary() -> None:
    every_day = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    always = window(days=every_day, **{"from": "00:00", "to": "24:00"})

    assert next_boundary(world(budget(windows=[always])), at("2026-11-23T00:00Z")) is None
    assert next_boundary(world(budget()), at("2026-11-23T00:00Z")) is None


def test_the_snapshot_has_the_cap_in_force_and_its_window() -> None:
    seen = world(budget(windows=[window()], hostWatts=100, emptyNodes="PoweredOff"))

    (one,) = observe(seen, at("2026-11-23T18:00:00+09:00")).snapshot.budgets

    assert (one.cap.watts, one.host.watts, one.window, one.empty_off) == (6000, 100, "peak", True)
