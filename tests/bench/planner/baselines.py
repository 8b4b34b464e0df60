"""Schedulers that place pod by pod, under the same caps and reserving the same watts as KWatt.

Services go by priority, in an order drawn by the seed within a level. A service gets one replica after the
other, each of the smallest size of its class, where the policy says, until they sustain its target within
its latency limit and are at least replicas.min; where none fits, the rest stays pending and what started
stays. Different from KWatt, replicas of one service may be on different classes, which only favours them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from bench.planner.cluster import WIDE, Cluster
from bench.planner.policies import (
    Fgd,
    GreedyJoules,
    LeastAllocated,
    MostAllocated,
    Policy,
    Pwr,
    PwrFgd,
    Random,
    Request,
    RoundRobin,
)
from bench.planner.problem import Bools, Curve, Floats, Ints, Problem, Row
from kwatt.model.snapshot import Service


@dataclass(frozen=True, slots=True)
class Way:
    """How a service runs on a class: on the smallest size, `rate` per replica."""

    curve: Curve
    rate: int


Place = tuple[int, int]  # node and curve


class Scheduler:
    """A cluster with a policy; `pods` has the replicas of each service in the order of their start."""

    def __init__(self, problem: Problem, policy: Policy, seed: int) -> None:
        self.problem, self.policy = problem, policy
        self.cluster = Cluster(problem)
        self.pods: dict[int, list[Place]] = {}
        self._rng = np.random.default_rng(seed)
        self._opening = problem.opening()
        self._ways: dict[tuple[object, ...], tuple[Way, ...]] = {}
        self._near: dict[int, Ints] = {}
        self.widest_opening = int(self._opening.max(initial=0))

    def run(self) -> list[Row]:
        """Place all services and return the rows."""
        for number in self.order():
            self.complete(number, self.problem.services[number])
        return self.rows()

    def order(self) -> list[int]:
        """Return the services by priority, shuffled within a level."""
        lot = self._rng.permutation(len(self.problem.services)).tolist()
        return sorted(lot, key=lambda number: -self.problem.services[number].priority)

    def rows(self) -> list[Row]:
        """Return what runs, alike replicas on a node together."""
        found: dict[tuple[int, int, int], int] = {}
        for number, places in sorted(self.pods.items()):
            for node, curve in places:
                found[number, curve, node] = found.get((number, curve, node), 0) + 1
        return [Row(s, c, n, replicas) for (s, c, n), replicas in sorted(found.items())]

    def complete(self, number: int, service: Service) -> int:
        """Add replicas until the service is served or none fits, and return how many."""
        queue = _Queue(self, number, service)
        while queue.wants_more():
            node = queue.choose(self._rng)
            if node < 0:
                break
            queue.start(node)
        return queue.started

    def shrink(self, number: int, service: Service) -> int:
        """Stop replicas, the latest first, as long as the others still serve the target; return how many."""
        rates = {way.curve.number: way.rate for way in self.ways(service)}
        places = self.pods.get(number, [])
        total, stopped = sum(rates.get(curve, 0) for _, curve in places), 0
        while len(places) > service.min_replicas:
            node, curve = places[-1]
            if total - rates.get(curve, 0) < service.target.micros:
                break
            total -= rates.get(curve, 0)
            places.pop()
            self.cluster.remove(node, self.problem.curves[curve], service.shape)
            stopped += 1
        return stopped

    def ways(self, service: Service) -> tuple[Way, ...]:
        """Return the smallest size of each class on which the service can run."""
        key = (service.model, service.latency_micros, service.allowed)
        if key not in self._ways:
            self._ways[key] = ways_of(self.problem, service)
        return self._ways[key]

    def near(self, node: int) -> Ints:
        """Return the nodes that share a narrow budget with a node."""
        if node not in self._near:
            narrow = [
                self.problem.members[b]
                for b in self.cluster.over[node].tolist()
                if b < len(self.problem.members) and len(self.problem.members[b]) <= WIDE
            ]
            self._near[node] = np.unique(np.concatenate([np.array([node]), *narrow]))
        return self._near[node]

    def wide(self, node: int) -> list[int]:
        """Return the budgets over a node that cover many nodes."""
        budgets = self.cluster.over[node].tolist()
        known = len(self.problem.members)
        return [b for b in budgets if b < known and len(self.problem.members[b]) > WIDE]

    def opening(self, nodes: Ints) -> Ints:
        """Return the milliwatts that a first replica adds to each node's draw."""
        return np.where(self.cluster.replicas[nodes] == 0, self._opening[nodes], 0)


def ways_of(problem: Problem, service: Service) -> tuple[Way, ...]:
    """Return the smallest usable size of each class."""
    best: dict[int, Way] = {}
    for curve, rate in problem.usable(service):
        if curve.kind not in best or curve.npus < best[curve.kind].curve.npus:
            best[curve.kind] = Way(curve, rate)
    return tuple(way for _, way in sorted(best.items()))


