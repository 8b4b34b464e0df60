"""When a budget's windows are open, by the clock on a wall in their time zone.

A window is open while that clock shows a time from `from` up to, not including, `to`, on one of its days;
one over midnight belongs to the day on which it starts. So in the hour that a clock skips nothing opens,
and in the hour that it shows twice a window opens twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from kwatt.observation.values import ParsedBudget, Window
from kwatt.units import Power

_DAY = timedelta(days=1)
_STEP = timedelta(hours=1)  # no zone changes its offset twice within it
_SECOND = timedelta(seconds=1)
_MIDNIGHT = time(0, 0)


class EffectiveCap(NamedTuple):
    """The cap in force and the open window that sets it."""

    cap: Power
    window: str | None


def cap_at(budget: ParsedBudget, now: datetime) -> EffectiveCap:
    """Return the least cap of the windows open at `now`, else the budget's own."""
    caps = [EffectiveCap(one.cap, one.name) for one in budget.windows if is_open(one, now)]
    return min(caps) if caps else EffectiveCap(budget.cap, None)


def is_open(window: Window, now: datetime) -> bool:
    """Tell whether `window` is open at `now`, an aware time."""
    local = now.astimezone(ZoneInfo(window.zone))
    clock, today = local.time(), local.weekday()
    if window.end is None or window.start < window.end:
        before_end = window.end is None or clock < window.end
        return today in window.days and window.start <= clock and before_end
    yesterday = (today - 1) % 7
    return (today in window.days and window.start <= clock) or (
        yesterday in window.days and clock < window.end
    )


def instants(windows: Iterable[Window], after: datetime, until: datetime) -> list[datetime]:
    """Return all instants after `after`, up to `until`, at which a window may open or close, in order."""
    clocks: dict[str, set[time]] = {}
    for window in windows:
        clocks.setdefault(window.zone, set()).update((window.start, window.end or _MIDNIGHT))
    found = {
        instant
        for zone, times in clocks.items()
        for day in _days(after, until)
        for instant in (*_shown(zone, frozenset(times), day), *_offset_changes(zone, day))
    }
    return sorted(instant for instant in found if after < instant <= until)


def _days(after: datetime, until: datetime) -> Iterator[date]:
    """Yield the days of the span in any time zone: UTC's, and one more at either end."""
    day, last = after.astimezone(UTC).date() - _DAY, until.astimezone(UTC).date() + _DAY
    while day <= last:
        yield day
        day += _DAY


@lru_cache(maxsize=4096)
def _shown(zone: str, clocks: frozenset[time], day: date) -> tuple[datetime, ...]:
    """Return the instants of a day at which a clock of the zone shows one of the times, maybe twice."""
    return tuple(
        datetime.combine(day, clock, ZoneInfo(zone)).replace(fold=fold).astimezone(UTC)
        for clock in clocks
        for fold in (0, 1)
    )


@lru_cache(maxsize=1024)
def _offset_changes(name: str, day: date) -> tuple[datetime, ...]:
    """Return the instants of a day in UTC at which the zone changes its offset."""
    zone, start = ZoneInfo(name), datetime.combine(day, _MIDNIGHT, UTC)
    hours = [start + _STEP * hour for hour in range(25)]
    return tuple(
        _first_with_new_offset(zone, begin, end)
        for begin, end in pairwise(hours)
        if begin.astimezone(zone).utcoffset() != end.astimezone(zone).utcoffset()
    )


def _first_with_new_offset(zone: ZoneInfo, start: datetime, end: datetime) -> datetime:
    """Halve the span, to the second."""
    old = start.astimezone(zone).utcoffset()
    while end - start > _SECOND:
        middle = (start + (end - start) // 2).replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == old:
            start = middle
        else:
            end = middle
    return end
