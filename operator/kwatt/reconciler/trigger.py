"""Turn a storm of events into one cycle: wait until it is quiet, but not for too long."""

from __future__ import annotations

import asyncio

QUIET_SECONDS = 0.3
LONGEST_SECONDS = 2.0


class Trigger:
    """Wakes the planning loop after a poke, or when the time given to `wait` has passed.

    `news` counts the pokes that were news, and not what own writes brought about.
    """

    def __init__(
        self, *, quiet_seconds: float = QUIET_SECONDS, longest_seconds: float = LONGEST_SECONDS
    ) -> None:
        self._quiet = quiet_seconds
        self._longest = longest_seconds
        self._poked = asyncio.Event()
        self.news = 0

    def poke(self, *, news: bool = True) -> None:
        """Say that something changed; cheap, never blocks."""
        self._poked.set()
        self.news += news

    async def wait(self, at_most_seconds: float | None) -> bool:
        """Return True after a poke and the quiet that follows it, False when the time is over."""
        try:
            async with asyncio.timeout(at_most_seconds):
                await self._poked.wait()
        except TimeoutError:
            return False
        await self._settle()
        return True

    async def _settle(self) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + self._longest
        while self._poked.is_set() and loop.time() < end:
            self._poked.clear()
            try:
                async with asyncio.timeout(min(self._quiet, end - loop.time())):
                    await self._poked.wait()
            except TimeoutError:
                return
        self._poked.clear()
