"""What the last cycle made of each object, so that the next one pays only for what changed.

A memo never decides anything: with it and without it a cycle asks for the same writes.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Memo(Generic[Value]):
    """Values by key, each with the facts that it was made from; what a cycle does not ask for is forgotten."""

    def __init__(self) -> None:
        self._last: dict[Hashable, tuple[tuple[object, ...], Value]] = {}
        self._now: dict[Hashable, tuple[tuple[object, ...], Value]] = {}

    def turn(self) -> None:
        """Begin a cycle."""
        self._last, self._now = self._now, {}

    def value(self, key: Hashable, facts: tuple[object, ...], make: Callable[[], Value]) -> Value:
        """Return what was made from equal facts in the last cycle or this one, else `make()`."""
        known = self._now.get(key) or self._last.get(key)
        if known is None or known[0] != facts:
            known = (facts, make())
        self._now[key] = known
        return known[1]
