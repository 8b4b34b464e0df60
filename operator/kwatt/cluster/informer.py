"""Keep a store true to one resource: list, watch, list again. Never writes, keeps no bodies.

    list ──► watch until the next list is due ──► list ...
              │ closed, silent, 429, 5xx: watch again from the last version, after a back-off
              └ 410, or three failures in a row: list again

A watch alone loses deletions that happen while it is down for longer than the server's history, so
every list is compared with what was known.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn, Protocol

from kwatt.cluster.answers import Body, Expired
from kwatt.cluster.backoff import Backoff, chance
from kwatt.cluster.client import PAGE, Client
from kwatt.cluster.ledger import Ledger, sighting_of, version_number
from kwatt.errors import ClusterError, Missing, Unavailable

_LOG = logging.getLogger(__name__)
_FAILURES_UNTIL_LIST = 3

Served = Callable[[bool], None]


class Target(Protocol):
    """Who keeps the parsed values; an exception costs only the one object, until the next list."""

    def take(self, event_type: str, body: Body) -> None:
        """Accept a newer body: ADDED, MODIFIED or DELETED."""

    def forget(self, uid: str) -> None:
        """Drop an object that a list no longer holds."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often to list, how long to wait between attempts, how much to read at once."""

    list_seconds: float = 300.0
    backoff: Backoff = field(default_factory=Backoff)
    page: int = PAGE
    absent_seconds: float = 30.0  # between two questions for a kind that is not served
    second_seconds: float = 30.0  # between the first list and the second, where others watch


