"""The task beside the loop that asks the reader at its pace, keeps the accounts, and wakes the loop.

It begins with the first cycle, and so runs on the leader only: a standby reads nothing, and who takes over
goes on from the statuses. Where nothing is configured to be read it sleeps until a cycle says otherwise.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Final, NoReturn, Protocol, TypeVar

from kwatt.cluster.backoff import Backoff, chance
from kwatt.energy.accounts import Accounts, Books
from kwatt.energy.feedback import FeedbackMaker
from kwatt.energy.holdings import FRESHNESS_MS, Holdings, Instant
from kwatt.metrics import Metrics
from kwatt.model.feedback import NO_FEEDBACK, Feedback, Grounds
from kwatt.model.measurements import Measured, Measurements
from kwatt.model.targets import Targets
from kwatt.model.telemetry import Readings
from kwatt.reconciler.store import Written
from kwatt.reconciler.trigger import Trigger
from kwatt.telemetry.visits import name_of

_LOG = logging.getLogger(__name__)
_BACKOFF: Final = Backoff(first=1.0, cap=30.0)
_ROUND_SECONDS: Final = 1.0  # between asking the reader; it reads what is due only
_REST: Final = 9  # times what accounting took: it takes a tenth of a core at most
_SETTLE_MS: Final = 5_000  # how often accounts are settled while nothing comes
_FIGURES_MS: Final = 60_000  # how often figures that only move reach the statuses
_AWAY_MS: Final = 600_000  # without any exporter for so long, nothing is measured here any more
_NOTHING: Final = Readings()
Key = TypeVar("Key")


@dataclass(frozen=True)
class Sighting:
    """What a cycle knows that readings are taken and judged by, made when it is asked for.

    `make_books` and `make_remembered` return what statuses say was counted and decided before.
    """

    targets: Targets
    make_holdings: Callable[[], Holdings]
    make_grounds: Callable[[], Grounds]
    make_books: Callable[[], Books]
    make_remembered: Callable[[], Feedback]

    @cached_property
    def holdings(self) -> Holdings:
        """Who holds what."""
        return self.make_holdings()

    @cached_property
    def grounds(self) -> Grounds:
        """What feedback is decided from."""
        return self.make_grounds()


class Reads(Protocol):
    """What the reader does."""

    async def read(self, targets: Targets, now_ms: int) -> Readings:
        """Read what is due; never raise for what a target does."""


@dataclass(slots=True)
class _Books:
    """The accounts and what is decided from them, from the first sighting on."""

    accounts: Accounts
    maker: FeedbackMaker
    begun: int
    settled: int
    told: int
    read: bool = False


class Telemetry:
    """`measurements` are for statuses: figures move there once a minute, what turned is there at once.

    None until enough was read to tell. `feedback` is what to plan with, None until it was decided anew.
    """

    def __init__(
        self,
        reader: Reads,
        trigger: Trigger,
        metrics: Metrics,
        wall: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
        *,
        round_seconds: float = _ROUND_SECONDS,
    ) -> None:
        self.measurements: Measurements | None = None
        self.feedback: Feedback | None = None
        self._reader = reader
        self._trigger = trigger
        self._metrics = metrics
        self._wall = wall
        self._monotonic = monotonic
        self._sighting: Sighting | None = None
        self._seen = asyncio.Event()
        self._books: _Books | None = None
        self._round_seconds = round_seconds
        self._wanted = 0
        self._refusing: frozenset[tuple[str, str]] = frozenset()

    def see(self, sighting: Sighting) -> None:
        """Take what a cycle found; readings are attributed by the last one seen."""
        self._sighting = sighting
        self._seen.set()

    def forget(self, gone: Written) -> None:
        """Begin anew for an object that is gone: another of its name has drawn nothing yet."""
        if self._books is not None:
            self._books.accounts.close(gone.kind, gone.namespace, gone.name)
        if self.measurements is not None:
            self.measurements = self.measurements.without(gone.kind, gone.namespace, gone.name)

    async def run(self) -> NoReturn:
        """Run until cancelled; a round that fails is tried again after a back-off."""
        failures = 0
        while True:
            await self._seen.wait()
            try:
                pause = await self._round()
                failures = 0
            except Exception:  # one bad round must not end the operator; planning holds without it
                failures += 1
                pause = _BACKOFF.seconds(failures, chance())
                self._metrics.failed("Telemetry", "Exception")
                _LOG.exception("telemetry failed failures=%d wait=%.1fs", failures, pause)
            await asyncio.sleep(pause)

    async def _round(self) -> float:
        """Read once and account for it; return after how many seconds to do so again."""
        sighting = self._sighting
        if sighting is None or self._has_nothing_to_read(sighting):
            self._seen.clear()
            self._books, self.measurements, self.feedback = None, Measurements(), None
            self._metrics.unmeasured()
            return 0.0
        books = self._books = self._books or self._opened(sighting)
        readings = await self._reader.read(sighting.targets, self._now().ms)
        begun = self._monotonic()
        self.take(readings, books)
        spent = self._monotonic() - begun
        return max(self._round_seconds, spent * _REST)

    def _has_nothing_to_read(self, sighting: Sighting) -> bool:
        """Tell whether nothing is configured; while exporters are only away what they told is kept."""
        if sighting.targets != Targets():
            self._wanted = self._now().ms
            return False
        return self._books is None or self._now().ms - self._wanted > _AWAY_MS

    def _opened(self, sighting: Sighting) -> _Books:
        now = self._now()
        return _Books(
            accounts=Accounts(sighting.make_books(), now),
            maker=FeedbackMaker(sighting.make_remembered(), now.ms),
            begun=now.ms,
            settled=now.ms,
            told=now.ms - _FIGURES_MS,
        )

    def take(self, readings: Readings, books: _Books) -> None:
        """Account for one round of readings, decide, and tell."""
        now, sighting = self._now(), self._sighting
        if sighting is None or (readings == _NOTHING and now.ms - books.settled < _SETTLE_MS):
            return
        books.settled = now.ms
        books.read = books.read or bool(readings.cards or readings.meters)
        self._log(readings, sighting.targets)
        self._metrics.refused(readings.refused)
        books.accounts.take(readings, sighting.holdings, now)
        fresh = books.accounts.measurements(now)
        self._metrics.measured(fresh, now.wall)
        self._decide(books.maker.take(fresh, sighting.grounds, now.ms))
        if books.read or now.ms - books.begun > FRESHNESS_MS:
            self._tell(fresh, books, now)

    def _decide(self, feedback: Feedback) -> None:
        """Plan anew at once where a decision changed."""
        if feedback != self.feedback:
            before, self.feedback = self.feedback, feedback
            self._metrics.fed_back(feedback)
            if before is not None or feedback != NO_FEEDBACK:
                self._trigger.poke()

    def _tell(self, fresh: Measurements, books: _Books, now: Instant) -> None:
        """Publish all once a minute, and between that only objects whose condition turns."""
        before = self.measurements or Measurements()
        if now.ms - books.told >= _FIGURES_MS:
            books.told = now.ms
            told = fresh
        else:
            told = replace(
                before,
                services=_turned(before.services, fresh.services),
                budgets=_turned(before.budgets, fresh.budgets),
                classes=_turned(before.classes, fresh.classes),
            )
        if self.measurements is None or told != before:
            self.measurements = told
            self._trigger.poke()

    def _log(self, readings: Readings, targets: Targets) -> None:
        """Log what is refused when it begins; what is no target any more is forgotten."""
        refusing = {(one.target, str(one.reason)): one for one in readings.refused}
        for key in sorted(refusing.keys() - self._refusing):
            one = refusing[key]
            _LOG.warning(
                "not read source=%s target=%s reason=%s message=%s",
                *(one.source, one.target, one.reason, one.message),
            )
        read = {card.card.node for card in readings.cards}
        kept = {key for key in self._refusing if not any(node in key[0] for node in read)}
        known = kept | refusing.keys()
        there = {name_of(target) for target in targets.every()} if known else set()
        self._refusing = frozenset(key for key in known if key[0] in there)

    def _now(self) -> Instant:
        return Instant(int(self._monotonic() * 1000), self._wall())


def _turned(before: Mapping[Key, Measured], fresh: Mapping[Key, Measured]) -> dict[Key, Measured]:
    """Return what was told before, and of objects that turned what is known now."""
    return {
        key: one if key not in before or _state(before[key]) != _state(one) else before[key]
        for key, one in fresh.items()
    }


def _state(one: Measured) -> tuple[object, ...]:
    known = (one.power is None, one.rate is None, one.counted.at is None)
    return (one.loss, one.doubt is None, one.scope, *known)
