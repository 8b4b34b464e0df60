"""Closed nodes: which to open next. Where budgets bind, the one whose budgets have most watts per NPU.

Then no budget runs out of watts while its nodes have NPUs left, nor the other way round.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kwatt.planning.bins import Bins, Piece

_Key = tuple[int, int, int]  # cost per NPU, less the watts left per NPU, domain
_UNBOUNDED = 2**62  # no budget has so much left
_MOST_LOOKED_AT = 4  # closed nodes of one domain, which mostly are alike
_TOLERANCE = 64  # a domain whose watts per NPU changed by less than this part is as good as before


class ClosedNodes:
    """The nodes of a pool that opening costs idle watts for, by the budgets over them; spare ones apart."""

    def __init__(self, bins: Bins, nodes: list[int]) -> None:
        self._bins = bins
        self._domain = bins.cells
        self._costs: list[int] = bins.layout.opening.tolist()
        self._closed: dict[int, list[tuple[int, int, int]]] = {}  # each, the larger node first
        self._npus: dict[int, int] = {}
        self._opening: dict[int, int] = {}
        self._promised: dict[int, int] = {}
        self._members = set(nodes)
        self._known: set[int] = set()
        self._heap: list[_Key] = []
        self._dead: list[int] = []  # domains without watts for any piece so far
        self._dead_since = (0, 0)  # what was freed by then, and the least unit that was asked for
        costly = [number for number in nodes if bins.opening[number]]
        self._by_cost = sorted(nodes, key=lambda number: (self._costs[number], number))
        self._alike = len({(bins.opening[n], bins.npus[n]) for n in costly}) <= 1
        for number in costly:
            self.note(number)

    def note(self, number: int) -> None:
        """Note that a node became open or closed."""
        is_closed = not self._bins.is_open(number)
        if is_closed == (number in self._known):
            return
        if is_closed:
            self._close(number)
            heapq.heappush(self._heap, self._key(self._domain[number]))
        else:
            self._known.discard(number)
            self._count(number, -1)

    def _close(self, number: int) -> None:
        bins = self._bins
        self._known.add(number)
        self._count(number, 1)
        each = bins.opening[number] * 1024 // max(1, bins.npus[number])
        each += bins.surcharges[number] * 1024
        entry = each, -bins.npus[number], number
        heapq.heappush(self._closed.setdefault(self._domain[number], []), entry)

    def _count(self, number: int, sign: int) -> None:
        """Add what a node that is closed has to that of its domain, or take it away."""
        bins, domain = self._bins, self._domain[number]
        size = bins.layout.nodes[number].npus_allocatable
        self._npus[domain] = self._npus.get(domain, 0) + sign * size
        self._opening[domain] = self._opening.get(domain, 0) + sign * self._costs[number]
        promised = sign * bins.planned[number]
        self._promised[domain] = self._promised.get(domain, 0) + promised

    def next(self, piece: Piece, missing: int) -> int | None:
        """Return the node that costs least to open for each NPU, a small one for a small rest.

        Of equal ones it is the one whose budgets have most watts per NPU.
        """
        found: int | None = None
        passed: list[_Key] = []
        known: dict[int, _Key] = {}  # a domain may be in the heap many times
        self._revive(piece)
        while self._heap and found is None:
            key = heapq.heappop(self._heap)
            domain = key[-1]
            if (passed and passed[-1][-1] == domain) or self._first(domain) is None:
                continue
            fresh = known.get(domain) or known.setdefault(domain, self._key(domain))
            if not _is_as_good(fresh, key):
                heapq.heappush(self._heap, fresh)
                continue
            if self._watts(domain) < self._dead_since[1]:
                self._dead.append(domain)
                continue
            passed.append(fresh)
            found = self._fitting(domain, piece)
        for key in passed:
            heapq.heappush(self._heap, key)
        if found is None or self._alike or self._bins.fits(found, piece) <= missing:
            return found
        return self._small(piece, missing, found)

    def _revive(self, piece: Piece) -> None:
        """Look at dead domains again once anything was freed, or a smaller piece comes."""
        freed, unit = self._dead_since
        if freed != self._bins.freed or piece.unit < unit or not unit:
            least = min(unit, piece.unit) if unit else piece.unit
            self._dead_since = self._bins.freed, least
            dead, self._dead = self._dead, []
            for domain in dead:
                if self._first(domain) is None:
                    continue
                if self._watts(domain) < least:
                    self._dead.append(domain)
                else:
                    heapq.heappush(self._heap, self._key(domain))

    def _watts(self, domain: int) -> int:
        """Return the milliwatts that are left once the cheapest node of a domain is open."""
        first = self._closed[domain][0][-1]
        return self._room(first, self._bins.opening[first])

    def _room(self, number: int, opening: int) -> int:
        """Return the milliwatts that the budgets over a node have left after `opening`, or _UNBOUNDED."""
        bins, left = self._bins, _UNBOUNDED
        room = bins.room
        for budget in bins.plain[number]:
            left = min(left, room[budget])
        for budget in bins.off[number]:
            left = min(left, room[budget] - opening)
        return left

    def _fitting(self, domain: int, piece: Piece) -> int | None:
        """Return the cheapest node of a domain that takes a piece; nodes of a domain mostly are alike."""
        closed = self._closed[domain]
        if closed[0][-1] in self._known and self._bins.fits(closed[0][-1], piece):
            return closed[0][-1]
        for _, _, number in heapq.nsmallest(_MOST_LOOKED_AT, closed)[1:]:
            if number in self._known and self._bins.fits(number, piece):
                return number
        return None

    def _small(self, piece: Piece, missing: int, found: int) -> int:
        """Return the node that is cheapest to open of those that take all that is missing, as `found` does."""
        bins, needed = self._bins, missing * piece.npus
        without: set[tuple[int, int]] = (
            set()
        )  # domains without the watts, by what opening costs there
        for number in self._by_cost:
            if number == found:
                break
            if bins.npus[number] < needed or number not in self._known:
                continue
            place = self._domain[number], self._costs[number]
            if place in without:
                continue
            if not self._has_watts(number, missing * piece.unit):
                without.add(place)
            elif bins.fits(number, piece) >= missing:
                return number
        return found

    def _has_watts(self, number: int, milliwatts: int) -> bool:
        """Tell whether the budgets over a closed node have so much left once it is open."""
        room, plain, off = self._bins.room, self._bins.plain[number], self._bins.off[number]
        opened = milliwatts + self._costs[number]
        return all(room[b] >= milliwatts for b in plain) and all(room[b] >= opened for b in off)

    def _first(self, domain: int) -> int | None:
        """Return the cheapest node of a domain, after dropping what is open by now."""
        closed = self._closed[domain]
        while closed and closed[0][-1] not in self._known:
            heapq.heappop(closed)
        return closed[0][-1] if closed else None

    def _key(self, domain: int) -> _Key:
        first = self._first(domain)
        if first is None:
            return 0, 0, domain
        left = self._room(first, self._opening[domain])
        others = self._bins.promised_at(first) - self._promised[domain]
        left = (0 if left == _UNBOUNDED else left) - others
        return self._closed[domain][0][0], -(left // max(1, self._npus[domain])), domain


def _is_as_good(fresh: _Key, old: _Key) -> bool:
    return fresh[0] == old[0] and abs(fresh[1] - old[1]) * _TOLERANCE <= abs(old[1])
