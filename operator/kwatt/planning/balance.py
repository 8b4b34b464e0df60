"""Whether a change of running replicas pays: what is drawn before and after, against what the starts cost.

    (saved - margin) * horizon > joules of the starts,   margin = 5 % of what was drawn before

Figures that are off by up to the margin never make the way back pay, which needs a' < 0.95 b': from b < 0.95 a
follows 0.95 b' <= 0.95 * 1.05 b < 0.95 a <= a'. Sums are of thousandths of a milliwatt, exact integers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from kwatt.model.keys import ServiceKey
from kwatt.model.npu import Profile
from kwatt.model.snapshot import Node, Service, Snapshot
from kwatt.planning.draft import Draft, Holding
from kwatt.units import Energy, Power

MARGIN_PERCENT: Final = 5
START_SECONDS: Final = 60  # [assumption] of reserved watts per start, where a profile measures none
FINE: Final = 1000  # parts of a milliwatt

Holdings = Mapping[ServiceKey, Holding]


@dataclass(frozen=True, slots=True)
class Balance:
    """What is drawn by what a change touches, `before` and `after` it, in thousandths of a milliwatt."""

    before: int
    after: int

    @property
    def saved(self) -> Power:
        """Return the watts saved, rounded down to the milliwatt."""
        return Power((self.before - self.after) // FINE)

    def pays(self, seconds: int, charge: Energy) -> bool:
        """Tell whether what is saved beyond the margin over `seconds` is more than `charge`."""
        return self.gain(seconds, charge) > 0

    def gain(self, seconds: int, charge: Energy) -> int:
        """Return what a change gains over `seconds` beyond margin and charge, in 10^-5 millijoules."""
        beyond = 100 * (self.before - self.after) - MARGIN_PERCENT * self.before
        return beyond * seconds - charge.millijoules * 100 * FINE


class _Load(NamedTuple):
    npus: int
    replicas: int


class Loads:
    """NPUs and replicas of the plan on each node, and the idle watts that follow from them (design 6)."""

    def __init__(self, draft: Draft) -> None:
        snapshot = draft.snapshot
        off = {name for b in snapshot.budgets if b.empty_off for name in b.nodes}
        self._nodes = draft.layout.nodes
        self._off = [_may_be_off(node, off) for node in self._nodes]
        self._idle = [_idle_of(snapshot, node) for node in self._nodes]
        self._loads: dict[int, _Load] = {}
        for holdings in draft.holdings.values():
            self.replace((), holdings)

    def is_off_when_empty(self, number: int) -> bool:
        """Tell whether a node draws nothing once the plan has no replica on it."""
        return self._off[number]

    def idle(self, number: int) -> int:
        """Return the idle draw of a node in milliwatts."""
        return self._idle_at(number, self._loads.get(number, _Load(0, 0)))

    def balance(self, before: Iterable[Holding], after: Iterable[Holding]) -> Balance:
        """Compare what is drawn when holdings are replaced; NPUs that are idle in both take no part."""
        gone, come = tuple(before), tuple(after)
        drawn_before, drawn_after = sum(map(_planned, gone)), sum(map(_planned, come))
        for number, load in self._changed(gone, come).items():
            rise = FINE * (self._idle_at(number, load) - self.idle(number))
            drawn_before += max(0, -rise)
            drawn_after += max(0, rise)
        return Balance(drawn_before, drawn_after)

    def replace(self, before: Iterable[Holding], after: Iterable[Holding]) -> None:
        """Count holdings in the place of others."""
        self._loads |= self._changed(before, after)

    def _changed(self, gone: Iterable[Holding], come: Iterable[Holding]) -> dict[int, _Load]:
        """Return the loads of the nodes on which holdings are replaced, as they are then."""
        loads: dict[int, _Load] = {}
        for sign, holdings in ((-1, gone), (1, come)):
            for holding in holdings:
                npus = holding.demand.variant.npus
                for number, count in holding.counts:
                    load = loads.get(number) or self._loads.get(number, _Load(0, 0))
                    held, replicas = load.npus + sign * npus * count, load.replicas + sign * count
                    loads[number] = _Load(held, replicas)
        return loads

    def _idle_at(self, number: int, load: _Load) -> int:
        if not load.replicas and self._off[number]:
            return 0
        node = self._nodes[number]
        unheld = node.npus_capacity - node.foreign_npus - node.stuck_npus - load.npus
        return max(0, unheld) * self._idle[number]


def start_energy(profile: Profile | None, holding: Holding) -> Energy:
    """Return what one start costs: as measured, else START_SECONDS at the replica's reserved watts."""
    if profile is not None and profile.start_energy is not None:
        return profile.start_energy
    return Energy.of(holding.demand.reserved, START_SECONDS)


def starts_of(draft: Draft, service: Service, holding: Holding) -> int:
    """Return how many replicas of a holding do not run yet."""
    running = draft.running(service, holding.demand.variant)
    return sum(max(0, count - running.get(number, 0)) for number, count in holding.counts)


def gives_up(draft: Draft, service: Service, holding: Holding) -> bool:
    """Tell whether replicas that run, or were released, are none of those held."""
    kept = dict(holding.counts)
    numbers = draft.layout.numbers
    return any(
        incumbent.variant != holding.demand.variant
        or incumbent.replicas > kept.get(numbers[incumbent.node], 0)
        for incumbent in service.incumbents
        if incumbent.node in numbers
    )


def _may_be_off(node: Node, off: set[str]) -> bool:
    return node.name in off and not node.foreign_npus and not node.stuck_npus


def _idle_of(snapshot: Snapshot, node: Node) -> int:
    npu_class = snapshot.classes.get(node.npu_class or "")
    return npu_class.idle.milliwatts if npu_class else 0


def _planned(holding: Holding) -> int:
    """Return what the replicas of a holding draw at the rate that they serve."""
    if holding.option is None:
        return FINE * holding.demand.reserved.milliwatts * holding.replicas
    numerator, denominator = holding.option.curve.draw(holding.served, holding.replicas)
    return FINE * numerator // denominator
