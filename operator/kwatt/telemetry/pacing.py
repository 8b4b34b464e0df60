"""When each target is due: spread over its interval, never faster, more rarely while it fails."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Final

_LONGEST_WAIT: Final = 4  # intervals, so that a target that is back is noticed within a minute


@dataclass(slots=True)
class _Turn:
    due: int
    failures: int = 0


class Pace:
    """The turns of all targets, in milliseconds of the caller's clock."""

    def __init__(self) -> None:
        self._turns: dict[Hashable, _Turn] = {}

    def due(self, intervals: Mapping[Hashable, int], now: int) -> list[Hashable]:
        """Return what is due at `now`, and plan its next turn.

        Several new targets are spread evenly over their interval, a single one is due at once. Targets that
        are gone are forgotten.
        """
        new = [key for key in intervals if key not in self._turns]
        for index, key in enumerate(new):
            self._turns[key] = _Turn(now + intervals[key] * index // len(new))
        if len(self._turns) > len(intervals):
            self._turns = {key: self._turns[key] for key in intervals}
        found = [key for key in intervals if self._turns[key].due <= now]
        for key in found:
            self._turns[key].due = now + intervals[key]  # from now, so never too soon
        return found

    def note(self, key: Hashable, interval: int, *, read: bool) -> None:
        """Note whether `key` could be read; failures put off its next turn."""
        turn = self._turns.get(key)
        if turn is None:
            return
        turn.failures = 0 if read else turn.failures + 1
        if turn.failures > 1:
            turn.due += interval * (min(2 ** (turn.failures - 1), _LONGEST_WAIT) - 1)

    def is_failing(self, key: Hashable) -> bool:
        """Tell whether the last reading of `key` failed."""
        turn = self._turns.get(key)
        return turn is not None and turn.failures > 0
