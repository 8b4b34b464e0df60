"""Bins for one service after the other: a replica goes where it leaves least free, and no hole grows old."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping

from kwatt.planning.bins import Bins, Piece
from kwatt.planning.closed import ClosedNodes
from kwatt.planning.exhausted import Exhausted, FreedNodes
from kwatt.planning.layout import UNLIMITED, Ints, Layout
from kwatt.planning.ledger import Ledger
from kwatt.planning.node_pool import NodePool


class FittingBins(Bins):
    """Bins that know at any time which open nodes have how many NPUs free."""

    def __init__(self, layout: Layout, ledger: Ledger) -> None:
        super().__init__(layout, ledger)
        self._fitting: list[_FittingPool] = []  # as the pools are numbered
        self.log = FreedNodes()
        self.wide_budgets = _wide_budgets(self)

    def put(self, number: int, piece: Piece, count: int) -> None:
        """Put replicas on a node that takes them; a negative count takes them back."""
        super().put(number, piece, count)
        if count < 0:
            self.log.append(number)
        else:
            for pool in self._of_node.get(number, ()):
                pool.offer(number)

    def _use(self, number: int, more: int, opening: int) -> None:
        super()._use(number, more, opening)
        self.log.append(number)

    def pool_over(self, nodes: Ints) -> NodePool:
        """Make a pool of some nodes."""
        pool = _FittingPool(self, nodes)
        self._fitting.append(pool)
        return pool

    def sparsest(self, pool: int, most: int) -> list[int]:
        """Return the open nodes of a pool that have most NPUs free, and that opening cost idle watts for."""
        return self._fitting[pool].sparsest(most)

    def has_holes(self, pool: int, number: int, sizes: Mapping[int, int]) -> bool:
        """Tell whether open nodes but one have the NPUs for so many replicas of each size, by size."""
        return self._fitting[pool].has_holes(self.npus[number], sizes)


def _wide_budgets(bins: Bins) -> Mapping[int, frozenset[int]]:
    """Return the domains under each budget that is over more than one."""
    under: dict[int, set[int]] = {}
    for cell, plain, off in zip(bins.cells, bins.plain, bins.off, strict=True):
        for budget in (*plain, *off):
            under.setdefault(budget, set()).add(cell)
    return {budget: frozenset(cells) for budget, cells in under.items() if len(cells) > 1}


class _FittingPool(NodePool):
    """A pool with its open nodes by free NPUs; the order within is that in which they came."""

    def __init__(self, bins: FittingBins, nodes: Ints) -> None:
        super().__init__(bins, nodes)
        self._closed = _SortedClosedNodes(bins, self.nodes)
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
            self._forget(number, before)
        self._free[number] = free
        if free > 0:
            self._by_free.setdefault(free, {})[number] = None

    def _forget(self, number: int, free: int) -> None:
        del self._by_free[free][number]
        if not self._by_free[free]:
            del self._by_free[free]

    def open_nodes(self, piece: Piece) -> Iterable[tuple[int, int]]:
        """Yield open nodes that take a piece, those with least free first, while the caller fills them."""
        for free in sorted(free for free in self._by_free if free >= piece.npus):
            for number in list(self._by_free.get(free, ())):
                most = self.bins.fits(number, piece)
                if most:
                    yield number, most

    def sparsest(self, most: int) -> list[int]:
        """Return the open nodes with most NPUs free, and that opening cost idle watts for."""
        found: list[int] = []
        for free in sorted(self._by_free, reverse=True):
            found += [n for n in self._by_free[free] if self.bins.opening[n]][: most - len(found)]
            if len(found) == most:
                break
        return found

    def has_holes(self, without: int, sizes: Mapping[int, int]) -> bool:
        """Tell whether the open nodes, without one that has so many NPUs free, have NPUs for replicas.

        Those of each size fill up nodes with replicas of it or larger ones: exact where sizes divide
        each other.
        """
        holes = {free: len(nodes) for free, nodes in self._by_free.items()}
        holes[without] = holes.get(without, 0) - 1
        needed = 0
        for npus in sorted(sizes, reverse=True):
            needed += npus * sizes[npus]
            if sum(free // npus * npus * count for free, count in holes.items()) < needed:
                return False
        return True


class _SortedClosedNodes(ClosedNodes):
    """Closed nodes sorted by what opening them costs, so that a small rest need not look at all of them."""

    def __init__(self, bins: FittingBins, nodes: list[int]) -> None:
        self._ascending: list[tuple[int, int]] = []
        opening = max((int(bins.layout.opening[number]) for number in nodes), default=0)
        self._exhausted = Exhausted(bins, {bins.cells[number] for number in nodes}, opening)
        super().__init__(bins, nodes)

    def next(self, piece: Piece, missing: int) -> int | None:
        """Return the node to open next, None at once where it is known that none takes a replica."""

        def takes(domain: int) -> bool:
            if domain not in self._closed or self._first(domain) is None:
                return False
            return self._fitting(domain, piece) is not None

        if self._exhausted.is_known(piece, takes):
            return None
        found = super().next(piece, missing)
        if found is None:
            self._exhausted.note(piece)
        return found

    def note(self, number: int) -> None:
        """Note that a node became open or closed."""
        before = number in self._known
        super().note(number)
        if (number in self._known) == before:
            return
        entry = self._costs[number], number
        if before:
            del self._ascending[bisect_left(self._ascending, entry)]
        else:
            insort(self._ascending, entry)

    def _revive(self, piece: Piece) -> None:  # noqa: ARG002 - whatever is looked for
        """Leave no domain aside: where none has the watts, that is known anyway."""
        self._dead_since = 0, -UNLIMITED

    def _small(self, piece: Piece, missing: int, found: int) -> int:
        fitting = (n for _, n in self._ascending if self._bins.fits(n, piece) >= missing)
        return next(fitting, found)