class _Queue:
    """The replicas that one service still waits for; scores are kept and renewed where something changed."""

    def __init__(self, scheduler: Scheduler, number: int, service: Service) -> None:
        self._s, self._number, self._service = scheduler, number, service
        self._ways = {way.curve.kind: way for way in scheduler.ways(service)}
        self._places = scheduler.pods.setdefault(number, [])
        rates = {way.curve.number: way.rate for way in self._ways.values()}
        self._missing = service.target.micros - sum(rates.get(c, 0) for _, c in self._places)
        self._reserved = sum(scheduler.problem.curves[c].reserved for _, c in self._places)
        self.started = 0
        self._full = {k: w.curve.draw(w.rate) - w.curve.idle for k, w in self._ways.items()}
        self._lay_out()
        self._possible = self._feasible(np.arange(len(self._nodes)))

    def wants_more(self) -> bool:
        short = self._missing > 0 or len(self._places) < self._service.min_replicas
        most = self._service.max_replicas
        return short and (most is None or len(self._places) < most)

    def choose(self, rng: np.random.Generator) -> int:
        """Return the place of the best node among the service's nodes, -1 if none can take a replica."""
        able = np.flatnonzero(self._possible & self._affordable())
        if not len(able):
            return -1
        scores = self._s.policy.scores(self._s.cluster, self._request(able))
        best = np.flatnonzero(scores == scores.max())
        pick = best[0] if len(best) == 1 else best[int(rng.integers(len(best)))]
        return int(able[pick])

    def start(self, place: int) -> None:
        node = int(self._nodes[place])
        way = self._ways[int(self._s.problem.kind[node])]
        self._s.cluster.place(node, way.curve, self._service.shape)
        self._places.append((node, way.curve.number))
        self._missing -= way.rate
        self._reserved += way.curve.reserved
        self.started += 1
        self._renew(node)

    def _lay_out(self) -> None:
        """Set the service's nodes, where each is among them, and per node what a replica takes there."""
        kind = self._s.problem.kind
        size = max(self._s.problem.kinds.values(), default=0) + 1
        table, usable = np.zeros((4, size), dtype=np.int64), np.zeros(size, dtype=bool)
        for number, way in self._ways.items():
            curve = way.curve
            table[:, number] = curve.npus, curve.above, way.rate, curve.reserved
            usable[number] = True
        self._nodes = np.flatnonzero(usable[kind])
        self._place_of = np.cumsum(usable[kind]) - 1
        self._usable = usable[kind]
        self._kinds = kind[self._nodes]
        self._npus, self._above, self._rate, self._reserve = table[:, self._kinds]

    def _feasible(self, places: Ints) -> Bools:
        nodes, cluster = self._nodes[places], self._s.cluster
        return (
            cluster.fitting(nodes, self._npus[places])
            & cluster.powered(nodes, self._above[places])
            & cluster.hosting(nodes, self._service.shape)
        )

    def _affordable(self) -> Bools:
        limit = self._service.power_limit
        if limit is None:
            return np.ones(len(self._nodes), dtype=bool)
        within: Bools = self._reserve <= limit.milliwatts - self._reserved
        return within

    def _renew(self, node: int) -> None:
        """Judge the nodes anew that share a narrow budget with `node`; all if a wide one gets scarce."""
        room = self._s.cluster.room
        dearest = int(self._above.max(initial=0)) + self._s.widest_opening
        if any(room[budget] < dearest for budget in self._s.wide(node)):
            places = np.arange(len(self._nodes))
        else:
            near = self._s.near(node)
            places = self._place_of[near[self._usable[near]]]
        self._possible[places] = self._feasible(places)

    def _request(self, able: Ints) -> Request:
        nodes = self._nodes[able]
        rate = self._rate[able]
        served = rate if self._missing <= 0 else np.minimum(rate, self._missing)
        extra = self._draws(able) + self._s.opening(nodes)
        return Request(nodes, self._npus[able], extra, served.astype(np.float64))

    def _draws(self, able: Ints) -> Floats:
        """Return the milliwatts above idle of one replica at its rate; the same for all nodes of a class."""
        by_kind = np.zeros(len(self._s.problem.kinds))
        for kind, way in self._ways.items():
            full = self._missing <= 0 or way.rate <= self._missing
            least = 0.0 if full else way.curve.draw(self._missing) - way.curve.idle
            by_kind[kind] = self._full[kind] if full else least
        drawn: Floats = by_kind[self._kinds[able]]
        return drawn


def demand_of(problem: Problem) -> dict[int, dict[int, float]]:
    """Return, by class, the share of each size among the replicas that all services would need there."""
    counts: dict[int, dict[int, float]] = {}
    for service in problem.services:
        for way in ways_of(problem, service):
            replicas = max(service.min_replicas, -(-service.target.micros // way.rate))
            sizes = counts.setdefault(way.curve.kind, {})
            sizes[way.curve.npus] = sizes.get(way.curve.npus, 0.0) + replicas
    return {
        kind: {size: count / sum(sizes.values()) for size, count in sorted(sizes.items())}
        for kind, sizes in counts.items()
    }


_SIMPLE: Final[Mapping[str, Callable[[], Policy]]] = {
    "LeastAllocated": LeastAllocated,
    "MostAllocated": MostAllocated,
    "RoundRobin": RoundRobin,
    "Random": Random,
    "PWR": Pwr,
    "GreedyJ": GreedyJoules,
}
NAMES: Final = (
    "LeastAllocated",
    "MostAllocated",
    "RoundRobin",
    "Random",
    "FGD",
    "PWR",
    "PWR+FGD",
    "GreedyJ",
)


def scheduler_of(name: str, problem: Problem, seed: int) -> Scheduler:
    """Return the scheduler of a name in NAMES."""
    if name in _SIMPLE:
        return Scheduler(problem, _SIMPLE[name](), seed)
    fgd = Fgd(demand_of(problem))
    return Scheduler(problem, fgd if name == "FGD" else PwrFgd(fgd), seed)
