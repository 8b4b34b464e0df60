"""The planning loop: waits until every kind was listed and this process leads, then runs cycles."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, NoReturn

from kwatt.cluster.backoff import Backoff, chance
from kwatt.cluster.informer import Informer
from kwatt.cluster.leadership import Leadership
from kwatt.errors import Unavailable
from kwatt.metrics import Metrics
from kwatt.reconciler.alarm import Again, Alarm
from kwatt.reconciler.cycle import Cycle
from kwatt.reconciler.pulse import Pulse
from kwatt.reconciler.trigger import Trigger

_LOG = logging.getLogger(__name__)
_BACKOFF: Final = Backoff(first=1.0, cap=30.0)
_PULSE_SECONDS: Final = 15.0  # how often an idle loop shows that it lives; nothing is planned then
_PAUSE_SECONDS: Final = (
    0.5  # between cycles that nobody poked for: a lost lease is "try again at once"
)
_STALLED_SECONDS: Final = 120.0
_NOT_LISTED_SECONDS: Final = 1800.0


def wall_clock() -> datetime:
    """Return the time of day."""
    return datetime.now(UTC)


class Loop:
    """Runs cycles on the leader only; `alive` and `ready` are what the probes ask."""

    def __init__(
        self,
        cycle: Cycle,
        trigger: Trigger,
        leadership: Leadership,
        informers: Mapping[str, Informer],
        metrics: Metrics,
        pulse: Pulse,
    ) -> None:
        self._cycle = cycle
        self._trigger = trigger
        self._leadership = leadership
        self._informers = informers
        self._metrics = metrics
        self._pulse = pulse
        self._failures = 0
        self._drift = dict.fromkeys(informers, 0)

    async def run(self) -> NoReturn:
        """Run until cancelled; a cycle that fails is tried again after a back-off."""
        for informer in self._informers.values():
            await self._wait_for(informer.synced)
        _LOG.info("synced kinds=%d", len(self._informers))
        await self._wait_for(self._leadership.leading)
        self._metrics.leads(True)
        again = Again(0.0)
        while True:
            await self._sleep(again)
            again = await self._once()
            self._count_drift()

    async def close(self) -> None:
        """Write nothing any more; one that is cut off might happen later, while somebody else leads."""
        await self._cycle.close()

    async def _once(self) -> Again:
        try:
            again = await self._cycle.run(wall_clock())
        except Unavailable as error:  # pods could not be listed: nothing is wrong with the cycle
            wait = self._fail("Unavailable")
            _LOG.warning("cycle put off wait=%.1fs error=%s", wait, error)
            return Again(wait)
        except Exception:  # one bad cycle must not end the loop; caps hold without it
            wait = self._fail("Exception")
            _LOG.exception("cycle failed failures=%d wait=%.1fs", self._failures, wait)
            return Again(wait)
        self._failures = 0
        seconds = None if again.seconds is None else max(again.seconds, _PAUSE_SECONDS)
        return Again(seconds, again.at)

    def _fail(self, error: str) -> float:
        """Count a cycle that was not finished; return the seconds until the next."""
        self._failures += 1
        self._metrics.failed("Cycle", error)
        return _BACKOFF.seconds(self._failures, chance())

    async def _sleep(self, again: Again) -> None:
        """Wait for a poke, or until it is time to look again."""
        alarm = Alarm(again, time.monotonic, wall_clock)
        while True:
            self._pulse.beat()
            if await self._trigger.wait(alarm.left(_PULSE_SECONDS)):
                return
            if not alarm.left(_PULSE_SECONDS):
                return

    async def _wait_for(self, event: asyncio.Event) -> None:
        while not event.is_set():
            self._pulse.beat()
            try:
                async with asyncio.timeout(_PULSE_SECONDS):
                    await event.wait()
            except TimeoutError:
                continue

    def _count_drift(self) -> None:
        for kind, informer in self._informers.items():
            self._metrics.drifted(kind, informer.drift - self._drift[kind])
            self._drift[kind] = informer.drift

    def alive(self) -> str | None:
        """Return what is wrong, None while the loop turns and every kind is listed now and then."""
        now, stalled = time.monotonic(), self._pulse.age()
        if stalled > _STALLED_SECONDS:
            return f"the loop has neither turned nor written anything for {stalled:.0f} s"
        for kind, informer in self._informers.items():
            if informer.last_listed and now - informer.last_listed > _NOT_LISTED_SECONDS:
                return f"{kind} was last listed {now - informer.last_listed:.0f} s ago"
        return None

    def ready(self) -> str | None:
        """Return what is missing, None when every kind was listed (a standby is ready too)."""
        waiting = [
            kind for kind, informer in self._informers.items() if not informer.synced.is_set()
        ]
        return f"not listed yet: {', '.join(waiting)}" if waiting else None
