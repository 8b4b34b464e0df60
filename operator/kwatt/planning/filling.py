"""Replicas that go together on a node where cpu or memory may run out before NPUs do.

Placed by size alone, some nodes are left with NPUs but no cpu, others with cpu but no NPUs. So a node that gets
its first replica is filled at once, with the replicas whose needs point most where its rest points (vector bin
packing, node by node: Panigrahy, Talwar, Uyeda, Wieder, "Heuristics for Vector Bin Packing", 2011).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kwatt.planning.bins import Counts, Piece, merged
from kwatt.planning.layout import Ints

if TYPE_CHECKING:
    from kwatt.planning.packing import Packing

_Floats = npt.NDArray[np.float64]


class Companions:
    """Services that wait for their places as the columns chosen for them."""

    def __init__(self, packing: Packing, services: Sequence[int], columns: Sequence[int]) -> None:
        self._kind: list[int] = packing.columns.kind.tolist()
        self._bins = packing.bins
        members: dict[int, list[tuple[int, int]]] = {}
        for service, column in zip(services, columns, strict=True):
            members.setdefault(self._kind[column], []).append((service, column))
        self._of_kind = {kind: _Waiting(packing, pairs) for kind, pairs in members.items()}
        self._open: dict[int, list[int]] = {}  # by kind, nodes that are open and not filled yet

    def place(self, service: int, column: int) -> Counts | None:
        """Place all replicas of a service, and others that wait on the nodes that these come to.

        Where there is too little room, none of the service's is left on any node, and it waits no more.
        """
        kind, bins = self._kind[column], self._bins
        waiting = self._of_kind[kind]
        piece, missing = waiting.piece_of(service), waiting.missing(service)
        is_allowed = bins.quota(piece) >= missing
        if is_allowed and not bins.has_failed(piece, missing):
            self._find_places(service, waiting, self._open_of(kind))
        still_missing, counts = waiting.missing(service), waiting.leaves(service)
        if not still_missing:
            return list(merged(counts))
        bins.take(piece, counts)
        self._open_of(kind).extend(sorted({n for n, _ in counts if bins.is_open(n)}))
        if is_allowed:
            bins.note_failure(piece, still_missing + sum(count for _, count in counts))
        return None

    def _find_places(self, service: int, waiting: _Waiting, open_nodes: list[int]) -> None:
        """Fill open nodes that take a replica, then as many closed ones as it needs."""
        piece, place = waiting.piece_of(service), 0
        while place < len(open_nodes) and waiting.missing(service):
            if waiting.come_to(open_nodes[place], service):
                open_nodes[place] = open_nodes[-1]  # filled: it takes nobody who waits
                open_nodes.pop()
            else:
                place += 1
        while missing := waiting.missing(service):
            opened = self._bins.pool_of(piece).next_closed(piece, missing)
            if opened is None or not waiting.come_to(opened, service):
                return

    def _open_of(self, kind: int) -> list[int]:
        """Return the nodes of a kind that are open and not filled, first those with few NPUs left."""
        if kind not in self._open:
            bins = self._bins
            usable = (n for n in self._of_kind[kind].nodes() if bins.is_open(n))
            self._open[kind] = sorted(usable, key=lambda n: (bins.npus[n], n))
        return self._open[kind]


class _Waiting:
    """Replicas of services that may go to one kind of node, in groups of alike ones."""

    def __init__(self, packing: Packing, members: Sequence[tuple[int, int]]) -> None:
        """`members` are services with their columns."""
        self._bins = packing.bins
        alike: dict[Piece, list[int]] = {}
        self._missing: dict[int, int] = {}
        for service, column in members:
            alike.setdefault(packing.piece(service, column), []).append(service)
            self._missing[service] = int(packing.columns.replicas[column])
        self._pieces, self._stacks = list(alike), [of[::-1] for of in alike.values()]
        self._group = {s: group for group, of in enumerate(alike.values()) for s in of}
        self._count = np.array([sum(self._missing[s] for s in of) for of in alike.values()])
        needs = [(piece.npus, piece.cpu, piece.memory) for piece in alike]
        self._needs = np.array(needs, dtype=np.int64).T
        self._pools = np.array([piece.pool for piece in alike], dtype=np.int64)
        pools = {piece.pool: self._bins.pool_of(piece) for piece in alike}
        self._nodes = {number: set(pool.nodes) for number, pool in pools.items()}
        self._weights = _weights(self._needs, self._in_all())
        self._groups: dict[tuple[int, ...], Ints] = {}  # by the pools that they may go to
        self._placed: dict[int, Counts] = {}

    def piece_of(self, service: int) -> Piece:
        """Return what a replica of a service takes."""
        return self._pieces[self._group[service]]

    def missing(self, service: int) -> int:
        """Return how many replicas of a service have no place yet."""
        return self._missing[service]

    def leaves(self, service: int) -> Counts:
        """Take a service from those that wait; return the replicas that have found their places."""
        self._count[self._group[service]] -= self._missing[service]
        self._missing[service] = 0
        return self._placed.pop(service, [])

    def nodes(self) -> set[int]:
        """Return the nodes that admit any of the groups."""
        return set[int]().union(*self._nodes.values())

    def come_to(self, number: int, service: int) -> bool:
        """Place a replica of a service on a node, and fill the node; return False where it takes none."""
        piece = self.piece_of(service)
        if number not in self._nodes[piece.pool] or not self._bins.fits(number, piece):
            return False
        self._put(service, number, 1)
        self._fill(number)
        return True

    def _fill(self, number: int) -> None:
        """Place replicas on a node, a quarter of what it takes at a time, until none fits.

        A group that does not fit once will not fit later, so ever fewer are looked at.
        """
        bins, groups = self._bins, self._admitted(number)
        needs, weights = self._needs.take(groups, axis=1), self._weights.take(groups, axis=1)
        best, may_have_more = 0, True
        while len(groups):
            left = bins.npus[number], bins.cpu[number], bins.memory[number]
            stays = needs[0] <= left[0]
            stays &= needs[1] <= left[1]
            stays &= needs[2] <= left[2]
            stays[best] &= may_have_more
            if not stays.all():
                groups = groups[stays]
                needs, weights = needs.compress(stays, axis=1), weights.compress(stays, axis=1)
            if len(groups):
                best = _best(weights, left)
                may_have_more = self._put_quarter(number, int(groups[best]))

    def _put_quarter(self, number: int, group: int) -> bool:
        """Place a quarter of the replicas of a group that fit on a node; tell whether it may have more."""
        service, piece = self._first(group), self._pieces[group]
        most = min(self._bins.fits(number, piece), self._bins.quota(piece))
        if most <= 0:
            return False
        self._put(service, number, min(self._missing[service], -(-most // 4)))
        return bool(self._count[group] > 0)

    def _admitted(self, number: int) -> Ints:
        """Return the groups with replicas that wait and that a node admits."""
        pools = tuple(pool for pool, nodes in self._nodes.items() if number in nodes)
        if pools not in self._groups:
            self._groups[pools] = np.flatnonzero(np.isin(self._pools, pools))
        groups = self._groups[pools]
        groups = self._groups[pools] = groups[self._count[groups] > 0]
        return groups

    def _put(self, service: int, number: int, count: int) -> None:
        piece = self.piece_of(service)
        self._bins.put(number, piece, count)
        self._bins.charge(piece, count)
        self._placed.setdefault(service, []).append((number, count))
        self._missing[service] -= count
        self._count[self._group[service]] -= count

    def _first(self, group: int) -> int:
        """Return the service of a group that waits first."""
        stack = self._stacks[group]
        while not self._missing[stack[-1]]:
            stack.pop()
        return stack[-1]

    def _in_all(self) -> tuple[int, int, int]:
        """Return the NPUs, millicores and bytes that nodes have left for any of the groups."""
        bins, nodes = self._bins, self.nodes()
        npus, cpu, memory = (sum(of[n] for n in nodes) for of in (bins.npus, bins.cpu, bins.memory))
        return npus, cpu, memory


def _best(weights: _Floats, left: Sequence[int]) -> int:
    """Return the place of the group that goes best with what a node has left."""
    score = weights[0] * left[0]
    for weight, rest in zip(weights[1:], left[1:], strict=True):
        score += weight * rest
    return int(score.argmax())


def _weights(needs: Ints, amounts: Sequence[int]) -> _Floats:
    """Return what to multiply a node's rest with: how far needs point there, and a little how large they are.

    With a need v as parts of all there is, and a rest r, the sum is v r / |v|^(7/8); the angle alone would be
    v r / |v|. Roots are square roots of square roots: they are the same on every machine.
    """
    in_all = np.maximum(1.0, np.array(amounts, dtype=np.float64))[:, None]
    parts = needs / in_all
    square = np.maximum(parts[0] ** 2 + parts[1] ** 2 + parts[2] ** 2, 2.0**-200)
    sixteenth = np.sqrt(np.sqrt(np.sqrt(np.sqrt(square))))
    weights: _Floats = parts * (sixteenth / np.sqrt(square))
    return weights / in_all
