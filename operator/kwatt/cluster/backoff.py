"""How long to wait after failures. Knows neither what failed nor any clock."""

from __future__ import annotations

import random
from dataclasses import dataclass

_DOUBLINGS = 30  # far beyond any cap, and keeps the power small


@dataclass(frozen=True, slots=True)
class Backoff:
    """Doubles from `first` to `cap` seconds, and up to a quarter more so that clients spread."""

    first: float = 1.0
    cap: float = 30.0

    def seconds(self, failures: int, chance: float, at_least: float | None = None) -> float:
        """Return the wait after that many failures in a row; `chance` lies in [0, 1)."""
        doubled = self.first * 2.0 ** min(max(failures - 1, 0), _DOUBLINGS)
        return max(min(self.cap, doubled) * (1 + chance / 4), at_least or 0.0)


def chance() -> float:
    """Return a number in [0, 1) that differs between clients."""
    return random.random()  # noqa: S311  # spreads load, protects nothing
