"""When a budget's windows are open, by the clock on a wall in their time zone.

A window is open while that clock shows a time from `from` up to, not including, `to`, on one of its days;
one over midnight belongs to the day on which it starts. So in the hour that a clock skips nothing opens,
and in the hour that it shows twice a window opens twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from kwatt.observation.values import ParsedBudget, Window
from kwatt.units import Power

_WEEK = timedelta(days=8)  # every window opens within a week, give a day for the clock's change
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


def next_change(budgets: Iterable[ParsedBudget], now: datetime) -> datetime | None:
    """Return the next instant at which a budget's cap changes, or the window that sets it."""
    budgets = [budget for budget in budgets if budget.windows]
    windows = [window for budget in budgets for window in budget.windows]
    caps = [cap_at(budget, now) for budget in budgets]
    for instant in sorted({one for one in _instants(windows, now) if one > now}):
        if [cap_at(budget, instant) for budget in budgets] != caps:
            return instant
    return None


def _instants(windows: Iterable[Window], now: datetime) -> Iterator[datetime]:
    """Yield all instants in the coming week at which a window may open or close."""
    by_zone: dict[str, set[time]] = {}
    for window in windows:
        by_zone.setdefault(window.zone, set()).update((window.start, window.end or _MIDNIGHT))
    for name in sorted(by_zone):
        zone = ZoneInfo(name)
        yield from _clock_instants(zone, by_zone[name], now)
        yield from _offset_changes(zone, now)


def _clock_instants(zone: ZoneInfo, clocks: set[time], now: datetime) -> Iterator[datetime]:
    first = now.astimezone(zone).date()
    for days in range(_WEEK.days + 1):
        for clock in clocks:
            for fold in (0, 1):
                local = datetime.combine(first + timedelta(days=days), clock, zone)
                yield local.replace(fold=fold).astimezone(UTC)


def _offset_changes(zone: ZoneInfo, now: datetime) -> Iterator[datetime]:
    """Yield the instants at which the zone changes its offset, found by halving to the second."""
    start = now.astimezone(UTC).replace(microsecond=0)
    while start < now + _WEEK:
        end = start + _STEP
        if start.astimezone(zone).utcoffset() != end.astimezone(zone).utcoffset():
            yield _first_with_new_offset(zone, start, end)
        start = end


def _first_with_new_offset(zone: ZoneInfo, start: datetime, end: datetime) -> datetime:
    old = start.astimezone(zone).utcoffset()
    while end - start > _SECOND:
        middle = (start + (end - start) // 2).replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == old:
            start = middle
        else:
            end = middle
    return end
