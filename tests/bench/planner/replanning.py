"""Planning again after a change: how many replicas start, and how long it takes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bench.planner.changes import (
    changed_targets,
    with_incumbents,
    with_targets,
    without_incumbents,
    without_node,
)
from bench.planner.evaluate import Evaluation, evaluate, starts_between
from bench.planner.problem import Row, problem_of, rows_of
from kwatt.model.plan import Plan
from kwatt.model.snapshot import Snapshot
from kwatt.planning.plan import plan


@dataclass(frozen=True, slots=True)
class Sticky:
    """After `percent` of the services changed: planning with what runs against planning from nothing.

    `own_starts` are the starts of the changed services themselves in the sticky plan.
    """

    percent: float
    changed: int
    replicas: int
    starts: int
    own_starts: int
    fresh_starts: int
    watts: float
    fresh_watts: float
    seconds: float
    fresh_seconds: float
    whole: int
    fresh_whole: int
    violations: int


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds of planning again after single changes, and the starts that each led to.

    `lost` are the replicas that ran on nodes that were lost.
    """

    what: str
    seconds: tuple[float, ...]
    starts: tuple[int, ...]
    lost: int
    violations: int


def replan(before: Plan, snapshot: Snapshot) -> Plan:
    """Plan again from nothing but the snapshot, in which `before` runs; `stepping` plans step by step."""
    del before
    return plan(snapshot)


def sticky(snapshot: Snapshot, percent: float, seed: int) -> Sticky:
    """Change some targets, then plan with incumbents and without."""
    first = plan(snapshot)
    count = max(1, round(len(snapshot.services) * percent / 100))
    targets = changed_targets(snapshot, count, seed)
    running = with_targets(with_incumbents(snapshot, first), targets)
    _, kept_seconds, kept_rows, kept = _timed(running, first)
    _, fresh_seconds, fresh_rows, fresh = _timed(without_incumbents(running), None)
    before = rows_of(problem_of(snapshot), first)
    changed = {n for n, service in enumerate(snapshot.services) if service.key in targets}
    return Sticky(
        percent=percent,
        changed=count,
        replicas=sum(row.replicas for row in before),
        starts=starts_between(before, kept_rows),
        own_starts=starts_between(_of(before, changed), _of(kept_rows, changed)),
        fresh_starts=starts_between(before, fresh_rows),
        watts=kept.draw,
        fresh_watts=fresh.draw,
        seconds=kept_seconds,
        fresh_seconds=fresh_seconds,
        whole=len(kept.whole),
        fresh_whole=len(fresh.whole),
        violations=len(kept.violations) + len(fresh.violations),
    )


def one_change(snapshot: Snapshot, count: int, seed: int) -> Latency:
    """Change one target at a time, each on top of the plan before."""
    running, planned = _running(snapshot)
    seconds, starts, violations = [], [], 0
    for number in range(count):
        before = rows_of(problem_of(running), planned)
        running = with_targets(running, changed_targets(running, 1, 1000 * seed + number))
        planned, taken, rows, found = _timed(running, planned)
        running = with_incumbents(running, planned)
        seconds.append(taken)
        starts.append(starts_between(before, rows))
        violations += len(found.violations)
    return Latency("one service changed", tuple(seconds), tuple(starts), 0, violations)


def node_lost(snapshot: Snapshot, count: int, seed: int) -> Latency:
    """Lose one node with replicas at a time, each from the same plan."""
    running, planned = _running(snapshot)
    placed: dict[str, int] = {}
    for one in planned.placements:
        placed[one.node] = placed.get(one.node, 0) + one.replicas
    names = sorted(placed)
    chosen = np.random.default_rng([seed, count]).permutation(len(names))[:count].tolist()
    seconds, starts, violations = [], [], 0
    for number in chosen:
        after = without_node(running, names[number])
        again, taken, _, found = _timed(after, planned)
        seconds.append(taken)
        starts.append(again.totals.starts)
        violations += len(found.violations)
    lost = sum(placed[names[number]] for number in chosen)
    return Latency("node lost", tuple(seconds), tuple(starts), lost, violations)


def _running(snapshot: Snapshot) -> tuple[Snapshot, Plan]:
    planned = plan(snapshot)
    return with_incumbents(snapshot, planned), planned


def _timed(snapshot: Snapshot, before: Plan | None) -> tuple[Plan, float, list[Row], Evaluation]:
    began = time.process_time()
    planned = plan(snapshot) if before is None else replan(before, snapshot)
    seconds = time.process_time() - began
    problem = problem_of(snapshot)
    rows = rows_of(problem, planned)
    return planned, seconds, rows, evaluate(problem, rows)


def _of(rows: Sequence[Row], services: set[int]) -> Iterator[Row]:
    return (row for row in rows if row.service in services)
