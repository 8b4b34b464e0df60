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
from kwatt.planning.allotment import surcharges_at, watts_of_nodes
from kwatt.planning.bins import Bins, merged
from kwatt.planning.capacity import Capacity, free_capacity
from kwatt.planning.choice import Stock, chosen_at
from kwatt.planning.columns import Columns, are_exact, columns_of
from kwatt.planning.draft import Draft, Holding
from kwatt.planning.emptying import improve
from kwatt.planning.lagrangian import Prices, Relaxation, paid_at, relaxation_of
from kwatt.planning.layout import Ints
from kwatt.planning.options import option_for
from kwatt.planning.packing import Packing
from kwatt.planning.pairs import Want
from kwatt.planning.pieces import Pieces
from kwatt.planning.prices import names_of, prices_of

_DEALS: Final = 4  # how often the watts of budgets are dealt out, each time by the choice before


class Market(NamedTuple):
    """All that newcomers could choose from, and what the NPUs of each kind are worth to them.

    `is_all`: no column was left aside, so the prices prove a bound for these services.
    """

    relaxation: Relaxation
    prices: Prices
    is_all: bool


def place_newcomers(draft: Draft, services: Sequence[Service]) -> Market | None:
    """Give each of the services, which hold nothing, all its replicas where room is found for them."""
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
    relaxation = relaxation_of(capacity, columns)
    prices = prices_of(relaxation)
    packing = _packed(draft, capacity, relaxation, prices, pieces)
    draft.hold_all(_holdings(packing, wants))
    return Market(relaxation, prices, is_all=columns is everything)


def _packed(
    draft: Draft, capacity: Capacity, relaxation: Relaxation, prices: Prices, pieces: Pieces
) -> Packing:
    """Seat all services, at prices that know of budgets too where these bind; return the best packing.

    Only where everybody has a seat is it worth while to look for better places under each budget.
    """
    columns, paid, stock = relaxation.columns, paid_at(relaxation, prices), _stock(relaxation)
    chosen, bins = chosen_at(columns, paid, stock), Bins(draft.layout, draft.crowd)
    best = _filled(Packing(bins, columns, pieces, paid, stock), chosen, stock)
    for deal in range(_DEALS):
        dealt = watts_of_nodes(capacity, columns, chosen)
        if dealt is None or (deal and len(best.seats) < len(columns.starts)):
            break
        with_watts = relaxation_of(capacity, columns, dealt=dealt)
        priced = prices_of(with_watts)
        paid, stock = paid_at(with_watts, priced), _stock(with_watts)
        chosen = chosen_at(columns, paid, stock)
        surcharges = surcharges_at(capacity, columns, chosen, priced.watts) if deal else None
        bins = Bins(draft.layout, draft.crowd, surcharges)
        packing = Packing(bins, columns, pieces, paid, stock, dense_first=deal > 0)
        best = min(best, _filled(packing, chosen, stock), key=lambda p: (-len(p.seats), p.cost))
    return best


def _filled(packing: Packing, chosen: Ints, stock: Stock) -> Packing:
    packing.seat_anyhow(packing.make_room(chosen, stock))
    improve(packing)
    return packing


def _stock(relaxation: Relaxation) -> Stock:
    names = names_of(relaxation)
    amounts = np.zeros((len(names), relaxation.kinds), dtype=np.int64)
    for pool in relaxation.pools:
        of_node = {"npus": pool.usable, "cpu": pool.cpu, "memory": pool.memory, "watts": pool.watts}
        amounts[:, pool.kind] += [of_node[name] * pool.nodes for name in names]
    return Stock(np.array([getattr(relaxation.columns, name) for name in names]), amounts)


def _holdings(packing: Packing, wants: Sequence[Want]) -> dict[ServiceKey, Holding]:
    offers, found = packing.columns.menu.offers, {}
    for service, seat in sorted(packing.seats.items()):
        option = option_for(wants[service].service, offers[packing.columns.offer[seat.column]])
        counts = merged(seat.counts)
        found[wants[service].service.key] = Holding(option.demand, option, counts)
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
