"""In words, why there is no fresh figure: for how long, of how many NPUs, and what was refused there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from kwatt.energy.account import Known
from kwatt.energy.holdings import Holdings, PoolKey
from kwatt.model.measurements import Loss
from kwatt.model.telemetry import Refused


class Lost(NamedTuple):
    """One word and a sentence."""

    loss: Loss
    message: str


class Telling:
    """Remembers what was refused last of each pool, class and budget."""

    def __init__(self) -> None:
        self._pools: dict[PoolKey, Refused] = {}
        self._classes: dict[str, Refused] = {}  # where one server tells of all their nodes
        self._budgets: dict[str, Refused] = {}

    def hear(self, refused: Iterable[Refused]) -> None:
        """Remember refusals by whose they would have been."""
        for one in refused:
            if one.node is not None and one.npu_class is not None:
                self._pools[PoolKey(one.node, one.npu_class)] = one
            elif one.npu_class is not None:
                self._classes[one.npu_class] = one
            elif one.budget is not None:
                self._budgets[one.budget] = one

    def forget(self, holdings: Holdings, read: Iterable[PoolKey]) -> None:
        """Drop refusals of pools and classes that are gone, or were read since."""
        again = set(read)
        silent = {key.npu_class for key in holdings.pools} - {key.npu_class for key in again}
        self._classes = {name: one for name, one in self._classes.items() if name in silent}
        self._pools = {
            key: one
            for key, one in self._pools.items()
            if key in holdings.pools and key not in again
        }
        self._budgets = {
            name: one for name, one in self._budgets.items() if name in holdings.budgets
        }

    def lost(self, known: Known, lost_ms: int, budget: str | None = None) -> Lost | None:
        """Say what is lost, None where nothing is."""
        if len(known.scopes) > 1:
            scopes = ", ".join(sorted(known.scopes))
            return Lost(Loss.SCOPES_DIFFER, f"watts are of different scopes ({scopes})")
        if not lost_ms:
            return None
        why = self._why(known, budget)
        if known.read:
            missing = f"{known.npus - known.read} of {known.npus} NPUs"
            return Lost(Loss.PARTLY_READ, f"no watts of {missing} for {age(lost_ms)}{why}")
        return Lost(Loss.STALE, f"no watts for {age(lost_ms)}{why}")

    def never_read(self, known: Known) -> Lost | None:
        """Say why the NPUs of an object were never read, None where nobody has tried."""
        if not any(self._refused(key) for key in known.unread):
            return None
        return Lost(Loss.NEVER_READ, f"no watts were ever read{self._why(known, None)}")

    def _why(self, known: Known, budget: str | None) -> str:
        if budget in self._budgets:
            one = self._budgets[budget]
            return f" ({one.target}: {one.reason}: {one.message})"
        first = next(filter(None, map(self._refused, known.unread)), None)
        if first is not None:
            return f" ({first.target}: {first.reason}: {first.message})"
        return f" (node {known.unread[0].node})" if known.unread else ""

    def _refused(self, key: PoolKey) -> Refused | None:
        return self._pools.get(key) or self._classes.get(key.npu_class)


def age(milliseconds: int) -> str:
    """Render an age: seconds below two minutes, then minutes, then hours."""
    seconds = milliseconds // 1000
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"
