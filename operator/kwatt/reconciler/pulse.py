"""When the planning loop last showed that it lives: it turned, or a cycle of many writes sent one."""

from __future__ import annotations

from collections.abc import Callable


class Pulse:
    """Seconds since the last beat, by a clock that never goes back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last = clock()

    def beat(self) -> None:
        """Show life."""
        self._last = self._clock()

    def age(self) -> float:
        """Return the seconds since the last beat."""
        return self._clock() - self._last
