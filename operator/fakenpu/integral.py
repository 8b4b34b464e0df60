"""The exact integral of a power that changes in steps, and what it was lately."""

from __future__ import annotations

from collections import deque
from typing import Final

REMEMBERED: Final = 120_000  # milliseconds: longer than any exporter waits between two readings


class Integral:
    """Milliwatts over time, summed to microjoules without rounding."""

    __slots__ = ("_history", "_microjoules", "_since", "milliwatts")

    def __init__(self, now: int, milliwatts: int) -> None:
        self.milliwatts = milliwatts
        self._since = now
        self._microjoules = 0
        self._history = deque([(now, milliwatts)])

    def change(self, now: int, milliwatts: int) -> None:
        """From `now` on the power is `milliwatts`."""
        if milliwatts == self.milliwatts:
            return
        self._microjoules = self.microjoules_at(now)
        self._since, self.milliwatts = now, milliwatts
        self._history.append((now, milliwatts))
        while len(self._history) > 1 and self._history[1][0] < now - REMEMBERED:
            self._history.popleft()

    def microjoules_at(self, now: int) -> int:
        """Return the energy until `now`."""
        return self._microjoules + self.milliwatts * (now - self._since)

    def milliwatts_at(self, instant: int) -> int:
        """Return the power at an instant of the last two minutes."""
        for since, milliwatts in reversed(self._history):
            if since <= instant:
                return milliwatts
        return self._history[0][1]
