"""From measurements to feedback. A maker remembers between readings; what must survive is in the statuses."""

from __future__ import annotations

from kwatt.energy.demand import Asked, Followed, follow
from kwatt.model.feedback import Feedback, Following, Grounds
from kwatt.model.keys import ServiceKey
from kwatt.model.measurements import Demand, Measurements


class FeedbackMaker:
    """Decides what measurements change about planning; begins with what the statuses `remembered`."""

    def __init__(self, remembered: Feedback) -> None:
        self._followed: dict[ServiceKey, Followed] = {
            key: Followed(target) for key, target in remembered.demands.items()
        }

    def take(self, measurements: Measurements, grounds: Grounds, now_ms: int) -> Feedback:
        """Return what to plan with from now on; `now_ms` is of a monotonic clock, in milliseconds."""
        self._followed = {
            key: followed
            for key, service in sorted(grounds.services.items(), key=lambda one: one[0])
            if (followed := self._follow(key, service, measurements, now_ms))
        }
        return Feedback(demands={key: one.target for key, one in self._followed.items()})

    def _follow(
        self, key: ServiceKey, service: Following, measurements: Measurements, now_ms: int
    ) -> Followed | None:
        before = self._followed.get(key)
        if before is None and service.remembered is not None:
            before = Followed(service.remembered)
        return follow(before, _asked(key, service.unit, measurements), service.bounds, now_ms)


def _asked(key: ServiceKey, unit: str, measurements: Measurements) -> Asked | None:
    """Return what a service is asked for, None where that is not known or can't be believed."""
    measured = measurements.services.get(key)
    if measured is not None and measured.doubt is not None:
        return None
    served = measured.rate if measured else None
    return Asked(unit, measurements.demands.get(key, Demand()), served)
