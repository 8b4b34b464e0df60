"""How much our own objects hold: what came and went must leave nothing behind."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping

_COLLECTIONS = (list, tuple, set, frozenset, deque)


def entries(root: object) -> int:
    """Count the entries of all collections that KWatt's objects below `root` hold, libraries left out."""
    seen: set[int] = set()
    waiting, total = [root], 0
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, Mapping):
            total += len(one)
            waiting += [*one.keys(), *one.values()]
        elif isinstance(one, _COLLECTIONS):
            total += len(one)
            waiting += one
        elif type(one).__module__.startswith("kwatt."):
            waiting += _attributes(one)
    return total


def _attributes(one: object) -> Iterator[object]:
    yield from getattr(one, "__dict__", {}).values()
    for kind in type(one).__mro__:
        for name in getattr(kind, "__slots__", ()):
            yield getattr(one, name, None)
