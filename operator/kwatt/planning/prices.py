"""Class prices by dual ascent (planner reference 6): what an NPU of each kind is worth while others want it.

Everything is in whole numbers, so that every machine finds the same prices.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from kwatt.planning.columns import Columns
from kwatt.planning.lagrangian import Prices, Relaxation
from kwatt.planning.layout import Ints

KEPT: Final = 12  # columns per service that take part, those cheapest where no kind is full
_ROUNDS: Final = 400
_PATIENCE: Final = 8  # rounds without a better bound before the step shrinks
_FIRST_STEP, _LEAST_STEP, _SHRINK = 0.3, 1e-5, 0.6
_NONE: Final = 2**61


def prices_of(relaxation: Relaxation) -> Prices:
    """Return the prices of NPUs at which the Lagrangian bound is highest, budgets left aside."""
    floor = _floors(relaxation)
    matrix = _Matrix(relaxation.columns, floor)
    supply = _Supply(relaxation)
    typical = _typical(relaxation.columns)
    least_step = np.maximum(floor, typical // 8 + 1).astype(np.float64)
    price = best = floor.copy()
    step, highest, stalled = _FIRST_STEP, None, 0
    for _ in range(_ROUNDS):
        value, used = matrix.cheapest(price)
        value -= supply.earned(price)
        if highest is None or value > highest + abs(highest) // 10**7:
            highest, best, stalled = value, price, 0
        else:
            stalled += 1
            if stalled >= _PATIENCE:
                step, stalled, price = step * _SHRINK, 0, best
                if step < _LEAST_STEP:
                    break
                _, used = matrix.cheapest(price)
        lack = supply.lack(price, used)
        if not lack.any():
            break
        raised = price + (step * lack * np.maximum(price, least_step)).astype(np.int64)
        price = np.maximum(floor, raised)
    none = np.zeros(relaxation.kinds, dtype=np.int64)
    return Prices(best, none, (0,) * len(relaxation.rooms), none[:0])


class _Matrix:
    """The columns that take part, one row per service, padded with columns that nobody takes."""

    def __init__(self, columns: Columns, floor: Ints) -> None:
        at_floor = columns.cost + floor[columns.kind] * columns.npus
        order = np.lexsort((at_floor, columns.service))
        rank = np.arange(len(order)) - np.repeat(
            columns.starts, np.diff([*columns.starts, len(order)])
        )
        kept = rank < KEPT
        rows = np.repeat(np.arange(len(columns.starts)), np.diff([*columns.starts, len(order)]))
        shape = len(columns.starts), KEPT
        self._cost = np.full(shape, _NONE, dtype=np.int64)
        self._kind = np.zeros(shape, dtype=np.int64)
        self._npus = np.zeros(shape, dtype=np.int64)
        chosen, row, place = order[kept], rows[kept], rank[kept]
        self._cost[row, place] = columns.cost[chosen]
        self._kind[row, place] = columns.kind[chosen]
        self._npus[row, place] = columns.npus[chosen]
        self._rows = np.arange(shape[0])

    def cheapest(self, price: Ints) -> tuple[int, Ints]:
        """Return the sum of what each service pays at least, and the NPUs of each kind so used."""
        paid = self._cost + price[self._kind] * self._npus
        best = paid.argmin(axis=1)
        kind, npus = self._kind[self._rows, best], self._npus[self._rows, best]
        used = np.bincount(kind, weights=npus, minlength=len(price))
        return int(paid[self._rows, best].sum()), used.astype(np.int64)


class _Supply:
    """What the nodes offer at a price: those whose opening it pays for."""

    def __init__(self, relaxation: Relaxation) -> None:
        pools = relaxation.pools
        self._kind = np.array([pool.kind for pool in pools], dtype=np.int64)
        self._usable = np.array([pool.usable for pool in pools], dtype=np.int64)
        self._opening = np.array([pool.opening for pool in pools], dtype=np.int64) * 2**16
        self._nodes = np.array([pool.nodes for pool in pools], dtype=np.int64)
        in_all = np.bincount(
            self._kind, weights=self._usable * self._nodes, minlength=relaxation.kinds
        )
        self._in_all = np.maximum(in_all, 1.0)

    def earned(self, price: Ints) -> int:
        """Return what full nodes earn beyond their opening."""
        profit = np.maximum(0, price[self._kind] * self._usable - self._opening)
        return int((profit * self._nodes).sum())

    def lack(self, price: Ints, used: Ints) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """Return the share of each kind that is lacking; 0 where an idle kind could cost no less.

        At the very price of opening a node any number of such nodes may be open.
        """
        profit = price[self._kind] * self._usable - self._opening
        total = self._usable * self._nodes
        kinds = len(price)
        most = np.bincount(self._kind, weights=total * (profit >= 0), minlength=kinds)
        least = np.bincount(self._kind, weights=total * (profit > 0), minlength=kinds)
        lack = np.where(used > most, used - most, np.where(used < least, used - least, 0.0))
        share: np.ndarray[tuple[int], np.dtype[np.float64]] = np.clip(lack / self._in_all, -1, 1)
        return share


def _floors(relaxation: Relaxation) -> Ints:
    """Return the price of each kind below which no node would be opened; 0 where some are open."""
    floor = np.full(relaxation.kinds, _NONE, dtype=np.int64)
    for pool in relaxation.pools:
        each = pool.opening * 2**16 // pool.usable
        floor[pool.kind] = min(int(floor[pool.kind]), each)
    return np.where(floor == _NONE, 0, floor)


def _typical(columns: Columns) -> int:
    return int(np.abs(columns.cost).sum()) // max(1, int(columns.npus.sum()))
