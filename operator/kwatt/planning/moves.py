"""Moves of running replicas, the last pass over a finished draft: what draws less and pays for its starts.

Two kinds: a service takes another variant or more replicas, and a node that draws nothing when it is empty
gives its replicas to others, all or none. Nobody's served rate falls, nobody who is placed becomes unplaced,
and every cap and quota that the draft keeps is kept. Where nobody lets replicas move, nothing is done here.

A service of which a replica is just starting is left alone, unless the plan gives up some of its replicas
anyway: then it is in the middle of a move, which only gets cheaper to finish with each replica that started.
So the decision stays the same from cycle to cycle, and no memory of it is needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from kwatt.model.keys import ServiceKey
from kwatt.model.plan import Move
from kwatt.model.snapshot import Service
from kwatt.planning.balance import FINE, Balance, Loads, gives_up, start_energy, starts_of
from kwatt.planning.draft import Draft, Holding
from kwatt.planning.fill import fill_whole
from kwatt.planning.keep import counts_by_node
from kwatt.planning.options import Option
from kwatt.planning.spots import spots_for
from kwatt.units import NO_ENERGY, Energy

MOST_STARTS: Final = 16  # replicas that start or are about to for a move, at any time
MOST_TRIES: Final = 256  # assignments tried per plan
_TRIED_PER_SERVICE: Final = 4


class _Gain(NamedTuple):
    """Another way to run a service, ordered by what it gains at most."""

    most: int
    service: Service
    option: Option
    replicas: int
    starts: int  # at least


class _Change(NamedTuple):
    """Holdings in the place of others."""

    before: tuple[tuple[ServiceKey, Holding], ...]
    after: tuple[tuple[ServiceKey, Holding], ...]
    emptied: str | None


def move_running(draft: Draft, horizons: Mapping[str, int]) -> tuple[Move, ...]:
    """Move what pays within the draft; return the moves of running replicas, in the order taken.

    `horizons` has the seconds over which a move must pay on each node that takes part, by name.
    """
    return _Mover(draft, horizons).run()


class _Mover:
    """Takes changes one by one, the one that gains most first, until none pays or a limit is reached."""

    def __init__(self, draft: Draft, horizons: Mapping[str, int]) -> None:
        nodes = draft.layout.nodes
        self._draft = draft
        self._horizons = {
            n: horizons[one.name] for n, one in enumerate(nodes) if one.name in horizons
        }
        self._open_to = np.array(sorted(self._horizons), dtype=np.int64)
        self._services = {s.key: s for s in draft.snapshot.services}
        self._loads = Loads(draft)
        self._amid = {
            key
            for key, (holding, *others) in draft.holdings.items()
            if not (others and holding.option) and gives_up(draft, self._services[key], holding)
        }
        self._starts_left = max(
            0, MOST_STARTS - sum(self._services[k].starting for k in self._amid)
        )
        self._tries_left = MOST_TRIES
        self._moves: list[Move] = []

    def run(self) -> tuple[Move, ...]:
        while self._tries_left > 0:
            if not self._change_services() and not self._empty_nodes():
                break
        return tuple(self._moves)

    def _change_services(self) -> bool:
        """Try other variants and more replicas, moves under way first; tell whether any was taken."""
        gains: dict[ServiceKey, list[_Gain]] = {}
        for gain in self._gains():
            gains.setdefault(gain.service.key, []).append(gain)
        order = sorted(gains, key=lambda k: (k not in self._amid, -gains[k][0].most, k))
        return any([self._take_best(self._ways(gains[key][:_TRIED_PER_SERVICE])) for key in order])

    def _gains(self) -> Iterator[_Gain]:
        """Yield what services could gain at most, without regard to room, best first of each service."""
        for key in sorted(self._draft.holdings):
            service, holding = self._services[key], self._movable(key)
            if holding is not None:
                found = [
                    self._most_gained(service, holding, option, count.replicas)
                    for option in self._draft.options(service)
                    for count in option.counts
                    if option.variant != holding.demand.variant or count.replicas > holding.replicas
                ]
                better = [gain for gain in found if gain.most > 0]
                yield from sorted(better, key=lambda g: (-g.most, g.replicas, g.option.variant))

    def _most_gained(
        self, service: Service, holding: Holding, option: Option, replicas: int
    ) -> _Gain:
        """Return a bound on the gain: nodes that are left are off, and none is opened."""
        staying, _ = self._stayings(service, holding, option)
        target = Holding(option.demand, option, ((-1, replicas),))
        starts = max(0, replicas - sum(staying.values()))
        closing = FINE * sum(
            self._loads.idle(number) + count * holding.demand.idle.milliwatts
            for number, count in holding.counts
            if self._loads.is_off_when_empty(number)
        )
        held = FINE * holding.demand.idle.milliwatts * holding.replicas
        now = holding.option.cost(holding.replicas) + held if holding.option else 0
        then = option.cost(replicas) + held
        bound = Balance(now + closing, then)
        most = bound.gain(self._horizon([holding]), self._charge(service, target, starts))
        return _Gain(most, service, option, replicas, starts)

    def _ways(self, gains: Sequence[_Gain]) -> Iterator[_Change]:
        """Yield the changes of one service that have room."""
        for gain in gains:
            key = gain.service.key
            if self._tries_left <= 0 or gain.starts > self._starts_left:
                continue
            (holding,) = self._draft.release(key)
            running, planned = self._stayings(gain.service, holding, gain.option)
            found = [
                self._filled(gain.service, gain.option, gain.replicas, staying)
                for staying in ([running] if running == planned else [running, planned])
            ]
            self._draft.hold(key, holding)
            for after in found:
                if after is not None:
                    yield _Change(((key, holding),), ((key, after),), None)

    def _empty_nodes(self) -> bool:
        """Try to empty nodes that draw nothing then, moves under way first; tell whether any was."""
        on_node: dict[int, list[ServiceKey]] = {}
        for key, holdings in sorted(self._draft.holdings.items()):
            for number in {number for holding in holdings for number, _ in holding.counts}:
                on_node.setdefault(number, []).append(key)
        order = sorted(
            (n for n in on_node if n in self._horizons and self._loads.is_off_when_empty(n)),
            key=lambda n: (
                self._amid.isdisjoint(on_node[n]),
                len(on_node[n]),
                -self._loads.idle(n),
                n,
            ),
        )
        return any(self._take_best(self._emptied(number, on_node[number])) for number in order)

    def _emptied(self, number: int, keys: Sequence[ServiceKey]) -> Iterator[_Change]:
        """Yield the changes that take every replica off a node, if there is room for all of them."""
        tried = self._tries_left > 0 and len(keys) <= MOST_STARTS
        if not tried or any(self._movable(key) is None for key in keys):
            return
        before = [(key, holding) for key in keys for holding in self._draft.release(key)]
        before.sort(key=lambda one: (-one[1].demand.variant.npus, one[0]))
        ways = [self._all_elsewhere(before, number, way) for way in (0, 1)]
        for key, holding in before:
            self._draft.hold(key, holding)
        for after in ways:
            if len(after) == len(before):
                yield _Change(tuple(before), after, self._draft.layout.nodes[number].name)

    def _all_elsewhere(
        self, before: Sequence[tuple[ServiceKey, Holding]], number: int, way: int
    ) -> tuple[tuple[ServiceKey, Holding], ...]:
        """Return where the replicas of released services go without a node, as far as there is room."""
        after: list[tuple[ServiceKey, Holding]] = []
        for key, holding in before:
            found = self._elsewhere(self._services[key], holding, number, way)
            if found is None:
                break
            self._draft.hold(key, found)
            after.append((key, found))
        for key, _ in after:
            self._draft.release(key)
        return tuple(after)

    def _elsewhere(
        self, service: Service, holding: Holding, number: int, way: int
    ) -> Holding | None:
        """Return the replicas of a released service without a node: as many as now, or fewer."""
        option = holding.option
        if option is None:
            return None
        staying = self._stayings(service, holding, option)[way]
        staying.pop(number, None)
        fewer = {count.replicas for count in option.counts if count.replicas < holding.replicas}
        for replicas in (holding.replicas, *sorted(fewer, reverse=True)):
            found = self._filled(service, option, replicas, staying, but=number)
            if found is not None:
                return found
        return None

    def _stayings(
        self, service: Service, holding: Holding, option: Option
    ) -> tuple[dict[int, int], dict[int, int]]:
        """Return the replicas of an option that may stay, by node number: with those that run, and without.

        Those that run cost no start; but where the draft moved a service away it must not be drawn back.
        """
        planned = dict(holding.counts) if holding.demand.variant == option.variant else {}
        both = dict(self._draft.running(service, option.variant))
        for number, count in planned.items():
            both[number] = max(count, both.get(number, 0))
        return both, planned

    def _filled(
        self,
        service: Service,
        option: Option,
        replicas: int,
        staying: Mapping[int, int],
        but: int = -1,
    ) -> Holding | None:
        """Return so many replicas of an option on nodes that take part; the service must hold none."""
        self._tries_left -= 1
        pool = self._draft.pool(service, option.variant)
        pool = pool[np.isin(pool, self._open_to) & (pool != but)]
        spots = spots_for(self._draft.committed, option.demand, pool, staying)
        filling = fill_whole(self._draft.committed, spots, replicas)
        if filling is None:
            return None
        counts = counts_by_node(spots, filling)
        return Holding(option.demand, option, tuple(sorted(counts.items())))

    def _take_best(self, changes: Iterable[_Change]) -> bool:
        """Take the change that gains most, if any pays; tell whether one does."""
        weighed = [(*self._weighed(change), change) for change in changes]
        paying = [one for one in weighed if one[0] > 0 and one[1].starts <= self._starts_left]
        if paying:
            _, move, change = max(paying, key=lambda one: one[0])
            self._take(change, move)
        return bool(paying)

    def _weighed(self, change: _Change) -> tuple[int, Move]:
        """Return what a change gains, and the move that it is."""
        before = [holding for _, holding in change.before]
        balance = self._loads.balance(before, (holding for _, holding in change.after))
        starts, charge = 0, NO_ENERGY
        for (key, gone), (_, come) in zip(change.before, change.after, strict=True):
            service = self._services[key]
            more = max(
                0, starts_of(self._draft, service, come) - starts_of(self._draft, service, gone)
            )
            starts, charge = starts + more, charge + self._charge(service, come, more)
        seconds = self._horizon(before)
        keys = tuple(sorted(key for key, _ in change.before))
        move = Move(keys, change.emptied, starts, balance.saved, charge, seconds)
        return balance.gain(seconds, charge), move

    def _take(self, change: _Change, move: Move) -> None:
        for key, _ in change.before:
            self._draft.release(key)
        for key, holding in change.after:
            self._draft.hold(key, holding)
        self._loads.replace((h for _, h in change.before), (h for _, h in change.after))
        self._starts_left -= move.starts
        if move.starts:
            self._moves.append(move)

    def _movable(self, key: ServiceKey) -> Holding | None:
        """Return what a service holds if it may be moved: served in full, settled, on nodes that take part."""
        service, holdings = self._services[key], self._draft.holdings.get(key, ())
        if service.held is not None or len(holdings) != 1 or not holdings[0].is_whole:
            return None
        holding = holdings[0]
        takes_part = all(number in self._horizons for number, _ in holding.counts)
        settled = not service.starting or key in self._amid
        return holding if takes_part and settled else None

    def _charge(self, service: Service, holding: Holding, starts: int) -> Energy:
        return start_energy(self._draft.snapshot.profiles.get(service.model), holding) * starts

    def _horizon(self, holdings: Iterable[Holding]) -> int:
        return min(self._horizons[number] for holding in holdings for number, _ in holding.counts)
