"""What placements draw and serve, and every limit that they break (design 6). Knows no planner's figures.

Planned watts of a replica are its curve at the rate that it serves; a budget counts what replicas reserve,
and the idle watts of NPUs that none holds. Replicas of a service share its load in proportion to what each
sustains within the latency limit; where a plan claims another share, that one counts and is checked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.planner.problem import Ints, Problem, Row

TOLERANCE = 1e-6  # of rates, which plans round to millionths of a unit per second


@dataclass(frozen=True, slots=True)
class Evaluation:
    """`draw` and `idle` in watts. `served` by service in millionths per second; `whole` are served in full."""

    draw: float
    idle: float
    served: Mapping[int, float]
    whole: frozenset[int]
    violations: tuple[str, ...]
    replicas: int
    nodes_on: int
    slots_lost: float  # share of the NPUs of nodes with replicas that no replica holds

    def share_served(self, problem: Problem) -> float:
        """Return the served part of all targets, weighted by throughput."""
        wanted = sum(service.target.micros for service in problem.services)
        return sum(self.served.values()) / wanted if wanted else 1.0

    def unserved(self, problem: Problem) -> dict[int, int]:
        """Return how many services are not served in full, by priority, the highest first."""
        short = Counter(
            service.priority
            for number, service in enumerate(problem.services)
            if number not in self.whole
        )
        levels = sorted({service.priority for service in problem.services}, reverse=True)
        return {level: short[level] for level in levels}


def evaluate(
    problem: Problem, rows: Iterable[Row], only: Collection[int] | None = None
) -> Evaluation:
    """Evaluate placements, those of the services in `only` if it is given."""
    kept = [row for row in rows if only is None or row.service in only]
    by_service: dict[int, list[Row]] = {}
    for row in kept:
        by_service.setdefault(row.service, []).append(row)
    served: dict[int, float] = {}
    whole: set[int] = set()
    drawn, faults = 0.0, []
    for number, own in sorted(by_service.items()):
        result = _Service(problem, number, own)
        served[number] = result.served
        drawn += result.watts
        faults += result.faults
        if result.is_whole:
            whole.add(number)
    held, replicas = held_npus(problem, kept)
    idle = idle_watts(problem, held, replicas)
    on = replicas > 0
    slots = int(problem.npus[on].sum())
    return Evaluation(
        draw=(drawn + idle) / 1000,
        idle=idle / 1000,
        served=served,
        whole=frozenset(whole),
        violations=(*faults, *node_faults(problem, kept), *budget_faults(problem, kept)),
        replicas=int(replicas.sum()),
        nodes_on=int(on.sum()),
        slots_lost=1 - int(held[on].sum()) / slots if slots else 0.0,
    )


class _Service:
    """The replicas of one service: rate, watts in milliwatts, and what they break."""

    def __init__(self, problem: Problem, number: int, rows: Sequence[Row]) -> None:
        self._service = problem.services[number]
        self._rates = {curve.number: rate for curve, rate in problem.usable(self._service)}
        self._rows, self._problem = rows, problem
        self.replicas = sum(row.replicas for row in rows)
        self.able = sum(row.replicas * self._rates.get(row.curve, 0) for row in rows)
        self.served = self._served()
        self.is_whole = (
            self.served >= self._service.target.micros - 1
            and self.replicas >= self._service.min_replicas
        )
        self.watts = sum(
            row.replicas * problem.curves[row.curve].draw(self._share(row)) for row in rows
        )
        self.faults = list(self._faults())

    def _served(self) -> float:
        claimed = [row.replicas * row.rate for row in self._rows if row.rate is not None]
        target = float(self._service.target.micros)
        if len(claimed) == len(self._rows):
            total = sum(claimed)  # rounded to millionths on every node
            return target if abs(total - target) <= len(claimed) + TOLERANCE * target else total
        return min(target, float(self.able))

    def _share(self, row: Row) -> float:
        if row.rate is not None:
            return row.rate
        return self._rates.get(row.curve, 0) * self.served / self.able if self.able else 0.0

    def _faults(self) -> Iterable[str]:
        service, name = self._service, self._service.key.name
        claims = any(row.rate is not None for row in self._rows)
        if claims and self.replicas < service.min_replicas:
            yield f"{name}: {self.replicas} replicas, at least {service.min_replicas} or none"
        if service.max_replicas is not None and self.replicas > service.max_replicas:
            yield f"{name}: {self.replicas} replicas, at most {service.max_replicas}"
        reserved = sum(r.replicas * self._problem.curves[r.curve].reserved for r in self._rows)
        if service.power_limit is not None and reserved > service.power_limit.milliwatts:
            yield f"{name}: reserves {reserved} mW, its limit is {service.power_limit.milliwatts}"
        for row in self._rows:
            sustained = self._rates.get(row.curve, 0)
            if self._share(row) > sustained * (1 + TOLERANCE) + 1:
                yield f"{name}: {self._share(row):.0f} on a replica that sustains {sustained}"


def held_npus(problem: Problem, rows: Iterable[Row]) -> tuple[Ints, Ints]:
    """Return the NPUs held and the replicas on each node."""
    held = np.zeros(problem.nodes, dtype=np.int64)
    replicas = np.zeros(problem.nodes, dtype=np.int64)
    for row in rows:
        held[row.node] += row.replicas * problem.curves[row.curve].npus
        replicas[row.node] += row.replicas
    return held, replicas


def idle_watts(problem: Problem, held: Ints, replicas: Ints) -> int:
    """Return the milliwatts of NPUs that no replica holds; an empty node is off if any budget says so."""
    off = (replicas == 0) & (problem.opening() > 0)
    return int(np.where(off, 0, (problem.npus - held) * problem.idle).sum())


def node_faults(problem: Problem, rows: Iterable[Row]) -> list[str]:
    """Return where NPUs, cpu, memory or pods are exceeded, or a replica is on another class."""
    rows = list(rows)
    taken = np.zeros((4, problem.nodes), dtype=np.int64)
    faults = []
    for row in rows:
        curve, shape = problem.curves[row.curve], problem.services[row.service].shape
        each = (curve.npus, shape.cpu_milli, shape.memory_bytes, 1)
        taken[:, row.node] += row.replicas * np.array(each, dtype=np.int64)
        if problem.kind[row.node] != curve.kind:
            faults.append(f"node {row.node} is not of the class of its replica")
    limits = np.stack([problem.npus, problem.cpu, problem.memory, problem.pods])
    names = ("NPUs", "cpu", "memory", "pods")
    over = np.argwhere(taken > limits)
    return faults + [f"node {n}: {names[kind]} exceeded" for kind, n in over.tolist()]


def budget_faults(problem: Problem, rows: Iterable[Row]) -> list[str]:
    """Return the budgets that count more than their cap."""
    over = counted_watts(problem, rows) - problem.room
    return [
        f"budget {problem.snapshot.budgets[number].name}: {int(over[number])} mW over"
        for number in np.flatnonzero(over > 0).tolist()
    ]


def counted_watts(problem: Problem, rows: Iterable[Row]) -> Ints:
    """Return what each budget counts besides host watts, in milliwatts."""
    rows = list(rows)
    held, replicas = held_npus(problem, rows)
    reserved = np.zeros(problem.nodes, dtype=np.int64)
    for row in rows:
        reserved[row.node] += row.replicas * problem.curves[row.curve].reserved
    idle = (problem.npus - held) * problem.idle
    counted = []
    for members, off in zip(problem.members, problem.empty_off, strict=True):
        drawn = np.where((replicas == 0) & off, 0, idle)
        counted.append(int((reserved + drawn)[members].sum()))
    return np.array(counted, dtype=np.int64)


def targets_of(problem: Problem, evaluation: Evaluation) -> dict[int, float]:
    """Return the rates that a bound has to serve: those that the placements serve."""
    return {
        number: float(problem.services[number].target.micros)
        if number in evaluation.whole
        else rate
        for number, rate in evaluation.served.items()
        if rate > 0
    }


def starts_between(before: Iterable[Row], after: Iterable[Row]) -> int:
    """Return how many replicas of `after` did not run in `before`: a start each."""
    return (_counts(after) - _counts(before)).total()


def _counts(rows: Iterable[Row]) -> Counter[tuple[int, int, int]]:
    found: Counter[tuple[int, int, int]] = Counter()
    for row in rows:
        found[row.service, row.curve, row.node] += row.replicas
    return found
