"""The menu: every offer that any service may choose, and its curve, as tables for vectors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from kwatt.planning.layout import UNLIMITED, Ints, vector_of
from kwatt.planning.options import Offer

NEVER: Final = UNLIMITED  # the p99 of a point without one, and the limit of a service without one
_ABSENT: Final = 2 * NEVER  # the p99 of what is no point: it meets no limit
MOST_WATTS: Final = 2**32  # a larger figure is cut to it: to need less is never harder

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Menu:
    """One row per offer; lists of offers that services share stand in it once, `first` by identity.

    `npus`, whole `watts` above idle, `idle` and `reserved` milliwatts are of one replica. `rates`,
    `powers` and `p99` have a column per point, ascending by rate, `sizes` tells how many count: beyond
    them `p99` is above NEVER.
    `powers_on` is the least power of a point and all beyond it.
    """

    offers: tuple[Offer, ...]
    first: Mapping[int, int]
    npus: Ints
    watts: Ints
    idle: Ints
    reserved: Ints
    sizes: Ints
    rates: Ints
    powers: Ints
    powers_on: Ints
    p99: Ints

    def line(self, powers: Ints, place: int) -> tuple[_Floats, _Floats]:
        """Return, by offer, the power of the point below `place` and its rise by rate up to there.

        The power of the first point holds below it: there nothing rises.
        """
        if place == 0:
            return powers[:, 0].astype(np.float64), np.zeros(len(powers))
        run = self.rates[:, place] - self.rates[:, place - 1]
        rise = powers[:, place] - powers[:, place - 1]
        slope: _Floats = rise / np.maximum(run, 1)  # 0 or less where the offer has no such point
        return powers[:, place - 1].astype(np.float64), slope


def menu_of(lists: Iterable[tuple[Offer, ...]]) -> Menu:
    """Return the menu of some lists of offers."""
    distinct = {id(offers): offers for offers in lists}
    first: dict[int, int] = {}
    rows: list[Offer] = []
    for identity, offers in distinct.items():
        first[identity] = len(rows)
        rows += offers
    curves = [offer.curve for offer in rows]
    sizes = vector_of([len(curve.points) for curve in curves])
    p99 = _table(
        [[NEVER if p.p99_micros is None else p.p99_micros for p in c.points] for c in curves]
    )
    p99[np.arange(p99.shape[1]) >= sizes[:, None]] = _ABSENT
    return Menu(
        offers=tuple(rows),
        first=first,
        npus=vector_of([curve.npus for curve in curves]),
        watts=vector_of([min(offer.watts, MOST_WATTS) for offer in rows]),
        idle=vector_of([offer.idle.milliwatts for offer in rows]),
        reserved=vector_of([offer.idle.milliwatts + 1000 * offer.watts for offer in rows]),
        sizes=sizes,
        rates=_table([curve.rates for curve in curves]),
        powers=_table([curve.powers for curve in curves]),
        powers_on=_table([_least_from_here(curve.powers) for curve in curves]),
        p99=p99,
    )


def _least_from_here(powers: Sequence[int]) -> list[int]:
    return [min(powers[place:]) for place in range(len(powers))]


def _table(rows: Sequence[Sequence[int]]) -> Ints:
    width = max((len(row) for row in rows), default=0)
    padded = [amount for row in rows for amount in (*row, *[0] * (width - len(row)))]
    return vector_of(padded).reshape(len(rows), width)
