"""Windows are open by the clock on a wall; `to` is exclusive; over midnight the day of the start counts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from kwatt.observation.parsing.budgets import parse_power_budget
from kwatt.observation.windows import cap_at, is_open
from unit.observation.bodies import budget, window

EVERY_DAY = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
NEW_YORK = "America/New_York"  # forward 2026-03-08 02:00 EST, back 2026-11-01 02:00 EDT
BERLIN = "Europe/Berlin"  # forward 2026-03-29 02:00 CET, back 2026-10-25 03:00 CEST
LORD_HOWE = "Australia/Lord_Howe"  # half an hour on 2026-10-04 at 02:00, back 2026-04-05 at 02:00
SEOUL = "Asia/Seoul"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


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
    ("zone", "span", "now", "is_inside"),
    [
        (NEW_YORK, ("01:00", "04:00"), "2026-03-08T06:59:59Z", True),  # 01:59:59 EST
        (NEW_YORK, ("01:00", "04:00"), "2026-03-08T07:00:00Z", True),  # 03:00 EDT, a short night
        (NEW_YORK, ("01:00", "04:00"), "2026-03-08T08:00:00Z", False),  # 04:00 EDT
        (NEW_YORK, ("02:10", "02:50"), "2026-03-08T07:20:00Z", False),  # a time no clock showed
        (NEW_YORK, ("02:30", "03:30"), "2026-03-08T06:59:59Z", False),  # 01:59:59 EST
        (NEW_YORK, ("02:30", "03:30"), "2026-03-08T07:00:00Z", True),  # 03:00 EDT: past 02:30
        (NEW_YORK, ("01:30", "01:45"), "2026-11-01T05:30:00Z", True),  # 01:30 EDT
        (NEW_YORK, ("01:30", "01:45"), "2026-11-01T05:45:00Z", False),  # 01:45 EDT
        (NEW_YORK, ("01:30", "01:45"), "2026-11-01T06:30:00Z", True),  # 01:30 EST, a second time
        (NEW_YORK, ("17:00", "21:00"), "2026-07-01T21:00:00Z", True),  # 17:00 EDT
        (NEW_YORK, ("17:00", "21:00"), "2026-12-01T21:30:00Z", False),  # 16:30 EST
        (BERLIN, ("02:15", "02:45"), "2026-03-29T01:15:00Z", False),  # 03:15 CEST
        (BERLIN, ("02:15", "02:45"), "2026-10-25T00:15:00Z", True),  # 02:15 CEST
        (BERLIN, ("02:15", "02:45"), "2026-10-25T00:45:00Z", False),  # 02:45 CEST
        (BERLIN, ("02:15", "02:45"), "2026-10-25T01:15:00Z", True),  # 02:15 CET, a second time
        (BERLIN, ("23:00", "03:00"), "2026-10-25T01:59:59Z", True),  # 02:59:59 CET, five hours long
        (BERLIN, ("23:00", "03:00"), "2026-10-25T02:00:00Z", False),  # 03:00 CET
        (LORD_HOWE, ("02:10", "02:20"), "2026-10-03T15:40:00Z", False),  # 02:30 shown at once
        (LORD_HOWE, ("02:10", "02:40"), "2026-10-03T15:30:00Z", True),  # 02:30 at +11
        (LORD_HOWE, ("02:10", "02:40"), "2026-10-03T15:40:00Z", False),  # 02:40 at +11
        (LORD_HOWE, ("01:40", "01:50"), "2026-04-04T14:40:00Z", True),  # 01:40 at +11
        (LORD_HOWE, ("01:40", "01:50"), "2026-04-04T14:50:00Z", False),
        (LORD_HOWE, ("01:40", "01:50"), "2026-04-04T15:10:00Z", True),  # 01:40 at +10:30
        (SEOUL, ("02:10", "02:50"), "2026-03-28T17:20:00Z", True),  # no such nights in Seoul
    ],
)
def test_when_clocks_change(zone: str, span: tuple[str, str], now: str, is_inside: bool) -> None:
    differs = {"timeZone": zone, "days": EVERY_DAY, "from": span[0], "to": span[1]}
    (one,) = parse_power_budget(budget(windows=[window(**differs)])).windows

    assert is_open(one, at(now)) == is_inside


@pytest.mark.parametrize(
    ("now", "is_inside"),
    [
        ("2028-02-28T12:00:00+09:00", False),  # a Monday
        ("2028-02-29T12:00:00+09:00", True),
        ("2028-03-01T12:00:00+09:00", False),
    ],
)
def test_a_leap_day_is_a_day_of_the_week_like_any(now: str, is_inside: bool) -> None:
    tuesdays = window(days=["Tue"], **{"from": "09:00", "to": "18:00"})
    (one,) = parse_power_budget(budget(windows=[tuesdays])).windows

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
