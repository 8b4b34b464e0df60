"""A day of changing load, replayed: KWatt plans with what runs, the baselines scale pod by pod.

The load of a service follows the Azure traces of 2023 (data/README.md). From the data: requests per minute of
two services in one hour. Assumed: the hour is stretched to a day, smoothed over three minutes, and each
service follows one of the two from a point of its own; a target is set anew when it is off by a tenth; a
start costs a minute of the replica's reserved watts, on top of what it draws.

From one plan to the next what shrinks goes first. After each single stop and start every cap is checked.
"""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from bench.planner.baselines import Scheduler, scheduler_of
from bench.planner.changes import with_incumbents, with_targets
from bench.planner.cluster import Cluster
from bench.planner.evaluate import evaluate
from bench.planner.problem import Floats, Problem, Row, problem_of, rows_of
from kwatt.model.keys import ServiceKey
from kwatt.model.snapshot import Snapshot
from kwatt.planning.plan import plan

DAY: Final = 24 * 3600
MINUTES: Final = 60
SMOOTHED: Final = 3
LEAST: Final = 0.05  # of the mean load; a service is never switched off
OFF_BY: Final = 0.1
START_SECONDS: Final = 60
Key = tuple[int, int, int]  # service, curve, node


@dataclass(frozen=True, slots=True)
class Day:
    """What one side used over the day. Joules; `short` counts service x step below target."""

    name: str
    joules: float
    start_joules: float
    starts: int
    served: float  # units
    wanted: float
    steps: int
    services: int
    states: int  # states whose caps were checked
    violations: int
    short: int
    dips: int  # services that can't sustain their old or new rate between a stop and a start

    @property
    def joules_per_unit(self) -> float:
        """Return all joules, those of starts too, for each unit served."""
        return (self.joules + self.start_joules) / self.served if self.served else math.inf


def curves_of_day(steps: int) -> Floats:
    """Return the load of the two traces at each step of the day, 1 on average."""
    minutes = _minutes()
    at = np.arange(steps) * MINUTES / steps
    curves = []
    for counts in minutes:
        ring = np.concatenate([counts[-SMOOTHED:], counts, counts[:SMOOTHED]])
        smooth = np.convolve(ring, np.ones(SMOOTHED) / SMOOTHED, mode="same")[SMOOTHED:-SMOOTHED]
        load = np.interp(at, np.arange(MINUTES), smooth, period=MINUTES)
        curves.append(np.maximum(load / load.mean(), LEAST))
    found: Floats = np.stack(curves)
    return found


def _minutes() -> list[Floats]:
    path = Path(__file__).parent / "data" / "azure_minutes.csv"
    counts = {name: np.zeros(MINUTES) for name in ("code", "conv")}
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    first = min(_minute_of(row["minute"]) for row in rows)
    for row in rows:
        minute = _minute_of(row["minute"]) - first
        if minute < MINUTES:
            counts[row["service"]][minute] += float(row["requests"])
    return [counts["code"], counts["conv"]]


def _minute_of(text: str) -> int:
    hours, minutes = text.split(" ")[1].split(":")
    return int(hours) * 60 + int(minutes)


def events_of(snapshot: Snapshot, steps: int, seed: int) -> list[dict[ServiceKey, int]]:
    """Return, for each step of the day, the targets that are set anew."""
    rng = np.random.default_rng([seed, steps])
    curves = curves_of_day(steps)
    count = len(snapshot.services)
    which, shift = rng.integers(2, size=count), rng.integers(steps, size=count)
    mean = np.array([service.target.micros for service in snapshot.services], dtype=np.float64)
    current = np.zeros(count)
    events = []
    for step in range(steps):
        wanted = mean * curves[which, (step + shift) % steps]
        moved = np.abs(wanted - current) > OFF_BY * np.maximum(current, 1)
        current = np.where(moved, wanted, current)
        numbers = np.flatnonzero(moved).tolist()
        events.append({snapshot.services[n].key: max(1, round(float(current[n]))) for n in numbers})
    return events


