"""Send many writes at once without harm: bounded, paced, and one failure stops no other.

It remembers failures per key only, in memory: a new leader tries everything afresh. What to write,
in which order of power, is decided elsewhere: everything in one `run` may happen at the same time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

from kwatt.cluster.answers import Body
from kwatt.cluster.backoff import Backoff, chance
from kwatt.cluster.client import Client
from kwatt.cluster.lease import NotLeading
from kwatt.cluster.tokens import Bucket
from kwatt.cluster.writes import Write, send
from kwatt.errors import ClusterError, Refused

FORGET_SECONDS: Final = 3600.0  # after the last failure of a key that nobody writes any more
_PORTION: Final = 50


class Request(NamedTuple):
    """One write. Failures are remembered under `key`, a NamedTuple such as a ServiceKey."""

    key: Hashable
    write: Write


@dataclass(frozen=True, slots=True)
class Applied:
    """The write succeeded; `body` is the API server's answer."""

    request: Request
    body: Body


@dataclass(frozen=True, slots=True)
class Failed:
    """The write failed, or was not `attempted` because its key failed a short while ago."""

    request: Request
    error: ClusterError
    retry_seconds: float
    attempted: bool = True


Outcome: TypeAlias = Applied | Failed


class Outdated(ClusterError):
    """What a write was decided by has changed; it was not sent."""


@dataclass(frozen=True, slots=True)
class Flow:
    """How much at once; `per_second` None lifts the rate limit. A refusal waits longer than a fault."""

    concurrency: int = 25
    per_second: float | None = 50.0
    burst: float = 100.0
    faults: Backoff = field(default_factory=lambda: Backoff(first=1.0, cap=300.0))
    refusals: Backoff = field(default_factory=lambda: Backoff(first=30.0, cap=300.0))


def portion(objects: int) -> int:
    """Return how many of many writes to send before the next cycle, where there are so many objects.

    Few, so that pods which can be released by then don't wait for all (see `run_some` for when none can);
    yet a cycle takes as long as there are objects, and must not be gone through more than 50 times for one
    write to each of them.
    """
    return max(_PORTION, objects // _PORTION)


class _Trouble(NamedTuple):
    failures: int
    due_at: float
    error: ClusterError


class Outbox:
    """Sends writes through one client. The client's gate decides whether any may be sent."""

    def __init__(
        self,
        client: Client,
        flow: Flow | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._flow = flow or Flow()
        self._clock = clock
        self._slots = asyncio.Semaphore(self._flow.concurrency)
        self._bucket = self._new_bucket()
        self._troubles: dict[Hashable, _Trouble] = {}
        self._under_way = 0
        self._closed = False
        self._idle = asyncio.Event()
        self._idle.set()

    async def close(self) -> None:
        """Send nothing any more, and return when all that was sent is answered or timed out."""
        self._closed = True
        await self._idle.wait()

    def due(self, key: Hashable, now: float | None = None) -> bool:
        """Tell whether a write under this key would be attempted."""
        trouble = self._troubles.get(key)
        return trouble is None or trouble.due_at <= (self._clock() if now is None else now)

    def forgive(self, key: Hashable) -> None:
        """Forget the failures of a key, because what it depends on has changed."""
        self._troubles.pop(key, None)

    async def run_some(
        self, requests: Sequence[Request], most: int, calm: Callable[[], bool]
    ) -> AsyncIterator[list[Outcome]]:
        """Send the first `most` that are due, then as many again and again as long as it is `calm`.

        Yields the outcomes of each portion; it ends early when one of them failed.
        """
        now = self._clock()
        waiting = [request for request in requests if not self.due(request.key, now)]
        due = [request for request in requests if self.due(request.key, now)]
        yield await self.run([*waiting, *due[:most]])
        for start in range(most, len(due), most):
            if not calm():
                return
            outcomes = await self.run(due[start : start + most])
            yield outcomes
            if any(isinstance(outcome, Failed) for outcome in outcomes):
                return

    async def run(
        self, requests: Sequence[Request], holds: Callable[[], bool] = lambda: True
    ) -> list[Outcome]:
        """Send all that are due and return one outcome per request, in their order.

        `holds` is asked right before each write: once it is false, the rest fails as Outdated.
        """
        self._forget_old()
        return list(await asyncio.gather(*(self._outcome(request, holds) for request in requests)))

    async def _outcome(self, request: Request, holds: Callable[[], bool]) -> Outcome:
        trouble, now = self._troubles.get(request.key), self._clock()
        if trouble is not None and trouble.due_at > now:
            return Failed(request, trouble.error, trouble.due_at - now, attempted=False)
        async with self._slots:
            if holds():  # else thousands would wait for their turn only to be dropped then
                await self._paced()
            if self._closed or not holds():
                return Failed(request, Outdated(0, "outdated"), 0.0, attempted=False)
            try:
                body = await self._sent(request.write)
            except ClusterError as error:
                return Failed(request, error, self._remembered(request.key, error))
        self.forgive(request.key)
        return Applied(request, body)

    async def _sent(self, write: Write) -> Body:
        self._under_way += 1
        self._idle.clear()
        try:
            return await send(self._client, write)
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()

    async def _paced(self) -> None:
        if self._bucket is not None:
            await asyncio.sleep(self._bucket.reserve(self._clock()))

    def _remembered(self, key: Hashable, error: ClusterError) -> float:
        """Note a failure and return its wait; a lost lease says nothing about the key."""
        if isinstance(error, NotLeading):
            return 0.0
        known = self._troubles.get(key)
        failures = known.failures + 1 if known else 1
        backoff = self._flow.refusals if isinstance(error, Refused) else self._flow.faults
        wait = backoff.seconds(failures, chance(), error.retry_after_seconds)
        self._troubles[key] = _Trouble(failures, self._clock() + wait, _without_frames(error))
        return wait

    def _forget_old(self) -> None:
        now = self._clock()
        self._troubles = {
            key: trouble
            for key, trouble in self._troubles.items()
            if now - trouble.due_at < FORGET_SECONDS
        }

    def _new_bucket(self) -> Bucket | None:
        if self._flow.per_second is None:
            return None
        return Bucket(self._flow.per_second, self._flow.burst, self._clock())


def _without_frames(error: ClusterError) -> ClusterError:
    """Return the error without where it was raised: those frames hold the whole write."""
    error.__traceback__ = error.__cause__ = error.__context__ = None
    return error
