"""Whose watts a card's watts are. Whole milliwatts, and the parts sum to the card exactly.

Where the exporter names pods, a card's watts belong to those that it names, as far as they hold NPUs of that
class on that node. Else they are shared out over all pods that do, by planned share, and are estimated. The
idle watts of NPUs that nobody holds stay with the node. Nothing is ever attributed to a pod elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kwatt.energy.holdings import Holder, Pool
from kwatt.model.telemetry import CardSample


@dataclass(frozen=True, slots=True)
class Attribution:
    """The milliwatts of one card by who holds it; `rest` is what stays with the node."""

    parts: tuple[tuple[Holder, int], ...]
    rest: int
    estimated: bool = False


def attribute(sample: CardSample, pool: Pool) -> Attribution:
    """Share the watts of one card out over the holders of its pool; the sum is the card's watts.

    Of an NPU that nobody holds the class's idle watts stay with the node, the card's whole draw at most. What
    several pods on one card draw is not measured apart: they share it by planned share.
    """
    if sample.names_pods:
        named = set(sample.pods)
        holders = [holder for holder in pool.holders if holder.pod in named]
        free = sample.devices - sum(_on_card(holder, sample) for holder in holders)
        idle = max(0, free) * pool.idle.milliwatts
        return _shared(sample, holders, idle, estimated=len(holders) > 1)
    free = max(0, pool.npus - sum(holder.npus for holder in pool.holders))
    # every card carries its share of the node's free NPUs, so that no figure hangs on another card's
    idle = free * pool.idle.milliwatts * sample.devices // max(1, pool.npus)
    return _shared(sample, pool.holders, idle, estimated=bool(pool.holders))


def _shared(
    sample: CardSample, holders: Sequence[Holder], idle: int, *, estimated: bool
) -> Attribution:
    total = sample.power.milliwatts
    if not holders:
        return Attribution((), total)
    rest = min(total, idle)
    weights = [_weight(holder, sample) for holder in holders]
    return Attribution(
        tuple(zip(holders, proportional(total - rest, weights), strict=True)), rest, estimated
    )


def _on_card(holder: Holder, sample: CardSample) -> int:
    return min(holder.npus, sample.devices)


def _weight(holder: Holder, sample: CardSample) -> int:
    """Return the planned milliwatts of the NPUs that a pod can hold of a card that names it, else of all."""
    if not sample.names_pods:
        return holder.planned.milliwatts
    return holder.planned.milliwatts * _on_card(holder, sample) // max(1, holder.npus)


def proportional(amount: int, weights: Sequence[int]) -> tuple[int, ...]:
    """Share `amount` by weight into whole parts that sum to it, by largest remainder, the first winning ties.

    Equal parts where no weight is above 0. Hamilton's method of apportionment.
    """
    total = sum(weights)
    if not total:
        weights, total = [1] * len(weights), len(weights)
    parts = [amount * weight // total for weight in weights]
    order = sorted(range(len(weights)), key=lambda i: (-(amount * weights[i] % total), i))
    for index in order[: amount - sum(parts)]:
        parts[index] += 1
    return tuple(parts)
