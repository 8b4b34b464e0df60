"""From measurements to feedback. A maker remembers between readings; what must survive is in the statuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from kwatt.energy.demand import Asked, Followed, follow
from kwatt.energy.drift import (
    WINDOW_MS,
    Tracked,
    decide,
    planned_power,
    track,
    tracked_from,
    wants_raise,
)
from kwatt.energy.excess import Withholding, withhold
from kwatt.model.feedback import DeclaredPoint, Feedback, Following, Grounds, Metered
from kwatt.model.keys import ServiceKey
from kwatt.model.measurements import Demand, Measurements, PointKey
from kwatt.units import Power

BETWEEN_RAISES_MS: Final = (
    60_000  # assumed: one point after the other, so that not everybody restarts at once
)


class FeedbackMaker:
    """Decides what measurements change about planning; begins with what the statuses `remembered`."""

    def __init__(self, remembered: Feedback, now_ms: int) -> None:
        self._followed = {key: Followed(rate) for key, rate in remembered.demands.items()}
        self._withheld = {
            name: Withholding(withheld) for name, withheld in remembered.withheld.items()
        }
        self._tracked = {
            key: tracked_from(drift, now_ms) for key, drift in remembered.drifts.items()
        }
        self._absent: dict[PointKey, int] = {}  # since when no profile or class has a tracked point
        self._raised: int | None = None

    def take(self, measurements: Measurements, grounds: Grounds, now_ms: int) -> Feedback:
        """Return what to plan with from now on; `now_ms` is of a monotonic clock, in milliseconds."""
        self._follow(measurements, grounds, now_ms)
        self._withhold(measurements, grounds, now_ms)
        self._track(measurements, grounds, now_ms)
        points = {
            key: planned_power(self._tracked[key], grounds.points[key])
            for key in self._known(grounds)
        }
        return Feedback(
            points={k: power for k, power in points.items() if power > grounds.points[k].power},
            demands={key: one.target for key, one in self._followed.items()},
            withheld={
                name: one.withheld
                for name, one in self._withheld.items()
                if one.withheld.milliwatts > 0
            },
            drifts={k: shown for k in points if (shown := self._tracked[k].shown)},
            excesses={
                name: replace(one.excess, withheld=one.withheld)
                for name, one in self._withheld.items()
            },
        )

    def _follow(self, measurements: Measurements, grounds: Grounds, now_ms: int) -> None:
        self._followed = {
            key: followed
            for key, service in sorted(grounds.services.items(), key=lambda one: one[0])
            if (followed := self._followed_by(key, service, measurements, now_ms))
        }

    def _followed_by(
        self, key: ServiceKey, service: Following, measurements: Measurements, now_ms: int
    ) -> Followed | None:
        before = self._followed.get(key)
        if before is None and service.remembered is not None:
            before = Followed(service.remembered)
        return follow(before, _asked(key, service.unit, measurements), service.bounds, now_ms)

    def _withhold(self, measurements: Measurements, grounds: Grounds, now_ms: int) -> None:
        """Decide of every budget on its own; where budgets nest, each keeps its cap."""
        self._withheld = {
            name: withhold(
                self._withheld.get(name, Withholding()),
                _metered(name, measurements, budget),
                budget,
                now_ms,
            )
            for name, budget in sorted(grounds.budgets.items())
        }

    def _track(self, measurements: Measurements, grounds: Grounds, now_ms: int) -> None:
        for key in sorted(measurements.points.keys() | self._tracked.keys()):
            point = grounds.points.get(key)
            if point is None:
                continue  # a class that is gone for a minute must not make anybody forget
            tracked = track(self._tracked.get(key), measurements.points.get(key), point, now_ms)
            self._tracked[key] = decide(tracked, point, may_raise=False)
        self._forget_gone(grounds, now_ms)
        self._raise_one(grounds, now_ms)

    def _forget_gone(self, grounds: Grounds, now_ms: int) -> None:
        """Forget points that were in no profile for as long as what was measured there counts."""
        gone = self._tracked.keys() - grounds.points.keys()
        self._absent = {key: self._absent.get(key, now_ms) for key in gone}
        for key, since in self._absent.items():
            if now_ms - since >= WINDOW_MS:
                del self._tracked[key]

    def _raise_one(self, grounds: Grounds, now_ms: int) -> None:
        """Plan one more point with what was measured, the one that is declared furthest too low."""
        if self._raised is not None and now_ms - self._raised < BETWEEN_RAISES_MS:
            return
        wanting = [
            key
            for key in self._known(grounds)
            if wants_raise(self._tracked[key], grounds.points[key])
        ]
        if wanting:
            key = max(
                wanting, key=lambda one: (_missing(self._tracked[one], grounds.points[one]), one)
            )
            self._tracked[key] = decide(self._tracked[key], grounds.points[key], may_raise=True)
            self._raised = now_ms

    def _known(self, grounds: Grounds) -> list[PointKey]:
        return [key for key in sorted(self._tracked) if key in grounds.points]


def _missing(tracked: Tracked, point: DeclaredPoint) -> Power:
    return planned_power(decide(tracked, point, may_raise=True), point) - planned_power(
        tracked, point
    )


def _metered(name: str, measurements: Measurements, budget: Metered) -> Power | None:
    """Return what the meter of a budget shows, None where that is not known or can't be believed."""
    measured = measurements.budgets.get(name)
    if measured is None or measured.lost is not None or measured.doubt is not None:
        return None
    power = measured.latest if measured.latest is not None else measured.power
    return power + budget.unmetered if power is not None else None


def _asked(key: ServiceKey, unit: str, measurements: Measurements) -> Asked | None:
    """Return what a service is asked for, None where that is not known or can't be believed."""
    measured = measurements.services.get(key)
    if measured is not None and measured.doubt is not None:
        return None
    served = measured.rate if measured else None
    return Asked(unit, measurements.demands.get(key, Demand()), served)
