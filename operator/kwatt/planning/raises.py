"""Raises: the least whole watts that budgets lack for some replicas, each found by trying."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Final

from kwatt.planning.fill import fill
from kwatt.planning.layout import bounded
from kwatt.planning.ledger import Ledger
from kwatt.planning.shortage import Shortage, budget_shortages, room_after
from kwatt.planning.spots import Spots
from kwatt.units import Power, ceiling

MOST_TOGETHER: Final = 3  # budgets that are raised together
_ROUNDS: Final = 2 * MOST_TOGETHER

Suffices = Callable[[Ledger], bool]


def least_raise(
    ledger: Ledger, spots: Spots, replicas: int, shortage: Shortage, suffices: Suffices
) -> int | None:
    """Return the least watts on one budget that suffice, None where all it lacks does not.

    `replicas` on the spots are what it is to suffice for: they tell which amount is likely the least.
    """
    budget = shortage.budget
    low, high = (_whole_watts(lack) for lack in (shortage.missing, _difference(shortage)))

    def enough(watts: int) -> bool:
        return suffices(raised(ledger, {budget: watts}))

    if low >= 1 and enough(low):
        return low
    low = max(low, 0)
    if high <= low or not enough(high):
        return None
    unused = _unused(raised(ledger, {budget: high}), budget, (spots, replicas))
    return _between(low, high, enough, high - unused)


def joint_raise(
    ledger: Ledger, spots: Spots, replicas: int, suffices: Suffices
) -> dict[int, int] | None:
    """Return watts by budget that suffice together, none of them more than it must be; None if not found."""
    watts: dict[int, int] = {}
    for _ in range(_ROUNDS):
        now = raised(ledger, watts)
        if watts and suffices(now):
            return _shaved(ledger, watts, suffices, (spots, replicas))
        shortage = next(iter(budget_shortages(now, spots, replicas)), None)
        if shortage is None or len(watts | {shortage.budget: 0}) > MOST_TOGETHER:
            return None
        lack = _whole_watts(shortage.missing)
        more = lack if lack >= 1 else _whole_watts(_difference(shortage))
        watts[shortage.budget] = watts.get(shortage.budget, 0) + more
    return None


def raised(ledger: Ledger, watts: Mapping[int, int]) -> Ledger:
    """Return the ledger with the caps of some budgets higher by whole watts."""
    higher = ledger.copy()
    for budget, more in watts.items():
        higher.room[budget] = bounded(int(higher.room[budget]) + 1000 * more)
    return higher


def stopping(ledger: Ledger, spots: Spots, replicas: int, most: int) -> list[Shortage]:
    """Return the budgets that stop so many replicas, those over most of the nodes with room first."""
    return list(islice(budget_shortages(ledger, spots, replicas), most))


def _shaved(
    ledger: Ledger, watts: Mapping[int, int], suffices: Suffices, wanted: tuple[Spots, int]
) -> dict[int, int]:
    """Return the watts, one budget after the other lowered to what is needed beside the others."""
    least = dict(watts)
    for budget in sorted(watts):
        others = raised(ledger, {b: w for b, w in least.items() if b != budget})
        if suffices(others):
            del least[budget]
        else:
            least[budget] = _least_beside(others, budget, least[budget], suffices, wanted)
    return least


def _least_beside(
    others: Ledger, budget: int, high: int, suffices: Suffices, wanted: tuple[Spots, int]
) -> int:
    likely = high - _unused(raised(others, {budget: high}), budget, wanted)
    return _between(0, high, lambda watts: suffices(raised(others, {budget: watts})), likely)


def _unused(ledger: Ledger, budget: int, wanted: tuple[Spots, int]) -> int:
    """Return the whole watts that a budget has left behind the replicas wanted."""
    spots, replicas = wanted
    return room_after(ledger, spots, fill(ledger, spots, replicas))[budget] // 1000


def _between(low: int, high: int, enough: Callable[[int], bool], likely: int = 0) -> int:
    """Return the least amount above `low`, which is not enough, that is; `high` is.

    The likely amount and the one below it are tried first.
    """
    for guess in (likely, likely - 1):
        if low < guess < high:
            low, high = (low, guess) if enough(guess) else (guess, high)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _difference(shortage: Shortage) -> Power:
    return shortage.needed - shortage.available


def _whole_watts(power: Power) -> int:
    return ceiling(power.milliwatts, 1000)
