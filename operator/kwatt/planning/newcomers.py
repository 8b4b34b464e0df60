"""Place services that run nowhere yet, all together: class prices, then packing, then less power.

Nobody who runs is touched, and a service is placed in full or left alone: what stays short is for
`place.complete`, which displaces lower priorities and serves in part.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from kwatt.model.snapshot import Service
from kwatt.planning.bins import Bins, merged
from kwatt.planning.capacity import Capacity, free_capacity, pools_of
from kwatt.planning.choice import chosen_at
from kwatt.planning.columns import Columns, Want, are_exact, columns_of
from kwatt.planning.draft import Draft, Holding
from kwatt.planning.emptying import improve
from kwatt.planning.lagrangian import Relaxation, densities_of, paid_at
from kwatt.planning.layout import Ints
from kwatt.planning.options import option_for
from kwatt.planning.packing import Packing
from kwatt.planning.pieces import Pieces
from kwatt.planning.prices import prices_of


def place_newcomers(draft: Draft, services: Sequence[Service]) -> None:
    """Give each of the services, which hold nothing, all its replicas where room is found for them."""
    wants = [Want(s, offers, s.target.micros) for s in services if (offers := draft.offers(s))]
    columns, capacity, pieces = _columns(draft, wants)
    if columns is None:
        return
    relaxation = Relaxation(
        constant=0,
        columns=columns,
        pools=pools_of(capacity, (), whole=False),
        kinds=len(capacity.kinds),
        densities=densities_of(capacity, columns.menu),
        rooms=(),
        counts_nodes=False,
    )
    paid = paid_at(relaxation, prices_of(relaxation))
    packing = Packing(Bins(draft.layout, draft.crowd), columns, pieces, paid)
    npus = _npus(capacity)
    packing.seat_anyhow(packing.make_room(chosen_at(columns, paid, npus), npus))
    improve(packing)
    for service, seat in sorted(packing.seats.items()):
        offer = columns.menu.offers[columns.offer[seat.column]]
        option = option_for(wants[service].service, offer)
        draft.hold(wants[service].service.key, Holding(option.demand, option, merged(seat.counts)))


def _columns(draft: Draft, wants: Sequence[Want]) -> tuple[Columns | None, Capacity, Pieces]:
    distinct = {id(want.offers): want.offers for want in wants}.values()
    capacity = free_capacity(draft, {o.variant for offers in distinct for o in offers})
    pieces = Pieces(draft, capacity, [want.service for want in wants])
    if not wants or not are_exact(capacity, wants):
        return None, capacity, pieces
    columns = columns_of(capacity, wants)
    if not columns.are_exact:
        return None, capacity, pieces
    columns = columns.only(pieces.admitted(columns) & _useful(columns, wants))
    return columns if len(columns.service) else None, capacity, pieces


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


def _npus(capacity: Capacity) -> Ints:
    known = capacity.kind >= 0
    npus = np.bincount(
        capacity.kind[known], weights=capacity.usable[known], minlength=len(capacity.kinds)
    )
    return npus.astype(np.int64)
