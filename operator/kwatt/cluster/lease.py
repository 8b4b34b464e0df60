"""Leadership by a Lease: at most one process writes. Must not know what leaders do.

    every 2 s: read the record; take it when it is free, ours or expired; renew it when it is ours
    valid until 15 s after the *start* of the renewal that succeeded, on a clock that also runs while
        this process is stopped; others count 15 s from when they *saw* the renewal, which is later
    no renewal for 10 s, or somebody else in the record: the process dies, the Deployment restarts it

`require` is the gate before each write. It is passed to the Client that the writers use; the Lease
needs a Client of its own, without gate. `Terms.margin` must not be less than the writers' request time.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import socket
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NoReturn

from kwatt.cluster.answers import Body
from kwatt.cluster.client import REQUEST_SECONDS, Client
from kwatt.cluster.paths import LEASES
from kwatt.errors import Missing, Unavailable

_LOG = logging.getLogger(__name__)


class NotLeading(Unavailable):
    """The lease is not held for as long as a write may take."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Durations in seconds. A renewal and a write must both fit: renew < lease, margin < lease."""

    lease: float = 15.0
    renew: float = 10.0
    retry: float = 2.0
    attempt: float = 5.0
    margin: float = REQUEST_SECONDS


@dataclass(frozen=True, slots=True)
class Candidate:
    """Which Lease a process competes for, and under which name."""

    namespace: str
    name: str
    identity: str = field(default_factory=lambda: f"{socket.gethostname()}_{uuid.uuid4()}")


def running_clock() -> float:
    """Return seconds that pass also while the process is stopped or the machine suspended."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def die() -> NoReturn:
    """End this process at once: no clean-up may write anything any more."""
    os._exit(1)


class Lease:
    """One candidate. `run` it as a task; cancelling that releases the lease, so end the writers first."""

    def __init__(
        self,
        client: Client,
        candidate: Candidate,
        *,
        terms: Terms | None = None,
        die: Callable[[], None] = die,
        clock: Callable[[], float] = running_clock,
    ) -> None:
        self.epoch = 0  # counts acquisitions by this process
        self.leading = asyncio.Event()
        self._client = client
        self._candidate = candidate
        self._terms = terms or Terms()
        self._die = die
        self._clock = clock
        self._valid_until = -math.inf
        self._renewed_at = -math.inf
        self._record: Body = {}
        self._changed_at = -math.inf

    def valid(self, for_seconds: float = 0.0) -> bool:
        """Tell whether this process leads, and will for that long without another renewal."""
        return self._clock() + for_seconds < self._valid_until

    def require(self) -> None:
        """Raise NotLeading unless a write that begins now ends under this lease."""
        if not self.valid(self._terms.margin):
            left = max(0.0, self._valid_until - self._clock())
            raise NotLeading(
                0, f"the lease ends in {left:.1f} s, a write may take {self._terms.margin:g} s"
            )

    async def run(self) -> None:
        """Compete until cancelled; return only where `die` returns, in tests."""
        try:
            while not self._lost():  # asked first after each sleep, which a stop may have prolonged
                await self._attempt()
                await asyncio.sleep(0 if self._lost() else self._terms.retry)
            _LOG.critical("lease lost identity=%s epoch=%d", self._candidate.identity, self.epoch)
            self._die()
        finally:
            await self.release()

    async def release(self) -> None:
        """Give the lease back, so that the next leader need not wait; a failure costs only time."""
        held, self._valid_until = self.valid(), -math.inf
        self.leading.clear()
        if not held:
            return
        try:
            async with asyncio.timeout(self._terms.attempt):
                current = await self._client.get(self._path)
                if current["spec"].get("holderIdentity") == self._candidate.identity:
                    await self._client.replace(self._path, _released(current))
                    _LOG.info("lease released identity=%s", self._candidate.identity)
        except Exception as error:  # as when the rights went first: the next leader waits
            reason = error or type(error).__name__
            _LOG.warning("lease not released wait=%gs error=%s", self._terms.lease, reason)

    async def _attempt(self) -> None:
        begun = self._clock()
        try:
            async with asyncio.timeout(self._terms.attempt):
                held = await self._renew()
        except Exception as error:  # whatever went wrong, it is no renewal
            _LOG.warning("lease not renewed error=%s", error or type(error).__name__)
            return
        if held:
            self._acquired(begun)

    def _acquired(self, begun: float) -> None:
        # A stop between the request and here may have outlasted the lease.
        if self._clock() - begun >= self._terms.renew:
            return
        self._renewed_at = begun
        self._valid_until = begun + self._terms.lease
        if not self.leading.is_set():
            self.epoch += 1
            self.leading.set()
            _LOG.info("lease acquired identity=%s epoch=%d", self._candidate.identity, self.epoch)

    async def _renew(self) -> bool:
        """Return whether the record is ours now; note when another's record changes."""
        try:
            current = await self._client.get(self._path)
        except Missing:
            await self._client.create(LEASES.within(self._candidate.namespace), self._taken({}))
            return True
        if not self._free(current.get("spec") or {}):
            return False
        await self._client.replace(self._path, self._taken(current))
        return True

    def _free(self, record: Body) -> bool:
        if record != self._record:
            self._record, self._changed_at = record, self._clock()
        holder = record.get("holderIdentity") or ""
        if holder == self._candidate.identity or not holder:
            return True
        if self.leading.is_set():
            self._valid_until = -math.inf  # somebody took it: stop before anything else
            return False
        return self._clock() - self._changed_at > self._patience(record)

    def _patience(self, record: Body) -> float:
        """Another release may keep its lease for longer; nobody may keep us waiting for ever."""
        theirs = float(record.get("leaseDurationSeconds") or 0)
        return max(self._terms.lease, min(theirs, 4 * self._terms.lease))

    def _lost(self) -> bool:
        if not self.leading.is_set():
            return False
        return not self.valid() or self._clock() - self._renewed_at > self._terms.renew

    def _taken(self, current: Body) -> Body:
        record, now = current.get("spec") or {}, _micro_time()
        ours = record.get("holderIdentity") == self._candidate.identity
        changes = 0 if ours else 1
        spec = {
            "holderIdentity": self._candidate.identity,
            "leaseDurationSeconds": math.ceil(self._terms.lease),
            "acquireTime": record.get("acquireTime", now) if ours else now,
            "renewTime": now,
            "leaseTransitions": (record.get("leaseTransitions") or 0) + changes,
        }
        return self._manifest(current) | {"spec": spec}

    def _manifest(self, current: Body) -> Body:
        name, namespace = self._candidate.name, self._candidate.namespace
        metadata = current.get("metadata") or {"name": name, "namespace": namespace}
        return {"apiVersion": LEASES.api_version, "kind": LEASES.kind, "metadata": metadata}

    @property
    def _path(self) -> str:
        return LEASES.named(self._candidate.name, self._candidate.namespace)


def _released(current: Body) -> Body:
    transitions = current["spec"].get("leaseTransitions") or 0
    spec = {"holderIdentity": "", "leaseDurationSeconds": 1, "leaseTransitions": transitions}
    return {**current, "spec": {**spec, "renewTime": _micro_time()}}


def _micro_time() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
