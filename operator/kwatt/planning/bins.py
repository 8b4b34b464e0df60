"""Bins: nodes, budgets and quotas as plain lists, for placing many services quickly. Changes no draft.

Replicas of one size after the other, largest first, lose no NPU where sizes divide each other: what is
free on a node is then a multiple of the size, so any node with room will do (planner reference 8).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from kwatt.planning.guide import Guide
from kwatt.planning.layout import UNLIMITED, Ints, Layout
from kwatt.planning.ledger import Ledger, quota_needs
from kwatt.planning.node_pool import NodePool
from kwatt.planning.options import Demand

Counts = list[tuple[int, int]]  # node numbers with replicas


class Piece(NamedTuple):
    """What one replica takes: `unit` is in milliwatts above idle; `pool` numbers the nodes that admit it."""

    pool: int
    npus: int
    unit: int
    cpu: int
    memory: int
    demand: Demand


class Bins:
    """What is left, as lists by node and by budget; `pools` are the node lists that pieces point to.

    `open` nodes cost nothing to put a replica on: they hold replicas, or draw the same when empty.
    Closed nodes are opened in the order of what they cost, surcharges included.
    """

    def __init__(self, layout: Layout, ledger: Ledger, guide: Guide | None = None) -> None:
        self.layout = layout
        none = np.zeros(len(layout.nodes), dtype=np.int64)
        guide = guide or Guide(none, none != 0, none)
        most = int(guide.surcharges.max(initial=0)) + 1
        self.surcharges: list[int] = (guide.surcharges + most * guide.spare).tolist()
        cells = layout.domain_numbers + len(layout.plain_rooms) * guide.spare
        self.cells: list[int] = cells.tolist()
        self.planned: list[int] = guide.planned.tolist()
        self._domain: list[int] = layout.domain_numbers.tolist()
        self._promised: list[int] = [0] * len(layout.plain_rooms)
        for number, watts in enumerate(self.planned):
            self._promised[self._domain[number]] += watts
        self.npus: list[int] = ledger.npus.tolist()
        self.cpu: list[int] = ledger.left["cpu"].tolist()
        self.memory: list[int] = ledger.left["memory"].tolist()
        self.pods: list[int] = ledger.left["pods"].tolist()
        self.held: list[int] = ledger.replicas.tolist()
        self.room: list[int] = ledger.room.tolist()
        self.opening: list[int] = layout.opening.tolist()
        self.plain = [domain.plain for domain in layout.domains]
        self.off = [domain.off for domain in layout.domains]
        self.quotas = {namespace: dict(left) for namespace, left in ledger.quotas.items()}
        self.freed = 0  # how often anything was taken back
        self._known_at = 0
        self._too_many: dict[tuple[int, ...], int] = {}
        self.opened = 0  # milliwatts of all that was opened
        self._pools: list[NodePool] = []
        self._numbers: dict[int, int] = {}
        self._of_node: dict[int, list[NodePool]] = {}

    def pool(self, nodes: Ints) -> int:
        """Return the number of a pool; equal arrays must be one object."""
        if id(nodes) not in self._numbers:
            self._numbers[id(nodes)] = len(self._pools)
            pool = self.pool_over(nodes)
            self._pools.append(pool)
            for number in pool.nodes:
                self._of_node.setdefault(number, []).append(pool)
        return self._numbers[id(nodes)]

    def pool_of(self, piece: Piece) -> NodePool:
        """Return the nodes that admit a piece."""
        return self._pools[piece.pool]

    def pool_over(self, nodes: Ints) -> NodePool:
        """Make a pool of some nodes."""
        return NodePool(self, nodes)

    def is_open(self, number: int) -> bool:
        """Tell whether a replica on the node opens nothing."""
        return self.held[number] > 0 or self.opening[number] == 0

    def fits(self, number: int, piece: Piece) -> int:
        """Return how many replicas a node takes, budgets included; a node to be opened pays for that."""
        _, npus, unit, cpu, memory, _ = piece
        room = self.room
        count = min(self.npus[number] // npus, self.pods[number])
        if cpu:
            count = min(count, self.cpu[number] // cpu)
        if memory:
            count = min(count, self.memory[number] // memory)
        for budget in self.plain[number]:
            if room[budget] < count * unit:
                count = room[budget] // (unit or 1)
        opening = 0 if self.held[number] else self.opening[number]
        for budget in self.off[number]:
            if room[budget] < count * unit + opening:
                count = (room[budget] - opening) // (unit or 1)
        return max(0, count)

    def put(self, number: int, piece: Piece, count: int) -> None:
        """Put replicas on a node that takes them; a negative count takes them back."""
        _, npus, unit, cpu, memory, _ = piece
        room, before = self.room, self.held[number]
        self.held[number] = before + count
        self.npus[number] -= count * npus
        self.cpu[number] -= count * cpu
        self.memory[number] -= count * memory
        self.pods[number] -= count
        watts = count * unit
        for budget in self.plain[number]:
            room[budget] -= watts
        changed = (before == 0) != (before + count == 0)
        if changed and self.opening[number]:
            self._promised[self._domain[number]] += self.planned[number] * (1 if before else -1)
            opened = self.opening[number] if before == 0 else -self.opening[number]
            self.opened += opened
            watts += opened
        for budget in self.off[number]:
            room[budget] -= watts
        self.freed += count < 0
        if count < 0 or changed:
            for pool in self._of_node.get(number, ()):
                pool.offer(number)

    def promised_at(self, number: int) -> int:
        """Return the milliwatts planned for closed nodes under the budgets over a node."""
        return self._promised[self._domain[number]]

    def place(self, piece: Piece, replicas: int, *, may_open: bool = True) -> Counts | None:
        """Put all replicas somewhere, open nodes first, or change nothing and return None."""
        if self.quotas and self.quota(piece) < replicas:
            return None
        if self.has_failed(piece, replicas, may_open=may_open):
            return None
        pool, missing = self.pool_of(piece), replicas
        placed: Counts = []
        for number, most in pool.open_nodes(piece):
            count = min(missing, most)
            self.put(number, piece, count)
            placed.append((number, count))
            missing -= count
            if not missing:
                break
        while missing and may_open:
            opened = pool.next_closed(piece, missing)
            if opened is None:
                break
            count = min(missing, self.fits(opened, piece))
            self.put(opened, piece, count)
            placed.append((opened, count))
            missing -= count
        if missing:
            freed = self.freed
            self.remove(piece, placed)
            self.freed = freed  # nothing is left that was not before
            self.note_failure(piece, replicas, may_open=may_open)
            return None
        self.charge(piece, replicas)
        return placed

    def has_failed(self, piece: Piece, replicas: int, *, may_open: bool = True) -> bool:
        """Tell whether there was no room for as many or fewer, and nothing was freed since."""
        if not self._too_many or self._known_at != self.freed:
            return False
        size = (piece.pool, *piece[1:5], may_open)
        return self._too_many.get(size, replicas + 1) <= replicas

    def note_failure(self, piece: Piece, replicas: int, *, may_open: bool = True) -> None:
        """Remember for how many replicas there is no room, until any node has more again."""
        size = (piece.pool, *piece[1:5], may_open)
        if self._known_at != self.freed:
            self._too_many.clear()
            self._known_at = self.freed
        self._too_many[size] = min(replicas, self._too_many.get(size, replicas))

    def restore(self, piece: Piece, counts: Counts) -> None:
        """Put replicas back where they were."""
        for number, count in counts:
            self.put(number, piece, count)
        self.charge(piece, sum(count for _, count in counts))

    def take(self, piece: Piece, counts: Counts) -> None:
        """Take replicas back that were placed."""
        self.remove(piece, counts)
        self.charge(piece, -sum(count for _, count in counts))

    def remove(self, piece: Piece, counts: Counts) -> None:
        """Take replicas back that no quota was charged for."""
        for number, count in counts:
            self.put(number, piece, -count)

    def withdraw(self, number: int) -> None:
        """Take a node that holds nothing out of use; what budgets count for it stays counted."""
        self._use(number, -UNLIMITED, 0)

    def readmit(self, number: int) -> None:
        """Take a node that was withdrawn into use again."""
        self._use(number, UNLIMITED, int(self.layout.opening[number]))

    def _use(self, number: int, more: int, opening: int) -> None:
        self.npus[number] += more
        self.pods[number] += more
        self.opening[number] = opening
        self.freed += 1
        for pool in self._of_node.get(number, ()):
            pool.offer(number)

    def quota(self, piece: Piece) -> int:
        """Return how many replicas the quotas of their namespace allow."""
        left = self.quotas.get(piece.demand.namespace)
        if not left:
            return 2**60
        needs = quota_needs(piece.demand)
        return min(
            (rest // needs[k] for (_, k), rest in left.items() if needs.get(k)), default=2**60
        )

    def charge(self, piece: Piece, replicas: int) -> None:
        """Take replicas from the quotas of their namespace."""
        left = self.quotas.get(piece.demand.namespace) if self.quotas else None
        if left:
            needs = quota_needs(piece.demand)
            for key in left:
                left[key] -= needs.get(key[1], 0) * replicas


def only(counts: Iterable[tuple[int, int]], number: int) -> Counts:
    """Return those replicas that are on one node."""
    return [place for place in counts if place[0] == number]


def merged(placed: Counts) -> tuple[tuple[int, int], ...]:
    """Return counts with each node once, ascending."""
    if len(placed) == 1:
        return (placed[0],)
    found: dict[int, int] = {}
    for number, count in placed:
        found[number] = found.get(number, 0) + count
    return tuple(sorted(found.items()))
