"""Place services that run nowhere yet, all together: class prices, then packing, then less power.

Nobody who runs is touched, and a service is placed in full or left alone: what stays short is for
`place.complete`, which displaces lower priorities and serves in part.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kwatt.model.keys import ServiceKey
from kwatt.model.snapshot import Service
from kwatt.planning.bins import merged
from kwatt.planning.capacity import free_capacity
from kwatt.planning.columns import Columns, are_exact, columns_of
from kwatt.planning.draft import Draft, Holding
from kwatt.planning.lagrangian import Prices, Relaxation, relaxation_of
from kwatt.planning.options import option_as
from kwatt.planning.packing import Packing
from kwatt.planning.pairs import Want
from kwatt.planning.pieces import Pieces
from kwatt.planning.prices import prices_of
from kwatt.planning.scarcity import lacking
from kwatt.planning.seating import seated


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
    packing = seated(draft, capacity, relaxation, prices, pieces)
    draft.hold_all(_holdings(packing, wants))
    return Market(relaxation, prices, is_all=columns is everything)


def _holdings(packing: Packing, wants: Sequence[Want]) -> dict[ServiceKey, Holding]:
    offers, found = packing.columns.menu.offers, {}
    services = sorted(packing.seats)
    seats = [packing.seats[service] for service in services]
    taken = packing.columns.offer[[seat.column for seat in seats]].tolist()
    for service, seat, offer in zip(services, seats, taken, strict=True):
        wanted, demand = wants[service].service, seat.piece.demand
        option = option_as(wanted, offers[offer].curve, demand)
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
