"""The clock of a world that lives beside the machine's: as fast, faster, or stopped."""

from __future__ import annotations

import time
from typing import Final

from fakenpu.world import World

_SECOND: Final = 1_000_000_000


class Clock:
    """Lets a world live `scale` times as fast as the machine's clock; 0 stops it."""

    def __init__(self, world: World, scale: float = 1.0) -> None:
        self._world = world
        self._scale = scale
        self._since, self._from = time.monotonic_ns(), world.now

    @property
    def scale(self) -> float:
        """Return how many seconds of the world pass in one of the machine."""
        return self._scale

    def catch_up(self) -> World:
        """Let the world live until now and return it."""
        passed = (time.monotonic_ns() - self._since) / _SECOND
        self._world.advance_to(self._from + int(passed * self._scale * 1_000))
        return self._world

    def set_scale(self, scale: float) -> None:
        """Change the speed from now on."""
        self.catch_up()
        self._scale = scale
        self._since, self._from = time.monotonic_ns(), self._world.now

    def skip(self, seconds: float) -> None:
        """Let the world live `seconds` at once."""
        self.catch_up().advance(seconds)
        self._since, self._from = time.monotonic_ns(), self._world.now
