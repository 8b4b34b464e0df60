"""When an idle loop has to look again: after some seconds, at a time of day, or when the clock was set.

Waiting is on the monotonic clock, times of day are on the wall clock; whoever waits asks again now and
then, so that a clock that was set, or a machine that slept, delays no window by more than that.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

CLOCK_SET: Final = timedelta(seconds=1)  # more than clocks drift apart within hours


class Again(NamedTuple):
    """When to look again, whatever comes first; both None: not before something happens."""

    seconds: float | None = None
    at: datetime | None = None


class Alarm:
    """Set when it is made, on a monotonic clock in seconds and a wall clock."""

    def __init__(
        self, again: Again, monotonic: Callable[[], float], wall: Callable[[], datetime]
    ) -> None:
        self._monotonic, self._wall = monotonic, wall
        self._again = again
        self._set_at, self._set_at_time = monotonic(), wall()

    def left(self, at_most: float) -> float:
        """Return for how many seconds to wait before asking again, at most so many; 0 when it is due."""
        passed, time = self._monotonic() - self._set_at, self._wall()
        if abs(time - self._set_at_time - timedelta(seconds=passed)) > CLOCK_SET:
            return 0.0
        waits = [at_most]
        if self._again.seconds is not None:
            waits.append(self._again.seconds - passed)
        if self._again.at is not None:
            waits.append((self._again.at - time).total_seconds())
        return max(0.0, min(waits))
