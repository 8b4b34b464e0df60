"""Packing: services as columns on nodes, with what that costs. Every change can be undone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np

from kwatt.planning.bins import Bins, Counts, Piece
from kwatt.planning.choice import Stock, relieved
from kwatt.planning.columns import SCALE, Columns
from kwatt.planning.filling import Companions
from kwatt.planning.layout import Ints
from kwatt.planning.pieces import Pieces

_ROUNDS: Final = 6
_FINE: Final = 2**30
MOST_COLUMNS: Final = 16  # of a service that are tried, the cheapest at the prices first


class Seat(NamedTuple):
    """A service placed as a column."""

    column: int
    piece: Piece
    counts: Counts


class Order(NamedTuple):
    """How services come to their seats.

    For budgets that bind those that draw most per NPU are seated first, where watts cost least, before larger
    ones: by so many `steps` from a density to its double. `together`: nodes may run out of cpu or memory
    first, so each is filled with what goes together.
    """

    steps: int
    together: bool


class Packing:
    """Services (by number) that have a seat. Costs are in milliwatts x SCALE.

    `paid` is what columns cost at the prices.
    """

    def __init__(
        self,
        bins: Bins,
        columns: Columns,
        pieces: Pieces,
        paid: Ints,
        stock: Stock,
        order: Order,
    ) -> None:
        self._order = order
        self.bins, self.columns, self.paid = bins, columns, paid
        self._stock, self._shares = stock, _shares(columns, stock)
        self.seats: dict[int, Seat] = {}
        everybody = 1 + int(columns.service[-1])
        self._taken = [-1] * everybody  # by service: its column, -1 without a seat
        self.on_node: defaultdict[int, set[int]] = defaultdict(set)
        self._pieces = pieces
        ends = [*columns.starts.tolist(), len(columns.service)]
        services = columns.service[columns.starts].tolist()
        self._range = {s: (ends[i], ends[i + 1]) for i, s in enumerate(services)}
        self._sorted: dict[int, list[int]] = {}
        self._made: dict[tuple[int, int], Piece] = {}  # by form and offer
        self._costs = 0

    @property
    def cost(self) -> int:
        """Return what all seats draw above idle, with the idle draw of the nodes opened."""
        return self._costs + self.bins.opened * SCALE

    def cost_of(self, column: int) -> int:
        """Return the cost of a column without opening nodes."""
        return int(self.columns.cost[column])

    def costs_with_nodes(self, taken: Ints) -> tuple[Ints, Ints]:
        """Return the costs of all columns with the idle draw of their NPUs, and which there may be room for.

        `taken` are the columns that have seats.
        """
        columns, stock = self.columns, self._stock
        left = stock.amounts[0] - stock.used(columns, taken)[0]
        costs: Ints = columns.cost + SCALE * stock.idle[columns.kind] * columns.npus
        return costs, columns.npus <= left[columns.kind]

    def seated(self) -> tuple[Ints, Ints]:
        """Return the services that have a seat, ascending, and their columns."""
        taken = np.array(self._taken, dtype=np.int64)
        services = np.flatnonzero(taken >= 0)
        return services, taken[services]

    def choices(self, service: int) -> list[int]:
        """Return the columns of a service worth trying, the cheapest at the prices first."""
        if service not in self._sorted:
            first, end = self._range[service]
            order = np.argsort(self.paid[first:end], kind="stable")[:MOST_COLUMNS]
            self._sorted[service] = (first + order).tolist()
        return self._sorted[service]

    def seat(self, service: int, column: int, *, may_open: bool = True) -> bool:
        """Place a service that has no seat; tell whether there was room."""
        piece = self.piece(service, column)
        replicas = int(self.columns.replicas[column])
        counts = self.bins.place(piece, replicas, may_open=may_open)
        if counts is None:
            return False
        self._note(service, Seat(column, piece, counts))
        return True

    def unseat(self, service: int) -> Seat:
        """Take a service's seat, and return it."""
        seat = self.seats.pop(service)
        self._taken[service] = -1
        self.bins.take(seat.piece, seat.counts)
        self._costs -= self.cost_of(seat.column)
        for number, _ in seat.counts:
            self.on_node[number].discard(service)
        return seat

    def reseat(self, service: int, seat: Seat) -> None:
        """Put a service back exactly where it was."""
        self.bins.restore(seat.piece, seat.counts)
        self._note(service, seat)

    def piece(self, service: int, column: int) -> Piece:
        """Return what a replica of a column takes."""
        offer = int(self.columns.offer[column])
        form = self._pieces.forms[service], offer
        if form not in self._made:
            nodes = self._pieces.nodes(service, int(self.columns.kind[column]))
            named = self.columns.menu.offers[offer]
            self._made[form] = self._pieces.piece(service, named, self.bins.pool(nodes))
        return self._made[form]

    def first_seats(self, chosen: Ints) -> list[int]:
        """Seat services, those on the kinds used most and larger replicas first; return those without room."""
        columns = self.columns
        size = columns.menu.npus[columns.offer[chosen]]
        each = self._shares[chosen] // np.maximum(1, columns.replicas[chosen])
        dense = columns.watts[chosen] * 1024 // np.maximum(1, columns.npus[chosen])
        about = np.floor(self._order.steps * np.log2(np.maximum(1, dense)))
        order = np.lexsort(
            (chosen, -columns.npus[chosen], -dense, -each, -size, -about, self._turn(chosen))
        )
        services, ordered = columns.service[chosen][order].tolist(), chosen[order].tolist()
        if self._order.together:
            return self._seats_together(services, ordered)
        pairs = zip(services, ordered, strict=True)
        return [service for service, column in pairs if not self.seat(service, column)]

    def _seats_together(self, services: list[int], columns: list[int]) -> list[int]:
        """Seat services in this order, with those that go with them on the nodes that they come to first."""
        companions, left = Companions(self, services, columns), []
        for service, column in zip(services, columns, strict=True):
            counts = companions.place(service, column)
            if counts is None:
                left.append(service)
            else:
                self._note(service, Seat(column, self.piece(service, column), counts))
        return left

    def _turn(self, chosen: Ints) -> Ints:
        """Return when the kind of each column comes: what little there is of leaves others no choice."""
        used = self._stock.used(self.columns, chosen) / np.maximum(1, self._stock.amounts)
        turn = np.empty(used.shape[1], dtype=np.int64)
        turn[np.argsort(-used.max(axis=0), kind="stable")] = np.arange(used.shape[1])
        return turn[self.columns.kind[chosen]]

    def make_room(self, left: list[int], chosen: Ints, stock: Stock) -> list[int]:
        """Have others that lose least by it make room for those that found no seat at first.

        Returns those for which there is still no room as chosen.
        """
        for _ in range(_ROUNDS):
            if not left:
                break
            stock = self._held(stock, left, chosen)
            after = relieved(self.columns, self.paid, stock, chosen)
            moved = np.flatnonzero(after != chosen)
            chosen = after
            left = self._change_seats(after[moved], left, chosen)
        return left

    def _held(self, stock: Stock, left: Iterable[int], chosen: Ints) -> Stock:
        """Return the stock, for kinds with failures no more than what was placed."""
        without = np.isin(self.columns.service[chosen], list(left))
        short = stock.used(self.columns, chosen[without])
        placed = stock.used(self.columns, chosen[~without])
        return replace(stock, amounts=np.where(short > 0, placed, stock.amounts))

    def _change_seats(self, moved: Ints, left: Iterable[int], chosen: Ints) -> list[int]:
        column_of = dict(zip(self.columns.service[chosen].tolist(), chosen.tolist(), strict=True))
        movers = self.columns.service[moved].tolist()
        for service in movers:
            if service in self.seats:
                self.unseat(service)
        waiting = sorted({*left, *movers}, key=lambda s: (-self.columns.npus[column_of[s]], s))
        return [service for service in waiting if not self.seat(service, column_of[service])]

    def seat_anyhow(self, services: Iterable[int]) -> list[int]:
        """Seat services as any of their choices; return those for which there is no room."""
        return [
            service
            for service in services
            if not any(self.seat(service, column) for column in self.choices(service))
        ]

    def _note(self, service: int, seat: Seat) -> None:
        self.seats[service] = seat
        self._taken[service] = seat.column
        self._costs += self.cost_of(seat.column)
        for number, _ in seat.counts:
            self.on_node[number].add(service)


def _shares(columns: Columns, stock: Stock) -> Ints:
    """Return which part of its kind each column takes, of the resource of which it takes most."""
    amounts = np.maximum(1, stock.amounts)[:, columns.kind]
    parts: Ints = (stock.needs / amounts * _FINE).max(axis=0).clip(0, 2.0**60).astype(np.int64)
    return parts
