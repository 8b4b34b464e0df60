"""Do long pure work in a thread, so that the event loop renews the Lease and answers probes meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Callable, Iterator
from typing import Final, ParamSpec, TypeVar

Given = ParamSpec("Given")
Value = TypeVar("Value")
_FROM_SERVICES: Final = 50  # the work of fewer is done before a thread has started


async def aside(
    services: int, work: Callable[Given, Value], *args: Given.args, **kwargs: Given.kwargs
) -> Value:
    """Return `work(*args, **kwargs)`, which takes the longer the more `services` there are.

    It must not touch what the event loop changes meanwhile.
    """
    if services < _FROM_SERVICES:
        return work(*args, **kwargs)
    with _uncollected():
        return await asyncio.to_thread(work, *args, **kwargs)


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Hold the garbage collector off, as `kwatt plan` does: a cycle makes many objects, hardly a circle."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
