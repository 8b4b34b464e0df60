"""Choices: how many replicas of which option a service may have in a best plan, and on which nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from kwatt.model.snapshot import Service
from kwatt.planning.draft import Draft, Holding
from kwatt.planning.options import Option
from kwatt.planning.spots import new_slots


@dataclass(frozen=True, slots=True)
class Choice:
    """So many replicas of one option: the rate served in millionths a second, and the exact cost.

    `cost` is the draw minus the idle draw of the NPUs taken, in milliwatts.
    """

    option: Option
    replicas: int
    served: int
    cost: Fraction

    @property
    def is_whole(self) -> bool:
        """Tell whether the whole target is served."""
        return self.served == self.option.target

    @property
    def share(self) -> Fraction:
        """Return the part of the target that is served."""
        return Fraction(self.served, self.option.target)


@dataclass(frozen=True, slots=True)
class Ground:
    """An option with the nodes that can take new replicas of it: how many each, by node number.

    `kept` are the replicas that stay where they run.
    """

    option: Option
    slots: Mapping[int, int]
    kept: Holding | None = None

    def fewest(self) -> int:
        """Return how many replicas there are at least."""
        return max(self.option.least, self.stays())

    def stays(self) -> int:
        """Return how many replicas stay where they run."""
        return self.kept.replicas if self.kept else 0

    def most(self) -> int:
        """Return how many replicas the nodes take together, as far as the option can use them.

        Beyond the last of its counts more replicas draw less only where NPUs at work draw less than
        idle ones: then a service would take all of them, and leave none for those that come later.
        """
        option = self.option
        usable = max([option.useful(), *(count.replicas for count in option.counts)])
        return max(self.stays(), min(self.stays() + sum(self.slots.values()), usable))


def grounds_of(draft: Draft, service: Service, kept: Holding | None) -> list[Ground]:
    """Return where a service can go with what is not committed, watts aside.

    If it keeps replicas, that is with more of the same.
    """
    options = draft.options(service) if kept is None else [kept.option] if kept.option else []
    found = [Ground(option, _slots(draft, service, option), kept) for option in options]
    return [ground for ground in found if ground.slots or kept]


def choices_on(ground: Ground, held: Holding | None) -> list[Choice]:
    """Return the numbers of replicas for which no smaller one serves as much for as little.

    What is `held` of this option is a choice in any case.
    """
    same = held is not None and held.demand == ground.option.demand
    drafted = held.replicas if held is not None and same else 0
    found: list[Choice] = []
    for choice in _every(ground):
        if choice.replicas == drafted or not any(_is_as_good(fewer, choice) for fewer in found):
            found.append(choice)
    return found


def choice_of(option: Option, replicas: int) -> Choice:
    """Return the choice of so many replicas, at what they serve."""
    served = option.served(replicas)
    draw = Fraction(*option.curve.draw(served, replicas))
    return Choice(option, replicas, served, draw - replicas * option.demand.idle.milliwatts)


def _slots(draft: Draft, service: Service, option: Option) -> dict[int, int]:
    pool = draft.pool(service, option.variant)
    slots = new_slots(draft.committed, option.demand, pool)
    return {n: most for n, most in zip(pool.tolist(), slots.tolist(), strict=True) if most > 0}


def _every(ground: Ground) -> Iterator[Choice]:
    for replicas in range(ground.fewest(), ground.most() + 1):
        choice = choice_of(ground.option, replicas)
        if choice.served:
            yield choice


def _is_as_good(fewer: Choice, choice: Choice) -> bool:
    """Tell whether fewer replicas serve more, or the same at no more cost."""
    return (-fewer.served, fewer.cost) <= (-choice.served, choice.cost)