class Meter:
    """Adds up joules and starts, and checks every cap after each single stop and start."""

    def __init__(self, name: str, problem: Problem, seconds: float) -> None:
        self._name, self._seconds = name, seconds
        self._services = len(problem.services)
        self._cluster = Cluster(problem)
        self._rows: list[Row] = []
        self._sums = {"joules": 0.0, "start": 0.0, "served": 0.0, "wanted": 0.0}
        self._counts: Counter[str] = Counter()

    def step(self, problem: Problem, rows: Sequence[Row]) -> None:
        """Go over to `rows`, then hold them until the next step."""
        before, after = _by_key(self._rows), _by_key(rows)
        kept = before & after
        self._counts["dips"] += _dips(problem, self._rows, kept, after) if self._rows else 0
        for key, count in sorted((before - after).items()):
            self._change(problem, key, -count)
        for key, count in sorted((after - before).items()):
            self._change(problem, key, count)
            self._counts["starts"] += count
            reserved = problem.curves[key[1]].reserved / 1000
            self._sums["start"] += count * START_SECONDS * reserved
        self._hold(problem, rows)

    def day(self) -> Day:
        """Return what the day took."""
        sums, counts = self._sums, self._counts
        return Day(
            name=self._name,
            joules=sums["joules"],
            start_joules=sums["start"],
            starts=counts["starts"],
            served=sums["served"],
            wanted=sums["wanted"],
            steps=counts["steps"],
            services=self._services,
            states=counts["states"],
            violations=counts["violations"],
            short=counts["short"],
            dips=counts["dips"],
        )

    def _hold(self, problem: Problem, rows: Sequence[Row]) -> None:
        self._rows = list(rows)
        found = evaluate(problem, rows)
        self._counts["steps"] += 1
        self._counts["violations"] += len(found.violations)
        self._counts["short"] += len(problem.services) - len(found.whole)
        self._sums["joules"] += found.draw * self._seconds
        self._sums["served"] += sum(found.served.values()) / 10**6 * self._seconds
        wanted = sum(service.target.micros for service in problem.services)
        self._sums["wanted"] += wanted / 10**6 * self._seconds

    def _change(self, problem: Problem, key: Key, count: int) -> None:
        service, curve, node = key
        for _ in range(abs(count)):
            self._cluster.count(
                node, problem.curves[curve], problem.services[service].shape, 1 if count > 0 else -1
            )
            self._counts["states"] += 1
            over = self._cluster.over[node]
            self._counts["violations"] += int((self._cluster.room[over] < 0).any())


def _by_key(rows: Iterable[Row]) -> Counter[Key]:
    found: Counter[Key] = Counter()
    for row in rows:
        found[row.service, row.curve, row.node] += row.replicas
    return found


def _dips(problem: Problem, before: Sequence[Row], kept: Counter[Key], after: Counter[Key]) -> int:
    """Return how many services sustain less, once all stops are made, than both before and after."""
    touched = {row.service for row in before}
    able: Counter[tuple[str, int]] = Counter()
    for word, keys in (("before", _by_key(before)), ("kept", kept), ("after", after)):
        for (service, curve, _), count in keys.items():
            rate = problem.curves[curve].sustained(problem.services[service].latency_micros)
            able[word, service] += count * rate
    return sum(
        able["kept", s]
        < min(able["before", s], able["after", s], problem.services[s].target.micros)
        for s in touched
    )


def replay_kwatt(snapshot: Snapshot, events: Sequence[dict[ServiceKey, int]]) -> Day:
    """Plan at every event, with the placements of the plan before as incumbents."""
    now = with_targets(snapshot, events[0])
    meter = Meter("KWatt", problem_of(now), DAY / len(events))
    for targets in events:
        now = with_targets(now, targets)
        planned = plan(now)
        problem = problem_of(now)
        meter.step(problem, rows_of(problem, planned))
        now = with_incumbents(now, planned)
    return meter.day()


def replay_baseline(
    name: str, snapshot: Snapshot, events: Sequence[dict[ServiceKey, int]], seed: int
) -> Day:
    """Scale at every event: what is too much stops, the latest pod first, then what is missing starts."""
    now = with_targets(snapshot, events[0])
    first = problem_of(now)
    scheduler = scheduler_of(name, first, seed)
    meter = Meter(name, first, DAY / len(events))
    for targets in events:
        now = with_targets(now, targets)
        problem = replace(first, snapshot=now, services=now.services)
        _scale(scheduler, problem)
        meter.step(problem, scheduler.rows())
    return meter.day()


def _scale(scheduler: Scheduler, problem: Problem) -> None:
    scheduler.problem = problem
    order = scheduler.order()
    for number in order:
        scheduler.shrink(number, problem.services[number])
    for number in order:
        scheduler.complete(number, problem.services[number])