class Informer:
    """Feeds one target from one resource.

    With `watch=False` it only lists; then somebody else (kopf) watches and passes what it sees to
    `offer`, which sorts out what is old. Where that watch has lost its place, kopf lists anew and never
    says what is gone; it is told by an object that kopf lists though it knew it. Then this lists too. So it
    does when kopf first tells anything, and soon after its own first list in case kopf's list was empty:
    what was deleted between the two lists, nobody else would ever say.
    """

    def __init__(
        self,
        client: Client,
        path: str,
        target: Target,
        *,
        selector: str | None = None,
        watch: bool = True,
        pace: Pace | None = None,
    ) -> None:
        self.path = path
        self.synced = asyncio.Event()
        self.last_listed: float | None = None
        self.last_error: ClusterError | None = None
        self._client = client
        self._target = target
        self._selector = selector
        self._watch = watch
        self._pace = pace or Pace()
        self._ledger = Ledger()
        self._version: str | None = None  # where to go on watching; None: list first
        self._caught_up = 0
        self._list_at = -math.inf
        self._failures = 0
        self._heard = False  # whether the watch of somebody else has passed on anything yet
        self._told: set[str] = set()  # uids that the watch of somebody else has passed on
        self._lost_place = asyncio.Event()

    @property
    def drift(self) -> int:
        """Return how many deletions were found by listing and never announced by an event."""
        return self._ledger.drift

    @property
    def version(self) -> int:
        """Return up to which version every change is known, 0 while that has to be found by listing."""
        return max(version_number(self._version), self._caught_up)

    async def catch_up(self) -> None:
        """List once beside the watch, so that `version` names this moment. Deletions come by the watch."""
        version = ""
        pages = self._client.list_pages(
            self.path, limit=self._pace.page, labelSelector=self._selector
        )
        async for page in pages:
            version = page.version if page.first else version
            for body in page.items:
                self.offer("ADDED", body)
        self._caught_up = version_number(version)

    def __len__(self) -> int:
        return len(self._ledger)

    def offer(self, event_type: str | None, body: Body) -> None:
        """Pass an event on if it is news; kopf calls what it lists None."""
        seen = sighting_of(body)
        if not self._watch:
            self._note_told(event_type, seen.uid)
        if event_type == "DELETED":
            if self._ledger.remove(seen, time.monotonic()):
                self._hand(event_type, body)
        elif self._ledger.put(seen):
            self._hand(event_type or "ADDED", body)

    def _note_told(self, event_type: str | None, uid: str) -> None:
        if not self._heard or (event_type is None and uid in self._told):
            self._told.clear()  # so that the rest of the same list is no further reason
            self._lost_place.set()
        self._heard = True
        if event_type == "DELETED":
            self._told.discard(uid)
        else:
            self._told.add(uid)

    async def run(self) -> NoReturn:
        """Follow the resource until cancelled, whatever the API server does."""
        while True:
            begun = time.monotonic()
            wait = self._pace.backoff.first
            try:
                await self._step()
            except ClusterError as error:
                wait = self._failed(error)
            except ValueError as error:  # a body that is no object
                wait = self._failed(Unavailable(0, str(error)))
            floor = begun + self._pace.backoff.first - time.monotonic()
            await asyncio.sleep(wait if self._failures else max(floor, 0.0))

    async def _step(self) -> None:
        if self._version is None or time.monotonic() >= self._list_at or self._lost_place.is_set():
            self._lost_place.clear()
            await self._list()
        remaining = self._list_at - time.monotonic()
        if self._watch:
            await self._follow(max(1, math.ceil(remaining)))
        else:
            self._failures = 0
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, remaining)):
                    await self._lost_place.wait()

    async def _list(self) -> None:
        self._list_at = time.monotonic() + self._pace.backoff.cap  # if this one fails
        scan = self._ledger.scan(time.monotonic())
        pages = self._client.list_pages(
            self.path, limit=self._pace.page, labelSelector=self._selector
        )
        version = ""
        async for page in pages:
            if page.first:
                version = page.version
                scan.open(version_number(version))
            for body in page.items:
                if scan.put(sighting_of(body)):
                    self._hand("ADDED", body)
            await asyncio.sleep(0)
        for uid in scan.close(time.monotonic()):
            self._target.forget(uid)
        self._listed(version)

    def _listed(self, version: str) -> None:
        # Going on from the older version announces the deletions between watch and list, so that only
        # those that no event ever told count as drift.
        if self._version is None or version_number(version) < version_number(self._version):
            self._version, self._caught_up = version, 0
        soon = not self._watch and self.last_listed is None
        seconds = self._pace.second_seconds if soon else self._pace.list_seconds
        self.last_listed = time.monotonic()
        self._list_at = self.last_listed + min(seconds, self._pace.list_seconds) * (
            0.8 + 0.4 * chance()
        )
        self.synced.set()

    async def _follow(self, seconds: int) -> None:
        events = self._client.watch(
            self.path, self._version or "", seconds, labelSelector=self._selector
        )
        begun, heard = time.monotonic(), False
        async with contextlib.aclosing(events):
            async for event in events:
                if event.type != "BOOKMARK":
                    self.offer(event.type, event.body)
                self._version = event.body["metadata"].get("resourceVersion") or self._version
                self._failures, heard = 0, True
        if not heard and time.monotonic() - begun < min(seconds, self._pace.backoff.cap) / 2:
            raise Unavailable(0, f"watch {self.path}: closed at once")
        self._failures = 0

    def _failed(self, error: ClusterError) -> float:
        """Decide where to go on, and return after how many seconds."""
        self._failures += 1
        self.last_error = error
        if isinstance(error, Expired) or self._failures % _FAILURES_UNTIL_LIST == 0:
            self._version = None
        wait = self._pace.backoff.seconds(self._failures, chance(), error.retry_after_seconds)
        _LOG.warning(
            "watch path=%s failures=%d wait=%.1fs error=%s", self.path, self._failures, wait, error
        )
        return wait

    def _hand(self, event_type: str, body: Body) -> None:
        try:
            self._target.take(event_type, _apart(body))
        except Exception:  # one object must not stop the others
            uid = body["metadata"]["uid"]
            self._ledger.retract(uid)
            _LOG.exception("take path=%s type=%s uid=%s", self.path, event_type, uid)


def _apart(body: Body) -> Body:
    """Return an equal body with memory of its own.

    A name that is kept of an object in a list of thousands keeps the memory pool that it lies in, and so
    together they keep the whole list: a hundred MiB with 10,000 services.
    """
    copy: Body = json.loads(json.dumps(body))
    return copy


class OptionalInformer(Informer):
    """Feeds one target from a resource that the API server may not serve, now or later.

    While it does not, nothing is known, and now and then a list asks again; `served` is told either way.
    """

    def __init__(
        self,
        client: Client,
        path: str,
        target: Target,
        *,
        served: Served,
        selector: str | None = None,
        pace: Pace | None = None,
    ) -> None:
        super().__init__(client, path, target, selector=selector, pace=pace)
        self._served = served
        self._misses = 0

    async def _step(self) -> None:
        try:
            await super()._step()
        except Missing:
            self._missed()
            await asyncio.sleep(self._pace.absent_seconds)

    def _listed(self, version: str) -> None:
        self._misses = 0
        self._served(True)
        super()._listed(version)

    def _missed(self) -> None:
        """Note that it is not served; where it was, only the second time: one answer restarts no pod."""
        self._misses += 1
        self._version, self._caught_up, self._failures = None, 0, 0
        self.last_listed = time.monotonic()
        if self._misses > 1 or not self.synced.is_set():
            for uid in self._ledger.clear():
                self._target.forget(uid)
            self._served(False)
        self.synced.set()
