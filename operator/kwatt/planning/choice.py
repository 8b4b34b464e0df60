"""Which column each service takes at given prices, none of them twice over (planner reference 7)."""

from __future__ import annotations

from typing import Final

import numpy as np

from kwatt.planning.columns import Columns
from kwatt.planning.layout import Ints

_ROUNDS: Final = 4
_NEVER: Final = 2**61


def chosen_at(columns: Columns, paid: Ints, capacity: Ints) -> Ints:
    """Return one column per service of `columns`: the one it pays least for, unless a kind is overfilled.

    `paid` is what each column costs at the prices, `capacity` the NPUs of each kind.
    """
    return relieved(columns, paid, capacity, _cheapest(columns, paid))


def relieved(columns: Columns, paid: Ints, capacity: Ints, chosen: Ints) -> Ints:
    """Return a choice that overfills no kind, as far as there is room elsewhere.

    Out of a kind that is overfilled those services go that lose least for each NPU they free.
    """
    for _ in range(_ROUNDS):
        used = used_by(columns, chosen, len(capacity))
        over = np.flatnonzero(used > capacity)
        if not len(over):
            break
        for kind in over[np.argsort(capacity[over] - used[over], kind="stable")].tolist():
            chosen = _relieved(columns, paid, capacity, chosen, kind)
    return chosen


def _cheapest(columns: Columns, paid: Ints) -> Ints:
    least = np.minimum.reduceat(paid, columns.starts)
    lengths = np.diff([*columns.starts, len(paid)])
    at_least = np.flatnonzero(paid == np.repeat(least, lengths))
    _, first = np.unique(columns.service[at_least], return_index=True)
    return at_least[first]


def used_by(columns: Columns, chosen: Ints, kinds: int) -> Ints:
    """Return the NPUs of each kind that chosen columns take."""
    weights = columns.npus[chosen]
    return np.bincount(columns.kind[chosen], weights=weights, minlength=kinds).astype(np.int64)


def _relieved(columns: Columns, paid: Ints, capacity: Ints, chosen: Ints, kind: int) -> Ints:
    """Move services out of one kind until it fits or nobody has anywhere to go."""
    used = used_by(columns, chosen, len(capacity))
    excess = int(used[kind] - capacity[kind])
    inside = np.flatnonzero(columns.kind[chosen] == kind)
    members = np.zeros(len(columns.starts), dtype=np.bool_)
    members[inside] = True
    open_kinds = used < capacity
    open_kinds[kind] = False
    rank = np.cumsum(np.diff(columns.service, prepend=-1) > 0) - 1  # place of each column's service
    other = members[rank] & open_kinds[columns.kind]
    other &= columns.npus <= (capacity - used)[columns.kind]
    alternative = _cheapest(columns, np.where(other, paid, _NEVER))
    place = inside[other[alternative[inside]]]
    now, then = chosen[place], alternative[place]
    freed = np.minimum(columns.npus[now], max(1, excess))
    regret = (paid[then] - paid[now]) // np.maximum(1, freed)
    result = chosen.copy()
    for at in place[np.lexsort((place, regret))].tolist():
        before, after = int(chosen[at]), int(alternative[at])
        goal = int(columns.kind[after])
        if used[goal] + columns.npus[after] > capacity[goal]:
            continue
        result[at] = after
        used[goal] += columns.npus[after]
        used[kind] -= columns.npus[before]
        if used[kind] <= capacity[kind]:
            break
    return result
