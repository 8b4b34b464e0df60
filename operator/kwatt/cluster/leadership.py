"""A Lease renewed in a thread of its own: however long the event loop is busy, leadership is not lost by it.

thread "lease"                          event loop
connects, competes, renews every 2 s    waits for `leading`; asks `require` before each write
lost: the process dies at once          run() cancelled: released, but only after the writers ended
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable

from kubernetes.aio.client import Configuration

from kwatt.cluster.client import Client, OnRequest
from kwatt.cluster.lease import Candidate, Lease, NotLeading, Terms


class Leadership:
    """One candidate with its own connection. `run` it as a task; cancelling that releases the Lease.

    `connect` says where the API server is; it is called in the thread. `on_request` must be thread-safe.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[Configuration]],
        candidate: Candidate,
        *,
        on_request: OnRequest | None = None,
        terms: Terms | None = None,
    ) -> None:
        self.leading = asyncio.Event()
        self._connect = connect
        self._candidate = candidate
        self._on_request = on_request
        self._terms = terms
        self._lease: Lease | None = None
        self._cancel: Callable[[], object] = lambda: None
        self._stopping = threading.Event()
        self._error: BaseException | None = None

    def require(self) -> None:
        """Raise NotLeading unless a write that begins now ends under the Lease."""
        if self._lease is None:
            raise NotLeading(0, "the lease was not asked for yet")
        self._lease.require()

    async def run(self) -> None:
        """Compete until cancelled; raise what kept the thread from competing."""
        ended, loop = asyncio.Event(), asyncio.get_running_loop()
        threading.Thread(target=self._work, args=(loop, ended), name="lease", daemon=True).start()
        try:
            await ended.wait()
        finally:
            self._stopping.set()
            with contextlib.suppress(RuntimeError):  # the thread's loop has ended already
                self._cancel()
            await ended.wait()
        if self._error is not None:
            raise self._error

    def _work(self, loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
        try:
            with contextlib.suppress(asyncio.CancelledError):
                asyncio.run(self._compete(loop))
        except BaseException as error:  # it is raised where the thread was started
            self._error = error
        finally:
            loop.call_soon_threadsafe(ended.set)

    async def _compete(self, loop: asyncio.AbstractEventLoop) -> None:
        async with Client(await self._connect(), on_request=self._on_request) as client:
            self._lease = lease = Lease(client, self._candidate, terms=self._terms)
            running, own = asyncio.create_task(lease.run()), asyncio.get_running_loop()
            self._cancel = lambda: own.call_soon_threadsafe(running.cancel)
            if self._stopping.is_set():  # it may have been just before there was anything to cancel
                running.cancel()
            telling = asyncio.create_task(self._tell(lease, loop))
            await running
            telling.cancel()

    async def _tell(self, lease: Lease, loop: asyncio.AbstractEventLoop) -> None:
        await lease.leading.wait()
        loop.call_soon_threadsafe(self.leading.set)
