"""Which column each service takes at given prices, nothing taken twice over (planner reference 7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from kwatt.planning.columns import Columns
from kwatt.planning.layout import Ints

_ROUNDS: Final = 4
_NEVER: Final = 2**61


@dataclass(frozen=True, slots=True)
class Stock:
    """What nodes of each kind have in all: `amounts` by resource and kind, `needs` by resource and column.

    NPUs are the first resource; `idle` are the milliwatts by kind that opening a node costs for each of them.
    """

    needs: Ints
    amounts: Ints
    idle: Ints

    def used(self, columns: Columns, chosen: Ints) -> Ints:
        """Return what chosen columns take, by resource and kind."""
        kind, kinds = columns.kind[chosen], self.amounts.shape[1]
        rows = [np.bincount(kind, weights=need[chosen], minlength=kinds) for need in self.needs]
        return np.array(rows).astype(np.int64)


def chosen_at(columns: Columns, paid: Ints, stock: Stock) -> Ints:
    """Return one column per service of `columns`: the one it pays least for, unless that takes too much.

    `paid` is what each column costs at the prices.
    """
    return relieved(columns, paid, stock, columns.cheapest(paid)[1])


def relieved(columns: Columns, paid: Ints, stock: Stock, chosen: Ints) -> Ints:
    """Return a choice that takes no more of any kind than there is, as far as there is room elsewhere."""
    for _ in range(_ROUNDS):
        used = stock.used(columns, chosen)
        excess = ((used - stock.amounts) / np.maximum(1, stock.amounts)).max(axis=0)
        over = np.flatnonzero(excess > 0)
        if not len(over):
            break
        for kind in over[np.argsort(-excess[over], kind="stable")].tolist():
            chosen = _relieved(columns, paid, stock, chosen, kind)
    return chosen


def _relieved(columns: Columns, paid: Ints, stock: Stock, chosen: Ints, kind: int) -> Ints:
    """Move services out of one kind, or to columns that take less, until it fits or nobody has a way.

    Those go first that lose least for each part they free of what is lacking most.
    """
    used = stock.used(columns, chosen)
    lacks = used[:, kind] / np.maximum(1, stock.amounts[:, kind])
    scarce = int(lacks.argmax())
    excess = int(used[scarce, kind] - stock.amounts[scarce, kind])
    inside = np.flatnonzero(columns.kind[chosen] == kind)
    ways = _ways_out(columns, stock, used, (kind, scarce), chosen, inside)
    alternative = columns.cheapest(np.where(ways, paid, _NEVER))[1]
    place = inside[ways[alternative[inside]]]
    now, then = chosen[place], alternative[place]
    need = stock.needs[scarce]
    freed = np.minimum(need[now] - np.where(columns.kind[then] == kind, need[then], 0), excess)
    regret = (paid[then] - paid[now]) // np.maximum(1, freed)
    result, left = chosen.copy(), stock.amounts - used
    for at in place[np.lexsort((place, regret))].tolist():
        before, after = int(chosen[at]), int(alternative[at])
        goal, change = int(columns.kind[after]), stock.needs[:, after]
        if goal != kind and (change > left[:, goal]).any():
            continue
        result[at] = after
        left[:, goal] -= change
        left[:, kind] += stock.needs[:, before]
        if (left[:, kind] >= 0).all():
            break
    return result


def _ways_out(
    columns: Columns, stock: Stock, used: Ints, lack: tuple[int, int], chosen: Ints, inside: Ints
) -> npt.NDArray[np.bool_]:
    """Tell which columns of the services inside a kind would relieve it: smaller ones, or ones elsewhere."""
    (kind, scarce), lengths = lack, columns.lengths
    current = np.zeros(len(columns.starts), dtype=np.int64)
    current[inside] = stock.needs[scarce, chosen[inside]]
    here = columns.kind == kind
    left = np.maximum(0, stock.amounts - used)
    fitting = ~here
    for need, of_kind in zip(stock.needs, left, strict=True):
        fitting &= need <= of_kind[columns.kind]
    fitting |= here & (stock.needs[scarce] < np.repeat(current, lengths))
    member = np.zeros(len(columns.starts), dtype=np.bool_)
    member[inside] = True
    ways: npt.NDArray[np.bool_] = fitting & np.repeat(member, lengths)
    return ways
