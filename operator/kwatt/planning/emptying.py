"""Less power for what is placed: cheaper columns, and nodes that are emptied (planner reference 8)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import numpy as np

from kwatt.planning.columns import SCALE
from kwatt.planning.layout import Ints
from kwatt.planning.packing import Packing, Seat

PATIENCE: Final = 40  # nodes or services in a row that bring nothing, then no more are tried
PATIENCE_WITH_NODES: Final = 100  # the same where the gain is less sure
_ROUNDS: Final = 2
_NEVER: Final = 2**61


def improve(packing: Packing) -> None:
    """Lower the cost of a packing; no service loses its seat."""
    for _ in range(_ROUNDS):
        before = packing.cost
        _empty_nodes(packing)
        _switch(packing)
        if packing.cost >= before:
            return


def _switch(packing: Packing) -> None:
    """Let services take a cheaper column, those that may gain most first.

    By what replicas draw themselves, then by what they draw with their share of nodes, where there is room.
    """
    columns, (services, taken) = packing.columns, packing.seated()
    _try(packing, _switched, _by_gain(packing, columns.cost, columns.cost, services, taken))
    services, taken = packing.seated()
    costs, have_room = packing.costs_with_nodes(taken)
    possible = np.where(have_room, costs, _NEVER)
    tried = _by_gain(packing, costs, possible, services, taken)
    _try(packing, _switched, tried, PATIENCE_WITH_NODES)


def _by_gain(
    packing: Packing, costs: Ints, possible: Ints, services: Ints, taken: Ints
) -> list[int]:
    """Return the services that would gain by the best of the possible costs, who gains most first."""
    starts = packing.columns.starts
    of_services = np.isin(packing.columns.service[starts], services)
    gain = np.minimum.reduceat(possible, starts)[of_services] - costs[taken]
    order = np.lexsort((services, gain))
    found: list[int] = services[order[gain[order] < 0]].tolist()
    return found


def _switched(packing: Packing, service: int) -> bool:
    before = packing.cost
    seat = packing.unseat(service)
    without = packing.cost
    for column in sorted(packing.choices(service), key=packing.cost_of):
        if without + packing.cost_of(column) >= before:
            break
        if packing.seat(service, column):
            if packing.cost < before:
                return True
            packing.unseat(service)
    packing.reseat(service, seat)
    return False


def _empty_nodes(packing: Packing) -> None:
    bins = packing.bins
    tried = sorted(
        (bins.held[number], number)
        for number, services in packing.on_node.items()
        if services and bins.opening[number]
    )
    _try(packing, _emptied, (number for _, number in tried if _is_ours(packing, number)))


def _try(
    packing: Packing,
    change: Callable[[Packing, int], bool],
    places: Iterable[int],
    patience: int = PATIENCE,
) -> None:
    """Try a change everywhere, until it has brought nothing for a while."""
    failed = 0
    for place in places:
        failed = 0 if change(packing, place) else failed + 1
        if failed >= patience:
            return


def _is_ours(packing: Packing, number: int) -> bool:
    ours = sum(
        count
        for service in packing.on_node[number]
        for at, count in packing.seats[service].counts
        if at == number
    )
    return ours == packing.bins.held[number]


def _emptied(packing: Packing, number: int) -> bool:
    """Move everybody off a node onto open nodes, if that costs less than the node."""
    if not packing.on_node[number]:
        return False
    bins, before = packing.bins, packing.cost
    limit = before + bins.opening[number] * SCALE
    services = sorted(packing.on_node[number], key=lambda s: (-packing.seats[s].piece.npus, s))
    left = [(service, packing.unseat(service)) for service in services]
    pods, bins.pods[number] = bins.pods[number], 0
    done: list[int] = []
    for service, seat in left:
        if packing.cost >= limit or not _elsewhere(packing, service, seat, limit):
            break
        done.append(service)
    bins.pods[number] += pods
    if len(done) == len(left) and packing.cost < before:
        return True
    for service in done:
        packing.unseat(service)
    for service, seat in left:
        packing.reseat(service, seat)
    return False


def _elsewhere(packing: Packing, service: int, seat: Seat, limit: int) -> bool:
    if packing.seat(service, seat.column, may_open=False):
        return True
    for column in sorted(packing.choices(service), key=packing.cost_of):
        if packing.cost + packing.cost_of(column) >= limit:
            return False
        if packing.seat(service, column, may_open=False):
            return True
    return False
