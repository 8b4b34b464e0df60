"""Class prices by dual ascent (planner reference 6): what an NPU of each kind is worth while others want it.

Where nodes may run out of cpu or memory first, these have prices as well. Prices are whole numbers, and what
decides is exact or rounded as IEEE 754 says, so that every machine finds the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from kwatt.planning.columns import SCALE, Columns
from kwatt.planning.lagrangian import Prices, Relaxation, prices_for, sum_of
from kwatt.planning.layout import Ints

KEPT: Final = 12  # columns per service that take part, those cheapest where no kind is full
_ROUNDS: Final = 400
_PATIENCE: Final = 8  # rounds without a better bound before the step shrinks
_FIRST_STEP, LEAST_STEP, _SHRINK = 0.3, 1e-3, 0.6
_PRECISION: Final = 10**7
_NONE: Final = 2**61
_LAST: Final = np.iinfo(np.int64).max
_BLOCK: Final = 2048  # services whose columns are sorted together
_DEAREST: Final = 2**58  # what a column may cost at any price

_Floats = npt.NDArray[np.float64]


class Supply(Protocol):
    """What there is at prices by resource (`names`) and kind, and what it earns."""

    names: tuple[str, ...]

    def earned(self, price: Ints) -> int:
        """Return what all of it earns at most."""

    def lack(self, price: Ints, used: Ints) -> _Floats:
        """Return the share of each resource and kind that is lacking, below 0 where some is left over."""

    def at_least_opening(self, price: _Floats) -> Ints:
        """Return whole prices at which something may be had."""

    def least_steps(self, typical: int) -> _Floats:
        """Return, for a price near 0, from what size its steps are taken."""


def prices_of(relaxation: Relaxation) -> Prices:
    """Return the prices of what nodes have at which the Lagrangian bound is highest, budgets left aside."""
    supply = _Supply(relaxation)
    first = np.zeros((len(supply.names), relaxation.kinds))
    best = ascended(relaxation.columns, supply, supply.at_least_opening(first))
    return prices_for(relaxation, **dict(zip(supply.names, best, strict=True)))


def ascended(columns: Columns, supply: Supply, first: Ints, precision: int = _PRECISION) -> Ints:
    """Return the prices, by resource and kind, of what there is at which the Lagrangian bound is highest.

    The search starts at the prices `first`. What raises it by less than one part in `precision` does not count.
    """
    price = best = first
    matrix = _Matrix(columns, price, supply.names)
    least = supply.least_steps(_typical(columns))
    step, highest, stalled = _FIRST_STEP, None, 0
    for _ in range(_ROUNDS):
        value, used = matrix.cheapest(price)
        value -= supply.earned(price)
        if highest is None or value > highest + abs(highest) // precision:
            highest, best, used_at_best, stalled = value, price, used, 0
        else:
            stalled += 1
            if stalled >= _PATIENCE:
                step, stalled, price = step * _SHRINK, 0, best
                if step < LEAST_STEP:
                    break
                used = used_at_best
        lack = supply.lack(price, used)
        if not lack.any():
            break
        raised = np.maximum(0.0, price + step * lack * np.maximum(price, least))
        price = np.minimum(supply.at_least_opening(raised), matrix.dearest)
    return best


def names_of(relaxation: Relaxation) -> tuple[str, ...]:
    """Return what of nodes has a price, as the fields of `Columns` and `Prices` are called."""
    hosts = ("cpu", "memory") if relaxation.counts_hosts else ()
    return ("npus", *hosts, *(("watts",) if relaxation.counts_watts else ()))


class _Matrix:
    """The columns that take part, one row per service, padded with columns that nobody takes."""

    def __init__(self, columns: Columns, price: Ints, names: Sequence[str]) -> None:
        needs: list[Ints] = [getattr(columns, name) for name in names]
        at_first = columns.cost.copy()
        for need, of_resource in zip(needs, price, strict=True):
            at_first += of_resource[columns.kind] * need
        row, place, chosen = _first_of_each(columns, at_first)
        shape = len(columns.starts), KEPT
        self._cost = np.full(shape, _NONE, dtype=np.int64)
        self._kind = np.zeros(shape, dtype=np.int64)
        self._cost[row, place] = columns.cost[chosen]
        self._kind[row, place] = columns.kind[chosen]
        self._needs = np.zeros((len(names), *shape), dtype=np.int64)
        for number, need in enumerate(needs):
            self._needs[number, row, place] = need[chosen]
        self._first = KEPT * np.arange(shape[0])
        self._paid, self._each = np.empty_like(self._cost), np.empty_like(self._cost)
        most = [max(1, int(need.max(initial=1))) for need in needs]
        self.dearest = np.array([[_DEAREST // amount] for amount in most], dtype=np.int64)

    def cheapest(self, price: Ints) -> tuple[int, Ints]:
        """Return the sum of what each service pays at least, and what of each kind is so used."""
        paid, each = self._paid, self._each
        np.copyto(paid, self._cost)
        for need, of_resource in zip(self._needs, price, strict=True):
            np.take(of_resource, self._kind, out=each, mode="clip")  # the others check each index
            np.multiply(each, need, out=each)
            np.add(paid, each, out=paid)
        best = paid.argmin(axis=1) + self._first
        kind = self._kind.take(best)
        used = [
            np.bincount(kind, weights=need.take(best), minlength=price.shape[1])
            for need in self._needs
        ]
        return sum_of(paid.take(best)), np.array(used).astype(np.int64)


class _Supply:
    """What the nodes offer at a price: those whose opening it pays for."""

    def __init__(self, relaxation: Relaxation) -> None:
        pools = relaxation.pools
        self.names = names_of(relaxation)
        self.kinds = relaxation.kinds
        self._kind = _vector([pool.kind for pool in pools])
        amounts = {
            "npus": [pool.usable for pool in pools],
            "cpu": [pool.cpu for pool in pools],
            "memory": [pool.memory for pool in pools],
        }
        self._amounts = np.array([amounts[name] for name in self.names], dtype=np.int64)
        self._opening = _vector([pool.opening for pool in pools]) * SCALE
        self._nodes = _vector([pool.nodes for pool in pools])
        self._slack = (self._opening >> 12) + self._amounts.sum(axis=0)

    def earned(self, price: Ints) -> int:
        """Return what full nodes earn beyond their opening."""
        return whole_sum(np.maximum(0, self._profit(price)) * self._nodes)

    def lack(self, price: Ints, used: Ints) -> _Floats:
        """Return the share of each resource and kind that is lacking, below 0 where some is left over.

        Of nodes that just pay for their opening as many are open as the scarcest resource asks for, or
        fewer where another one, of which less is needed, has a price: it falls while the scarcest rises.
        """
        profit = self._profit(price)
        sure = self._sum(profit > self._slack)
        more = self._sum(np.abs(profit) <= self._slack)
        needed = np.clip(np.where(more > 0, (used - sure) / np.maximum(more, 1), 0.0), 0, 1)
        counts = (price > 0) | (needed == needed.max(axis=0))
        opened = (needed * counts).sum(axis=0) / counts.sum(axis=0)
        supply = sure + opened * more
        share: _Floats = (used - supply) / np.maximum(1.0, np.maximum(used, supply))
        return np.where(np.abs(share) < LEAST_STEP, 0.0, share).clip(-1, 1)

    def at_least_opening(self, price: _Floats) -> Ints:
        """Return prices raised so that, of each kind, the node that costs least to open pays for that."""
        earned = (price[:, self._kind] * self._amounts).sum(axis=0)
        factor = np.full(self.kinds, np.inf)
        np.minimum.at(factor, self._kind, self._opening / np.maximum(earned, 1e-9))
        raised = price * np.where(np.isfinite(factor), np.maximum(factor, 1.0), 1.0)
        unpriced = price.sum(axis=0) <= 0
        first = np.full(self.kinds, np.inf)
        np.minimum.at(first, self._kind, self._opening / np.maximum(self._amounts[0], 1))
        raised[0] = np.where(unpriced, np.where(np.isfinite(first), first, 0.0), raised[0])
        raised[1:, unpriced] = 0.0
        rounded: Ints = np.rint(raised).astype(np.int64)
        return rounded

    def least_steps(self, typical: int) -> _Floats:
        """Return, for a price near 0, from what size its steps are taken: an eighth of a node's worth."""
        worth = np.maximum(self._opening, typical * self._amounts[0])
        each = np.zeros((len(self.names), self.kinds))
        for number, amounts in enumerate(self._amounts):
            np.maximum.at(each[number], self._kind, worth / np.maximum(amounts, 1) / 8)
        return each + 1

    def _profit(self, price: Ints) -> _Floats:
        """Return what each pool's node earns; exact unless prices rose without an end."""
        profit: _Floats = (price.astype(np.float64)[:, self._kind] * self._amounts).sum(axis=0)
        return profit - self._opening

    def _sum(self, chosen: npt.NDArray[np.bool_]) -> _Floats:
        """Return what the chosen pools have in all, by resource and kind."""
        weights = chosen * self._nodes
        rows = [
            np.bincount(self._kind, weights=amounts * weights, minlength=self.kinds)
            for amounts in self._amounts
        ]
        return np.array(rows)


