"""Tidying: after a change left holes, empty a node by moving the few replicas that others have there.

Small changes leave holes that later ones do not quite fill, so over thousands of changes ever more nodes are
on for little. Moving costs restarts: it is done only where the caller allows some.
"""

from __future__ import annotations

from itertools import islice
from typing import Final

from kwatt.model.keys import ServiceKey
from kwatt.planning.bins import merged
from kwatt.planning.draft import Holding
from kwatt.planning.standing import Delta, Standing, only

MOST_LOOKED_AT: Final = 8  # nodes with most free NPUs


def tidy(standing: Standing, after: Delta, most_moves: int) -> Delta:
    """Empty one node where a step freed something, with at most so many replicas moved."""
    freed = [
        holding.counts[0][0]
        for key, holding in after.before.items()
        if holding and holding is not after.after.get(key)
    ]
    for number in freed if most_moves > 0 else ():
        for candidate in islice(standing.bins.emptiest(number), MOST_LOOKED_AT):
            found = _emptied(standing, candidate, most_moves)
            if found:
                return found
    return Delta()


def _emptied(standing: Standing, number: int, most_moves: int) -> Delta | None:
    """Move all replicas of a node to nodes that are on anyway; None, with nothing changed, without room."""
    bins = standing.bins
    if not bins.opening[number] or bins.held[number] > most_moves:
        return None
    before = {
        key: standing.holdings[key] for key in sorted(standing.on_node[number], key=standing.order)
    }
    for holding in before.values():
        standing.take(holding, only(holding, number))
    bins.withdraw(number)
    after: dict[ServiceKey, Holding] = {}
    for key, holding in before.items():
        moved = _elsewhere(standing, key, holding, number)
        if moved is None:
            standing.undo_loss(number, before, after)
            return None
        after[key] = moved
    bins.readmit(number)
    return standing.settle(before, after)


def _elsewhere(
    standing: Standing, key: ServiceKey, holding: Holding, number: int
) -> Holding | None:
    """Return a holding whose replicas on a node, taken back already, are on other open nodes."""
    if holding.option is None:
        return None
    piece = standing.piece(standing.services[key], holding.option)
    missing = sum(count for _, count in only(holding, number))
    placed = standing.bins.place(piece, missing, may_open=False)
    if placed is None:
        return None
    left = [place for place in holding.counts if place[0] != number]
    return Holding(holding.demand, holding.option, merged([*left, *placed]))
