"""The nodes that admit some pods, in the order in which replicas are put on them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from kwatt.planning.closed import ClosedNodes
from kwatt.planning.layout import UNLIMITED, Ints

if TYPE_CHECKING:
    from kwatt.planning.bins import Bins, Piece

_NOTHING: Final = -2 * UNLIMITED  # what any node has, however overcommitted it is


class NodePool:
    """The nodes that admit some pods: the open ones by size of replica, the closed ones by cost."""

    def __init__(self, bins: Bins, nodes: Ints) -> None:
        self.bins = bins
        self.nodes: list[int] = nodes.tolist()
        self._by_size: dict[int, _Stack] = {}
        self._closed: ClosedNodes | None = None

    def offer(self, number: int) -> None:
        """Note that a node has more room than before, or became open or closed."""
        if self._closed is not None:
            self._closed.note(number)
        if self.bins.is_open(number):
            npus = self.bins.npus[number]
            for size, stack in self._by_size.items():
                if npus >= size:
                    stack.push(number)

    def open_nodes(self, piece: Piece) -> Iterable[tuple[int, int]]:
        """Yield open nodes that take a piece, and how many, while the caller fills them."""
        stack = self._by_size.get(piece.npus)
        if stack is None:
            bins = self.bins
            usable = [n for n in self.nodes if bins.npus[n] >= piece.npus and bins.is_open(n)]
            usable.sort(key=lambda n: (bins.npus[n], n))
            stack = self._by_size[piece.npus] = _Stack(usable)
        return stack.nodes_for(self.bins, piece)

    def next_closed(self, piece: Piece, missing: int) -> int | None:
        """Return the node to open next for so many replicas, None where none takes any."""
        if self._closed is None:
            self._closed = ClosedNodes(self.bins, self.nodes)
        return self._closed.next(piece, missing)


class _Stack:
    """Open nodes with room for replicas of one size; entries may be out of date."""

    def __init__(self, nodes: list[int]) -> None:
        self._nodes = nodes
        self._known = set(nodes)

    def push(self, number: int) -> None:
        if number not in self._known:
            self._known.add(number)
            self._nodes.append(number)

    def nodes_for(self, bins: Bins, piece: Piece) -> Iterable[tuple[int, int]]:
        nodes, place, npus = self._nodes, 0, piece.npus
        cpu, memory = piece.cpu or _NOTHING, piece.memory or _NOTHING
        while place < len(nodes):
            number = nodes[place]
            if bins.npus[number] < npus or not bins.is_open(number):
                self._known.discard(number)
                nodes[place] = nodes[-1]
                nodes.pop()
                continue
            if bins.cpu[number] >= cpu and bins.memory[number] >= memory:
                count = bins.fits(number, piece)
                if count:
                    yield number, count
            place += 1
