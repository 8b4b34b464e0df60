"""The cap that is planned with: the least that is in force from now until replicas could be taken off.

So a window's cap holds from its first second: what has to go then goes before, and nothing is started
that would have to go at once. How long that takes is decision 6.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

from kwatt import names
from kwatt.model.snapshot import Coming
from kwatt.observation.values import DEFAULT_GRACE_SECONDS, ParsedBudget, Window
from kwatt.observation.windows import EffectiveCap, cap_at, instants
from kwatt.observation.world import World
from kwatt.units import Power

MOST_GRACE_SECONDS: Final = (
    600  # one pod that ends for hours must not cut everybody's cap for hours
)
CYCLE_SECONDS: Final = 15  # assumed: to notice, plan, write, and for Kubernetes to pass it on
_HORIZON_DAYS: Final = 9  # every window opens within a week; the clock's change and the lead on top
_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)


class PlannedCap(NamedTuple):
    """The cap to plan with, the window that sets it, and what is coming where it is not in force yet."""

    cap: Power
    window: str | None
    coming: Coming | None = None


def usual_lead(world: World) -> timedelta:
    """Return how long shedding takes: the longest grace period of any service or of its pods, and a cycle."""
    seconds = {one.grace_seconds for one in world.services}
    seconds |= {pod.grace_seconds for pod in world.pods if names.SERVICE_LABEL in pod.labels}
    longest = min(max(seconds, default=DEFAULT_GRACE_SECONDS), MOST_GRACE_SECONDS)
    return timedelta(seconds=longest + CYCLE_SECONDS)


def lead_of(budget: ParsedBudget, usual: timedelta) -> timedelta:
    """Return how long before a lower cap a budget's replicas are taken off."""
    return usual if budget.shed_seconds is None else timedelta(seconds=budget.shed_seconds)


def planned_cap(budget: ParsedBudget, lead: timedelta, now: datetime) -> PlannedCap:
    """Return the least cap in force at any instant from `now` to `now + lead`, both included."""
    now_cap = cap_at(budget, now)
    if not budget.windows:
        return PlannedCap(*now_cap)
    later = [(cap_at(budget, at), at) for at in instants(budget.windows, now, now + lead)]
    least, at = min(later, key=lambda one: (one[0].cap, one[1]), default=(now_cap, now))
    if least.cap >= now_cap.cap:
        return PlannedCap(*now_cap)
    return PlannedCap(*least, _coming(budget, least, now_cap, at, lead))


def next_boundary(
    budgets: Iterable[ParsedBudget], usual: timedelta, now: datetime
) -> datetime | None:
    """Return the next instant at which the clock changes the planned cap of a budget, or its window."""
    hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    alike = {  # racks often share their windows
        (one.cap, one.windows, lead_of(one, usual)): one for one in budgets if one.windows
    }
    found = (_changes(budget, key[-1], hour) for key, budget in alike.items())
    return min((instant for some in found for instant in some if instant > now), default=None)


@lru_cache(maxsize=4096)  # a weekend of many windows is not looked through again in every cycle
def _changes(budget: ParsedBudget, lead: timedelta, hour: datetime) -> tuple[datetime, ...]:
    """Return the changes within the hour and the first one after it, if there is any."""
    changes: list[datetime] = []
    present = planned_cap(budget, lead, hour)
    for instant in _candidates(budget, lead, hour):
        planned = planned_cap(budget, lead, instant)
        if planned != present:
            changes.append(instant)
            present = planned
        if changes and changes[-1] >= hour + _HOUR:
            break
    return tuple(changes)


def _candidates(budget: ParsedBudget, lead: timedelta, after: datetime) -> Iterator[datetime]:
    """Yield, day by day, when a cap may change: as a window does, and `lead` before, when it is in sight."""
    for day in range(_HORIZON_DAYS):
        begin, end = after + day * _DAY, after + (day + 1) * _DAY
        seen = instants(budget.windows, begin, end + lead)
        both = sorted({*seen, *(one - lead for one in seen)})
        yield from (one for one in both if begin < one <= end)


def _coming(
    budget: ParsedBudget, least: EffectiveCap, before: EffectiveCap, at: datetime, lead: timedelta
) -> Coming:
    """Say what lowers the cap: the window that opens then, or the one that had raised it and closes."""
    window = _named(budget, least.window or before.window)
    return Coming(
        window=window.name,
        opens=least.window is not None,
        at=at,
        since=at - lead,
        zone=window.zone,
        cap=before.cap,
    )


def _named(budget: ParsedBudget, name: str | None) -> Window:
    return next(window for window in budget.windows if window.name == name)
