"""Place services that run nowhere yet, all together: class prices, then packing, then less power.

Nobody who runs is touched, and a service is placed in full or left alone: what stays short is for
`place.complete`, which displaces lower priorities and serves in part.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from kwatt.model.keys import ServiceKey
from kwatt.model.snapshot import Service
from kwatt.planning.allotment import allotted, do_budgets_bind
from kwatt.planning.bins import Bins, merged
from kwatt.planning.capacity import Capacity, free_capacity
from kwatt.planning.choice import Stock, chosen_at
from kwatt.planning.columns import Columns, are_exact, columns_of
from kwatt.planning.draft import Draft, Holding
from kwatt.planning.emptying import improve
from kwatt.planning.guide import Guide
from kwatt.planning.lagrangian import (
    Prices,
    Relaxation,
    paid_at,
    relaxation_of,
)
from kwatt.planning.layout import Ints
from kwatt.planning.options import option_as
from kwatt.planning.packing import Order, Packing
from kwatt.planning.pairs import Want
from kwatt.planning.pieces import Pieces
from kwatt.planning.prices import names_of, prices_of
from kwatt.planning.scarcity import lacking

_WASTES: Final = (0, 15, 30)  # thousandths of watts that nodes filled in part are taken to waste
_FEW: Final = 50  # where more than this part of the services find no seat, no other waste is tried
MANY: Final = 2000  # services; with more, watts are left aside only where seats were wanting


class _Ways(NamedTuple):
    """Numbers of `steps` from a density to its double, within which densities count as alike.

    A packing will do that costs at most 1 / `near` more than what was chosen would cost without waste.
    """

    steps: tuple[int, ...]
    near: int


_BY_SIZE: Final = _Ways((16, 4), 200)
_TOGETHER: Final = _Ways(
    (4, 16), 10
)  # what goes together differs in density; cpu goes to waste anyhow


class Market(NamedTuple):
    """All that newcomers could choose from, and what the NPUs of each kind are worth to them.

    `is_all`: no column was left aside, so the prices prove a bound for these services.
    """

    relaxation: Relaxation
    prices: Prices
    is_all: bool


def place_newcomers(
    draft: Draft, services: Sequence[Service], most_lacking: float = 1.0
) -> Market | None:
    """Give each of the services, which hold nothing, all its replicas where room is found for them.

    Nobody gets any where watts for more than `most_lacking` of them are proven to be lacking, or for all.
    """
    wants = [Want(s, offers, s.target.micros) for s in services if (offers := draft.offers(s))]
    distinct = {id(want.offers): want.offers for want in wants}.values()
    capacity = free_capacity(draft, {o.variant for offers in distinct for o in offers})
    if not wants or not are_exact(capacity, wants):
        return None
    everything = columns_of(capacity, wants)
    if not everything.are_exact:
        return None
    pieces = Pieces(draft, capacity, [want.service for want in wants])
    worthy = pieces.admitted(everything) & _useful(everything, wants)
    columns = everything if worthy.all() else everything.only(worthy)
    if not len(columns.service):
        return None
    short = lacking(capacity, columns)
    if short >= min(1.0, most_lacking):
        return None
    relaxation = relaxation_of(capacity, columns)
    prices = prices_of(relaxation)
    packing = _packed(draft, capacity, relaxation, prices, pieces)
    draft.hold_all(_holdings(packing, wants))
    return Market(relaxation, prices, is_all=columns is everything)


def _packed(
    draft: Draft, capacity: Capacity, relaxation: Relaxation, prices: Prices, pieces: Pieces
) -> Packing:
    """Seat all services; where budgets bind, at prices that know of them. Return the best packing.

    Ways of packing are tried until one costs hardly more than what was chosen would cost without waste.
    """
    columns, paid, stock = relaxation.columns, paid_at(relaxation, prices), _stock(relaxation)
    everybody, plain = len(columns.starts), chosen_at(columns, paid, stock)
    together = relaxation.counts_hosts
    ways = _TOGETHER if together else _BY_SIZE

    def seated(choice: tuple[Ints, Ints, Stock], guide: Guide | None, steps: int) -> Packing:
        chosen, at, of_stock = choice
        bins = Bins(draft.layout, draft.crowd, guide)
        packing = Packing(bins, columns, pieces, at, of_stock, Order(steps, together))
        packing.seat_anyhow(packing.make_room(chosen, of_stock))
        if len(packing.seats) == everybody:
            improve(packing)
        return packing

    if not do_budgets_bind(capacity, columns, plain):
        return _best([seated((plain, paid, stock), None, 0)], everybody)
    found, before = [], plain
    for waste in _WASTES:
        allotment = allotted(capacity, relaxation, prices, before, waste)
        most = allotment.cost + allotment.cost // ways.near
        for steps in ways.steps:
            found.append(seated(allotment[:3], allotment.guide, steps))
            settled = _settled(found, everybody, most)
            if settled is not None:
                return settled
        before = allotment.chosen
    if everybody <= MANY or all(len(packing.seats) < everybody for packing in found):
        found.append(seated((plain, paid, stock), None, 0))
    return _best(found, everybody)


def _settled(found: Sequence[Packing], everybody: int, most: int) -> Packing | None:
    """Return what no other packing is tried for: the last if it costs at most so much and seats everybody.

    Or the best, where watts are too few however all are packed. One before the last may draw less, and leave
    lower priorities fewer watts.
    """
    if len(found[-1].seats) == everybody:
        return found[-1] if found[-1].cost <= most else None
    seated = max(len(packing.seats) for packing in found)
    return _best(found, everybody) if seated < everybody - everybody // _FEW else None


def _best(found: Sequence[Packing], everybody: int) -> Packing:
    """Return the packing with the most seats, of those with as many the one that costs least once improved.

    Where everybody has a seat they are improved already.
    """
    most = max(len(packing.seats) for packing in found)
    best = [packing for packing in found if len(packing.seats) == most]
    for packing in best if most < everybody else ():
        improve(packing)
    return min(best, key=lambda packing: packing.cost)


def _stock(relaxation: Relaxation) -> Stock:
    names = names_of(relaxation)
    amounts = np.zeros((len(names), relaxation.kinds), dtype=np.int64)
    for pool in relaxation.pools:
        of_node = {"npus": pool.usable, "cpu": pool.cpu, "memory": pool.memory}
        amounts[:, pool.kind] += [of_node[name] * pool.nodes for name in names]
    return Stock(np.array([getattr(relaxation.columns, name) for name in names]), amounts)


def _holdings(packing: Packing, wants: Sequence[Want]) -> dict[ServiceKey, Holding]:
    offers, found = packing.columns.menu.offers, {}
    for service, seat in sorted(packing.seats.items()):
        wanted, demand = wants[service].service, seat.piece.demand
        curve = offers[packing.columns.offer[seat.column]].curve
        option = option_as(wanted, curve, demand)
        found[wanted.key] = Holding(demand, option, merged(seat.counts))
    return found


def _useful(columns: Columns, wants: Sequence[Want]) -> npt.NDArray[np.bool_]:
    """Tell which columns have no more replicas than load the lowest point of their curve.

    More can only draw less where that point draws less than idle: no reason to start any.
    """
    targets = np.array([want.target for want in wants], dtype=np.int64)[columns.service]
    least = np.array([max(1, w.service.min_replicas) for w in wants], dtype=np.int64)
    lowest = np.maximum(1, columns.menu.rates[columns.offer, 0])
    enough = np.maximum(least[columns.service], -(-targets // lowest))
    useful: npt.NDArray[np.bool_] = columns.replicas <= enough
    return useful
