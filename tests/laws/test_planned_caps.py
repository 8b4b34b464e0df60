"""Law: the cap to plan with is the least in force until shedding is done, and its next change is known.

What is in force at one instant is read off a wall clock here, by the words of the field descriptions:
minute for minute, and nothing of the operator's own reckoning is used.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

import builders as b
from kwatt.model.selectors import LabelSelector
from kwatt.observation.caps import next_boundary, planned_cap
from kwatt.observation.values import ParsedBudget, Window

LAW = settings(max_examples=300, deadline=None, derandomize=True)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
WEEK = set(range(7))
SIGHT = 5 * HOUR  # how far the second law looks, minute by minute
NIGHTS = (  # just before clocks change there
    ("America/New_York", datetime(2026, 3, 8, 7, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 11, 1, 6, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 3, 29, 1, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 10, 25, 1, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 10, 3, 15, 30, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 4, 4, 15, tzinfo=UTC)),
    ("America/Havana", datetime(2026, 3, 8, 5, tzinfo=UTC)),  # at midnight
    ("America/Havana", datetime(2026, 11, 1, 5, tzinfo=UTC)),
    ("Asia/Seoul", datetime(2028, 2, 29, 15, tzinfo=UTC)),  # a leap day ends, no clock changes
)


@st.composite
def windows(draw: st.DrawFn, name: str, zone: str, near: datetime) -> Window:
    """Draw a window that opens or closes within some hours of an instant, by the clock of a zone."""
    local = near.astimezone(ZoneInfo(zone))
    start, end = (
        (local + MINUTE * draw(st.integers(-240, 240))).time().replace(tzinfo=None) for _ in "ab"
    )
    days = draw(st.sampled_from((WEEK, WEEK, WEEK, {5, 6}, {0}, {6})))
    cap = b.watts(draw(st.sampled_from((100, 200, 300, 400))))
    is_whole = end in (start, time(0, 0))
    return Window(name, zone, tuple(sorted(days)), start, None if is_whole else end, cap)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[ParsedBudget, timedelta, datetime]:
    """Draw a budget with windows, how long shedding takes, and a time near a change of the clocks."""
    zone, near = draw(st.sampled_from(NIGHTS))
    other = draw(st.sampled_from(NIGHTS))[0]
    drawn = tuple(
        draw(windows(name, draw(st.sampled_from((zone, zone, other))), near))
        for name in "abc"[: draw(st.integers(1, 3))]
    )
    budget = ParsedBudget("uid", "rack", LabelSelector(()), b.watts(250), b.watts(0), windows=drawn)
    lead = draw(st.sampled_from((45, 615, 60, 61, 1, 0)))
    now = draw(st.sampled_from([*_changes(drawn, near), near]))
    early = draw(st.sampled_from((lead // 2, lead, 1, lead + 1, 0)) | st.integers(-9000, 9000))
    return budget, SECOND * lead, now - SECOND * early


def _changes(windows: tuple[Window, ...], near: datetime) -> list[datetime]:
    """Return when windows open and close on the day of an instant, by their clocks."""
    return [
        datetime.combine(near.astimezone(zone).date(), clock, zone).astimezone(UTC)
        for one in windows
        for zone in [ZoneInfo(one.zone)]
        for clock in (one.start, one.end or time(0, 0))
    ]


def in_force(budget: ParsedBudget, at: datetime) -> int:
    """Return the milliwatts of the least cap of the open windows, else of the budget."""
    caps = [one.cap.milliwatts for one in budget.windows if shown(one, at)]
    return min(caps, default=budget.cap.milliwatts)


def shown(window: Window, at: datetime) -> bool:
    """Tell whether the clock on the wall shows a minute of the window, counted from its day's midnight."""
    wall = at.astimezone(ZoneInfo(window.zone))
    minute = wall.hour * 60 + wall.minute
    start = window.start.hour * 60 + window.start.minute
    end = window.end.hour * 60 + window.end.minute if window.end else 1440
    end += 1440 if end < start else 0
    today = wall.weekday() in window.days and start <= minute < end
    return today or ((wall.weekday() - 1) % 7 in window.days and minute + 1440 < end)


@LAW
@given(worlds())
def test_the_planned_cap_is_the_least_from_now_until_shedding_is_done(
    world: tuple[ParsedBudget, timedelta, datetime],
) -> None:
    """The cap holds from the first second of the window: shedding starts early by the time it takes."""
    budget, lead, now = world

    seconds = range(int(lead.total_seconds()) + 1)
    expected = min(in_force(budget, now + SECOND * n) for n in seconds)

    assert planned_cap(budget, lead, now).cap.milliwatts == expected


@LAW
@given(worlds())
def test_what_is_coming_is_told_as_it_comes(
    world: tuple[ParsedBudget, timedelta, datetime],
) -> None:
    """The status says which window changes the cap, when, and since when is shed for it."""
    budget, lead, now = world

    planned = planned_cap(budget, lead, now)

    coming, before = planned.coming, in_force(budget, now)
    assert (coming is not None) == (planned.cap.milliwatts < before)
    if coming is not None:
        assert coming.since == coming.at - lead <= now < coming.at
        assert coming.cap.milliwatts == before
        assert in_force(budget, coming.at) == planned.cap.milliwatts
        window = next(one for one in budget.windows if one.name == coming.window)
        assert shown(window, coming.at) == coming.opens


@LAW
@given(worlds())
def test_the_next_boundary_is_the_next_change(
    world: tuple[ParsedBudget, timedelta, datetime],
) -> None:
    """Between two boundaries nothing changes, so an idle loop may sleep; at a boundary something does."""
    budget, lead, now = world

    boundary = next_boundary([budget], lead, now)

    present, end = planned_cap(budget, lead, now), min(boundary or now + SIGHT, now + SIGHT)
    minutes = [now.replace(second=0) + MINUTE * n for n in range(12 + SIGHT // MINUTE)]
    quiet = [one for m in minutes for one in (m, m - lead) if now < one < end]
    assert {planned_cap(budget, lead, one) for one in quiet} <= {present}
    assert boundary is None or planned_cap(budget, lead, boundary) != present
