"""Tidying: what a step leaves to do for others, as long as nothing of their services runs.

Services that found no room where they pay least come home once there is some. And a node that few replicas
are left on is emptied: most of its NPUs are idle, and once those replicas fit beside others it draws
nothing. Replicas that run stay: only `moves` moves those.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from kwatt.model.keys import ServiceKey
from kwatt.model.snapshot import Service
from kwatt.planning.bins import Counts, merged, only
from kwatt.planning.draft import Holding
from kwatt.planning.pricelist import Candidate

if TYPE_CHECKING:
    from kwatt.planning.standing import Standing

MOST_TRIED: Final = 2  # nodes of a pool per step, those first that have most NPUs free
MOST_MOVED: Final = 32  # replicas on a node that is worth emptying in a step, or of who comes home
MOST_ASKED: Final = 2  # displaced services per step, those first that wait longest

Holdings = dict[ServiceKey, Holding]
Kind = tuple[str, str]


class Tidied(NamedTuple):
    """What services held before, and hold now."""

    before: Holdings
    after: Holdings

    def note(self, standing: Standing, before: Holdings, after: Holdings) -> None:
        """Settle what some services hold now."""
        standing.settle(before, after)
        self.before.update({key: held for key, held in before.items() if key not in self.before})
        self.after.update(after)


class Displaced:
    """Services that found no room where they pay least, with what that would be, by kind of node."""

    def __init__(self) -> None:
        self._wanted: dict[ServiceKey, Candidate] = {}
        self._waiting: dict[Kind, dict[ServiceKey, None]] = {}
        self._regrets: dict[ServiceKey, int] = {}
        self.regret = 0  # of all together, in milliwatts x SCALE

    def note(self, key: ServiceKey, wanted: Candidate | None, regret: int = 0) -> None:
        """Note what a service would pay least for, and what it pays more; None: it has that, or is gone."""
        before = self._wanted.pop(key, None)
        if before:
            del self._waiting[kind_of(before)][key]
            self.regret -= self._regrets.pop(key)
        if wanted:
            self._wanted[key], self._regrets[key] = wanted, regret
            self.regret += regret
            self._waiting.setdefault(kind_of(wanted), {})[key] = None

    def next(self, kind: Kind) -> list[tuple[ServiceKey, Candidate]]:
        """Return a few who wait for a kind of node; they are last the next time."""
        waiting = self._waiting.get(kind, {})
        found = list(islice(waiting, MOST_ASKED))
        for key in found:
            waiting[key] = waiting.pop(key)
        return [(key, self._wanted[key]) for key in found]


def kind_of(candidate: Candidate) -> Kind:
    """Return the kind of node on which a candidate runs."""
    variant = candidate.option.variant
    return variant.npu_class, variant.resource


def returned(standing: Standing, kinds: Iterable[Kind]) -> Tidied:
    """Bring displaced services home to some kinds of node."""
    found = Tidied({}, {})
    for kind in kinds:
        for key, wanted in standing.displaced.next(kind):
            held, service = standing.holdings[key], standing.services[key]
            stays = runs(service) or held.demand.variant == wanted.option.variant
            is_large = wanted.replicas > MOST_MOVED
            home = None if stays or is_large else _home(standing, service, wanted)
            if home:
                found.note(standing, {key: held}, {key: home})
            if home or stays:
                standing.displaced.note(key, None)
    return found


def _home(standing: Standing, service: Service, wanted: Candidate) -> Holding | None:
    """Place a service as it pays least; None, and as before, where there is no room or it draws no less."""
    held, opened = standing.holdings[service.key], standing.bins.opened
    home = standing.placed(service, wanted)
    if home is None:
        return None
    standing.take(held, held.counts)
    if 1000 * (standing.bins.opened - opened) + _cost(home) < _cost(held):
        return home
    standing.take(home, home.counts)
    standing.restore(held, held.counts)
    return None


def _cost(holding: Holding) -> int:
    """Return what a holding draws besides nodes that it opens, in thousandths of a milliwatt."""
    return holding.option.cost(holding.replicas) if holding.option else 0


def tidied(standing: Standing, pools: Iterable[int]) -> Tidied:
    """Empty nodes of some pools of the bins."""
    found = Tidied({}, {})
    for pool in pools:
        for number in standing.bins.sparsest(pool, MOST_TRIED):
            keys = _movable(standing, number)
            held = {key: standing.holdings[key] for key in keys}
            if not keys or not standing.bins.has_holes(pool, number, _sizes(held, number)):
                break
            moved = _emptied(standing, number, keys)
            if not moved:
                break
            found.note(standing, held, moved)
    return found


def _movable(standing: Standing, number: int) -> Sequence[ServiceKey]:
    """Return whose replicas have to leave a node, the largest first; nobody's if they are not to move."""
    keys = standing.on_node.get(number, set())
    few = 0 < len(keys) <= standing.bins.held[number] <= MOST_MOVED
    if not few or any(runs(standing.services[key]) for key in keys):
        return ()
    return sorted(keys, key=standing.order)


def _sizes(held: Holdings, number: int) -> Counter[int]:
    """Return how many replicas of each size are on a node."""
    sizes: Counter[int] = Counter()
    for holding in held.values():
        sizes[holding.demand.variant.npus] += sum(n for _, n in only(holding.counts, number))
    return sizes


def runs(service: Service) -> bool:
    """Tell whether any replica of a service was released to a node."""
    return bool(service.incumbents or service.starting)


def _emptied(standing: Standing, number: int, keys: Sequence[ServiceKey]) -> Holdings:
    """Place what is on a node on open nodes; return what the services hold then, {} if it does not fit."""
    pieces = {key: standing.piece_of(key) for key in keys}
    here = {key: only(standing.holdings[key].counts, number) for key in keys}
    for key in keys:
        standing.bins.take(pieces[key], here[key])
    placed: dict[ServiceKey, Counts] = {}
    for key in keys:
        replicas = sum(count for _, count in here[key])
        counts = standing.bins.place(pieces[key], replicas, may_open=False)
        if counts is None:
            break
        placed[key] = counts
    if len(placed) == len(keys):
        return {key: _with(standing.holdings[key], number, placed[key]) for key in keys}
    for key, counts in placed.items():
        standing.bins.take(pieces[key], counts)
    for key in keys:
        standing.bins.restore(pieces[key], here[key])
    return {}


def _with(holding: Holding, left: int, placed: Counts) -> Holding:
    """Return a holding with replicas elsewhere instead of those on a node."""
    stay = [place for place in holding.counts if place[0] != left]
    return Holding(holding.demand, holding.option, merged([*stay, *placed]))
