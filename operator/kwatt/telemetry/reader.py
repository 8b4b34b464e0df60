"""Read what is due: exporters, runtimes, Prometheus-compatible servers. Nothing that a target does is raised.

Every target has limits of its own and waits for no other. What is not finished when a round returns comes
with a later one. Judging is done elsewhere; here are time, tasks and addresses.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

import aiohttp

from kwatt.model.targets import (
    Target,
    Targets,
)
from kwatt.model.telemetry import CardSample, CounterSample, MeterSample, Readings, Refused
from kwatt.telemetry.cards import Memory
from kwatt.telemetry.fetching import Limits, build_session
from kwatt.telemetry.pacing import Pace
from kwatt.telemetry.visits import Visit, Visitor, key_of

_LOG = logging.getLogger(__name__)
_SHOWN_PODS_MS: Final = (
    600_000  # for so long a class whose labels named pods is taken to name them all
)
_TARGET: Final = Limits()
_SERVER: Final = Limits(seconds=10.0, bytes=32 * 2**20)


@dataclass(frozen=True, slots=True)
class Settings:
    """How much the reader does at once. `round_seconds` is how long a round waits for slow targets."""

    round_seconds: float = 0.5
    at_once: int = 64
    failing_at_once: int = 16  # lanes apart, so that targets that hang delay none that answer
    target: Limits = _TARGET
    server: Limits = _SERVER


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


class Reader:
    """Reads targets at their pace; `wall_ms` is the clock that explicit timestamps are compared with."""

    def __init__(
        self, settings: Settings = Settings(), wall_ms: Callable[[], int] = _wall_ms
    ) -> None:
        self._settings = settings
        self._wall_ms = wall_ms
        self._pace = Pace()
        self._memories: dict[Hashable, Memory] = {}
        self._running: dict[asyncio.Task[Visit], Target] = {}
        self._pods_shown: dict[str, int] = {}  # when a class's labels last named pods
        self._session: aiohttp.ClientSession | None = None
        self._lane = asyncio.Semaphore(settings.at_once)
        self._failing_lane = asyncio.Semaphore(settings.failing_at_once)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End what is under way and close all connections."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._running.clear()
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def read(self, targets: Targets, now_ms: int) -> Readings:
        """Read what is due at `now_ms`, milliseconds of a monotonic clock; return what has been answered."""
        wanted = {key_of(target): target for target in targets.every()}
        self._forget(wanted)
        intervals = {key: target.interval_ms for key, target in wanted.items()}
        under_way = {key_of(target) for target in self._running.values()}
        due = [key for key in self._pace.due(intervals, now_ms) if key not in under_way]
        if due:
            self._start([wanted[key] for key in due], now_ms)
        return await self._collected(now_ms)

    def _forget(self, wanted: Mapping[Hashable, Target]) -> None:
        if len(self._memories) > len(wanted):
            self._memories = {key: one for key, one in self._memories.items() if key in wanted}

    def _start(self, due: list[Target], now_ms: int) -> None:
        if self._session is None:
            self._session = build_session()
        begun = time.monotonic()
        visitor = Visitor(
            session=self._session,
            target_limits=self._settings.target,
            server_limits=self._settings.server,
            at=lambda: now_ms + int((time.monotonic() - begun) * 1000),
            wall_ms=self._wall_ms,
        )
        for target in due:
            self._running[asyncio.create_task(self._visited(visitor, target))] = target

    async def _visited(self, visitor: Visitor, target: Target) -> Visit:
        key = key_of(target)
        lane = self._failing_lane if self._pace.is_failing(key) else self._lane
        async with lane:
            return await visitor.visit(target, self._memories.setdefault(key, Memory()))

    async def _collected(self, now_ms: int) -> Readings:
        """Wait a little for what is under way, and return what is done."""
        if not self._running:
            return Readings()
        done, _ = await asyncio.wait(self._running, timeout=self._settings.round_seconds)
        found = _Found()
        for task in done:
            target = self._running.pop(task)
            visit = _outcome(task, target)
            self._pace.note(key_of(target), target.interval_ms, read=visit.usable)
            found.add(visit)
        return self._with_naming(found, now_ms).sorted()

    def _with_naming(self, found: _Found, now_ms: int) -> _Found:
        """Tell of each card whether its exporter names pods at all: whether its class's labels lately did."""
        for npu_class in found.naming:
            self._pods_shown[npu_class] = now_ms
        shown = {
            npu_class for npu_class, at in self._pods_shown.items() if now_ms - at <= _SHOWN_PODS_MS
        }
        found.cards = [
            replace(card, names_pods=True) if card.card.npu_class in shown else card
            for card in found.cards
        ]
        return found


def _outcome(task: asyncio.Task[Visit], target: Target) -> Visit:
    if task.cancelled() or (error := task.exception()) is not None:
        _LOG.error(
            "reading failed target=%s",
            key_of(target),
            exc_info=error if not task.cancelled() else None,
        )
        return Visit(usable=False)
    return task.result()


@dataclass(slots=True)
class _Found:
    cards: list[CardSample] = field(default_factory=list)
    counters: list[CounterSample] = field(default_factory=list)
    meters: list[MeterSample] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    naming: set[str] = field(default_factory=set)

    def add(self, visit: Visit) -> None:
        self.cards += visit.cards
        self.counters += visit.counters
        self.meters += visit.meters
        self.refused += visit.refused
        self.naming |= visit.naming

    def sorted(self) -> Readings:
        return Readings(
            cards=tuple(sorted(self.cards, key=lambda one: (one.card, one.at))),
            counters=tuple(sorted(self.counters, key=lambda one: (one.pod, one.series, one.at))),
            meters=tuple(sorted(self.meters, key=lambda one: (one.budget, one.at))),
            refused=tuple(sorted(self.refused, key=_refused_order)),
        )


def _refused_order(one: Refused) -> tuple[Any, ...]:
    return one.source, one.target, one.reason
