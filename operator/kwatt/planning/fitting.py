"""Bins for one service after the other: a replica goes where it leaves least free, and no hole grows old."""

from __future__ import annotations

from collections.abc import Iterable

from kwatt.planning.bins import Bins, NodePool, Piece
from kwatt.planning.closed import ClosedNodes
from kwatt.planning.layout import Ints


class FittingBins(Bins):
    """Bins that know at any time which open nodes have how many NPUs free."""

    def put(self, number: int, piece: Piece, count: int) -> None:
        """Put replicas on a node that takes them; a negative count takes them back."""
        super().put(number, piece, count)
        if count > 0:
            for pool in self._of_node.get(number, ()):
                pool.offer(number)

    def pool_over(self, nodes: Ints) -> NodePool:
        """Make a pool of some nodes."""
        return _FittingPool(self, nodes)


class _FittingPool(NodePool):
    """A pool with its open nodes by free NPUs; the order within is that in which they came."""

    def __init__(self, bins: Bins, nodes: Ints) -> None:
        super().__init__(bins, nodes)
        self._closed = ClosedNodes(bins, self.nodes)
        self._by_free: dict[int, dict[int, None]] = {}
        self._free: dict[int, int] = {}
        for number in self.nodes:
            self.offer(number)

    def offer(self, number: int) -> None:
        """Note that a node has more or less room than before, or became open or closed."""
        super().offer(number)
        free = self.bins.npus[number] if self.bins.is_open(number) else 0
        before = self._free.get(number, 0)
        if free == before:
            return
        if before > 0:
            del self._by_free[before][number]
        self._free[number] = free
        if free > 0:
            self._by_free.setdefault(free, {})[number] = None

    def open_nodes(self, piece: Piece) -> Iterable[tuple[int, int]]:
        """Yield open nodes that take a piece, those with least free first, while the caller fills them."""
        for free in sorted(free for free in self._by_free if free >= piece.npus):
            for number in list(self._by_free[free]):
                most = self.bins.fits(number, piece)
                if most:
                    yield number, most
