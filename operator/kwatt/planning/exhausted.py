"""Sizes of replicas that no closed node takes: known without a look at all of them until enough was freed.

A closed node holds nothing, so it takes a replica that it did not take before only once it is closed
anew, or watts are freed under a budget that was short of them. Both leave an entry in the log of the bins.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from kwatt.planning.bins import Piece
    from kwatt.planning.fitting import FittingBins

_MOST_KNOWN: Final = 16  # sizes of a pool, those looked at last
_MOST_FREED: Final = 512  # entries of a log that are kept: of more, rather all nodes are looked at

_Size = tuple[int, int, int, int]


class FreedNodes:
    """The log of the bins: nodes on which anything was freed, numbered from 0; only the last are kept."""

    def __init__(self) -> None:
        self._last: deque[int] = deque(maxlen=_MOST_FREED)
        self.next = 0

    def append(self, number: int) -> None:
        """Note a node."""
        self._last.append(number)
        self.next += 1

    def since(self, place: int) -> Sequence[int] | None:
        """Return the nodes from a place on, None where some of them are forgotten."""
        count = self.next - place
        return list(islice(reversed(self._last), count)) if count <= len(self._last) else None


class _Known(NamedTuple):
    """At this place in the log no closed node took a replica; `short` are wide budgets that lacked watts."""

    place: int
    short: frozenset[int]


class Exhausted:
    """What is known of the closed nodes of one pool, whose domains are `domains`."""

    def __init__(self, bins: FittingBins, domains: Iterable[int], opening: int) -> None:
        """Know nothing yet; `opening` is the most that opening a node of the pool costs, in milliwatts."""
        self._bins, self._domains, self._opening = bins, frozenset(domains), opening
        self._known: dict[_Size, _Known] = {}

    def note(self, piece: Piece) -> None:
        """Note that no closed node takes a replica now."""
        size, least = _size(piece), self._opening + piece.unit
        short = frozenset(b for b in self._bins.wide_budgets if self._bins.room[b] < least)
        self._known.pop(size, None)
        self._known[size] = _Known(self._bins.log.next, short)
        if len(self._known) > _MOST_KNOWN:
            del self._known[next(iter(self._known))]

    def is_known(self, piece: Piece, takes: Callable[[int], bool]) -> bool:
        """Tell whether it is known that no closed node takes a replica.

        `takes` tells whether any closed node of a domain does; it is asked about few domains.
        """
        known = self._known_for(_size(piece))
        freed = self._bins.log.since(known.place) if known else None
        if known is None or freed is None:
            return False
        if any(takes(domain) for domain in self._touched(known, freed)):
            return False
        self.note(piece)
        return True

    def _known_for(self, size: _Size) -> _Known | None:
        """Return what is known of replicas as small or smaller, the latest first."""
        smaller = (
            known
            for other, known in self._known.items()
            if all(one <= more for one, more in zip(other, size, strict=True))
        )
        return max(smaller, key=lambda known: known.place, default=None)

    def _touched(self, known: _Known, nodes: Iterable[int]) -> Iterable[int]:
        """Return the domains of the pool that may have more watts or nodes since `nodes` were freed."""
        bins = self._bins
        freed = {bins.cells[number] for number in nodes}
        for budget in known.short:
            under = bins.wide_budgets[budget]
            if not freed.isdisjoint(under):
                return sorted(self._domains)
        return sorted(freed & self._domains)


def _size(piece: Piece) -> _Size:
    return piece.npus, piece.unit, piece.cpu, piece.memory
