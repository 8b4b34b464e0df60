"""A window's cap is planned with before it is in force, by the time that taking replicas off needs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kwatt.model.snapshot import Coming
from kwatt.observation.caps import PlannedCap, planned_cap
from kwatt.observation.observe import observe
from kwatt.observation.parsing.budgets import parse_power_budget
from kwatt.units import Power
from unit.observation.bodies import budget, container, own_pod, service, window
from unit.observation.worlds import world

MINUTE = timedelta(minutes=1)
EVERY_DAY = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def seoul(clock: str) -> datetime:
    return at(f"2026-11-23T{clock}+09:00")


def planned(now: str, *windows: dict[str, Any], lead: timedelta = MINUTE) -> PlannedCap:
    """Return the planned cap of a budget of 9 kW at a time of Monday in Seoul."""
    return planned_cap(parse_power_budget(budget(windows=list(windows))), lead, seoul(now))


def sunday(start: str, end: str) -> dict[str, Any]:
    return {"timeZone": "America/New_York", "days": ["Sun"], "from": start, "to": end}


@pytest.mark.parametrize(
    ("now", "watts"),
    [
        ("16:58:59", 9000),
        ("16:59:00", 6000),
        ("17:00:00", 6000),
        ("20:59:59", 6000),
        ("21:00:00", 9000),
    ],
)
def test_a_lower_cap_is_planned_with_from_the_lead_before_it_to_its_end(
    now: str, watts: int
) -> None:
    assert planned(now, window()).cap.watts == watts


@pytest.mark.parametrize(
    ("now", "watts"),
    [("16:59:59", 9000), ("17:00:00", 12000), ("20:58:59", 12000), ("20:59:00", 9000)],
)
def test_a_window_that_raises_the_cap_is_left_before_it_closes(now: str, watts: int) -> None:
    assert planned(now, window(watts=12000)).cap.watts == watts


def test_until_it_is_in_force_a_cap_is_coming() -> None:
    five = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)

    assert planned("16:59:15", window()).coming == Coming(
        window="peak",
        opens=True,
        at=five,
        since=five - MINUTE,
        zone="Asia/Seoul",
        cap=Power.of_watts(9000),
    )
    assert planned("17:00:00", window()).coming is None
    assert planned("17:00:00", window()).window == "peak"


def test_the_end_of_a_window_that_raised_the_cap_is_coming_as_its_end() -> None:
    found = planned("20:59:30", window("night-rate", watts=12000))

    assert found.window is None
    assert found.coming is not None
    assert (found.coming.window, found.coming.opens) == ("night-rate", False)


def test_between_two_windows_that_touch_the_cap_is_not_raised_for_a_moment() -> None:
    first, second = window("a", to="18:00"), window("b", **{"from": "18:00"}, watts=5000)

    caps = [planned(now, first, second).cap.watts for now in ("17:58:59", "17:59:00", "18:00:00")]

    assert caps == [6000, 5000, 5000]


def test_a_gap_shorter_than_the_lead_is_not_used() -> None:
    both = [window("a", to="18:00"), window("b", **{"from": "18:05"})]

    assert planned("18:02:00", *both, lead=MINUTE).cap.watts == 9000
    assert planned("18:02:00", *both, lead=5 * MINUTE).cap.watts == 6000


def test_of_windows_that_are_about_to_open_the_least_counts() -> None:
    later = window("b", **{"from": "17:03"}, watts=4000)

    found = planned("16:59:00", window("a"), later, lead=5 * MINUTE)

    assert (found.cap.watts, found.window) == (4000, "b")


@pytest.mark.parametrize(
    ("graces", "seconds"),
    [((), 45), ((None,), 45), ((5,), 20), ((5, 120), 135), ((None, 7200), 615)],
)
def test_shedding_takes_as_long_as_the_slowest_pod_and_a_cycle(
    graces: tuple[int | None, ...], seconds: int
) -> None:
    pods = [{"containers": [container()], "terminationGracePeriodSeconds": one} for one in graces]
    services = [service(f"s{n}", {"spec": spec}) for n, spec in enumerate(pods)]

    boundary = observe(world(budget(windows=[window()]), *services), seoul("12:00")).boundary

    assert boundary == seoul("17:00") - timedelta(seconds=seconds)


def test_a_variant_and_a_pod_of_an_earlier_template_may_be_the_slowest() -> None:
    slow = {"spec": {"terminationGracePeriodSeconds": 90}}
    changed = service(variants=[{"npuClass": "atom", "template": slow}])
    old = own_pod("p")
    old["spec"]["terminationGracePeriodSeconds"] = 200

    leads = [
        seoul("17:00") - (observe(world(budget(windows=[window()]), one), seoul("12:00")).boundary)
        for one in (changed, old)
    ]

    assert [lead.total_seconds() for lead in leads] == [105, 215]


def test_a_budget_may_say_how_long_shedding_takes() -> None:
    own = budget(windows=[window()], shedSeconds=300)

    assert observe(world(own), seoul("12:00")).boundary == seoul("16:55")


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
def test_without_a_lead_the_next_boundary_is_where_a_window_opens_or_closes(
    differs: dict[str, Any], now: str, boundary: str
) -> None:
    seen = world(budget(windows=[window(**differs)], shedSeconds=0))

    assert observe(seen, at(now)).boundary == at(boundary)


def test_boundaries_are_where_shedding_begins_where_it_is_in_force_and_where_it_ends() -> None:
    seen, now, found = world(budget(windows=[window()], shedSeconds=60)), seoul("12:00"), []

    for _ in range(3):
        now = observe(seen, now).boundary
        found.append(now)

    assert found == [seoul("16:59"), seoul("17:00"), seoul("21:00")]


def test_of_several_budgets_the_next_boundary_counts() -> None:
    early = budget("early", windows=[window(**{"from": "13:00"})], shedSeconds=0)
    late = budget("late", windows=[window()], shedSeconds=0)

    assert observe(world(late, early), seoul("12:00")).boundary == seoul("13:00")


def test_without_a_window_that_opens_or_closes_there_is_no_boundary() -> None:
    always = window(days=EVERY_DAY, **{"from": "00:00", "to": "24:00"})

    assert observe(world(budget(windows=[always])), at("2026-11-23T00:00Z")).boundary is None
    assert observe(world(budget()), at("2026-11-23T00:00Z")).boundary is None


def test_the_snapshot_has_the_cap_to_plan_with_and_its_window() -> None:
    seen = world(budget(windows=[window()], hostWatts=100, emptyNodes="PoweredOff"))

    (one,) = observe(seen, seoul("18:00")).snapshot.budgets
    (soon,) = observe(seen, seoul("16:59:59")).snapshot.budgets

    assert (one.cap.watts, one.host.watts, one.window, one.empty_off) == (6000, 100, "peak", True)
    assert (soon.cap, soon.window, soon.coming is None) == (one.cap, "peak", False)