def whole_sum(amounts: _Floats) -> int:
    """Return the sum of whole numbers that may be beyond 64 bits, to the last digit below 2^53."""
    return int(math.fsum(amounts.tolist()))


def _first_of_each(columns: Columns, paid: Ints) -> tuple[Ints, Ints, Ints]:
    """Return the KEPT columns for which each service pays least, with their row and their rank in it.

    Rows are sorted as a table: that takes a tenth of the time that all columns in one sort take.
    """
    lengths = columns.lengths
    found: list[tuple[Ints, Ints, Ints]] = []
    for first in range(0, len(lengths), _BLOCK):
        length, start = lengths[first : first + _BLOCK], columns.starts[first : first + _BLOCK]
        row = np.repeat(np.arange(len(length)), length)
        place = np.arange(len(row)) + start[0] - start[row]
        table = np.full((len(length), int(length.max())), _LAST, dtype=np.int64)
        table[row, place] = paid[start[0] : start[0] + len(row)]
        ordered = np.argsort(table, axis=1, kind="stable")[:, :KEPT]
        at, rank = np.nonzero(np.arange(ordered.shape[1]) < length[:, None])
        found.append((first + at, rank, start[at] + ordered[at, rank]))
    row, rank, chosen = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return row, rank, chosen


def _typical(columns: Columns) -> int:
    return int(np.abs(columns.cost).sum()) // max(1, int(columns.npus.sum()))


def _vector(amounts: list[int]) -> Ints:
    return np.array(amounts, dtype=np.int64)
