"""One contest: KWatt and the baselines on one instance, under the same caps, judged by the same evaluation."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from bench.planner.baselines import scheduler_of
from bench.planner.changes import restricted
from bench.planner.evaluate import Evaluation, evaluate, targets_of
from bench.planner.master import best_plan, bound_of
from bench.planner.measure import measure, same_hashes
from bench.planner.problem import Problem, Row, problem_of, rows_of
from kwatt.model.snapshot import Snapshot
from kwatt.planning.plan import plan


@dataclass(frozen=True, slots=True)
class Entry:
    """What one scheduler made of an instance. Watts are of all its pods; levels map priority to unserved.

    `watts_equal` are those of the pods of the services that both sides serve in full, `ours_equal` those
    of a KWatt plan for exactly these services; `ratio` is of the two.
    """

    name: str
    watts: float
    watts_equal: float
    ours_equal: float
    on_equal: int  # nodes that are not empty then
    ours_on_equal: int
    common: int
    unserved: dict[str, int]
    share: float
    slots_lost: float
    violations: int
    seconds: float
    replicas: int

    @property
    def ratio(self) -> float:
        """Return how many watts they draw for each of ours, at equal served load."""
        return self.ratio_with(0.0, 0)

    def ratio_with(self, asleep: float, nodes: int) -> float:
        """Return the ratio if each empty node of `nodes` drew `asleep` watts instead of none."""
        theirs = self.watts_equal + asleep * (nodes - self.on_equal)
        ours = self.ours_equal + asleep * (nodes - self.ours_on_equal)
        return theirs / ours if ours else 1.0


@dataclass(frozen=True, slots=True)
class Contest:
    """One instance and seed. `gap` is in percent of the bound, for what the plan serves."""

    instance: str
    seed: int
    services: int
    nodes: int
    npus: int
    watts: float
    bound: float
    bound_seconds: float
    columns: int
    unserved: dict[str, int]
    share: float
    slots_lost: float
    violations: int
    replicas: int
    claims: float  # the plan's own figure of its draw
    seconds: tuple[float, ...] = ()
    mib: float = 0.0
    mib_before: float = 0.0
    same: tuple[int, int] = (0, 0)
    mip: dict[str, Any] = field(default_factory=dict)
    entries: tuple[Entry, ...] = ()

    @property
    def gap(self) -> float:
        """Return the gap to the bound in percent."""
        return 100 * (self.watts - self.bound) / self.bound if self.bound else 0.0


@dataclass(frozen=True, slots=True)
class Rules:
    """What a contest measures besides watts and bound."""

    baselines: tuple[str, ...] = ()
    repeat: int = 5
    shuffles: int = 3
    mip_seconds: float = 0.0


def contest(name: str, seed: int, snapshot: Snapshot, rules: Rules) -> Contest:
    """Run a contest."""
    problem = problem_of(snapshot)
    planned = plan(snapshot)
    rows = rows_of(problem, planned)
    ours = evaluate(problem, rows)
    targets = targets_of(problem, ours)
    bound = bound_of(problem, targets)
    measured = measure(snapshot, rules.repeat) if rules.repeat else None
    seconds = measured.seconds if measured else ()
    return Contest(
        instance=name,
        seed=seed,
        services=len(problem.services),
        nodes=problem.nodes,
        npus=int(problem.npus.sum()),
        watts=ours.draw,
        bound=bound.watts,
        bound_seconds=bound.seconds,
        columns=bound.columns,
        unserved=_named(ours.unserved(problem)),
        share=ours.share_served(problem),
        slots_lost=ours.slots_lost,
        violations=len(ours.violations),
        replicas=ours.replicas,
        claims=planned.totals.draw.watts,
        seconds=seconds,
        mib=measured.mib if measured else 0.0,
        mib_before=measured.mib_before if measured else 0.0,
        same=same_hashes(snapshot, rules.shuffles) if rules.shuffles else (0, 0),
        mip=_mip(problem, targets, rules.mip_seconds, ours.draw),
        entries=tuple(_entries(problem, rules.baselines, seed, rows, ours)),
    )


def as_json(one: Contest) -> dict[str, Any]:
    """Return a contest as plain values."""
    return asdict(one)


def from_json(found: dict[str, Any]) -> Contest:
    """Return the contest that `as_json` wrote."""
    entries = tuple(Entry(**entry) for entry in found["entries"])
    lists = {"seconds": tuple(found["seconds"]), "same": tuple(found["same"])}
    return Contest(**{**found, **lists, "entries": entries})


def _mip(
    problem: Problem, targets: dict[int, float], seconds: float, watts: float
) -> dict[str, Any]:
    """Return how long HiGHS takes to a master solution as good as our packed plan, and how far it gets."""
    if not seconds or not targets:
        return {}
    found = best_plan(problem, targets, seconds, watts)
    least = found.watts if found.watts < float("inf") else None
    return {"reached": found.reached, "seconds": found.seconds, "watts": least}


def _entries(
    problem: Problem, names: Sequence[str], seed: int, rows: Sequence[Row], ours: Evaluation
) -> Iterable[Entry]:
    known: dict[frozenset[int], Equal] = {}
    for name in names:
        began = time.process_time()
        theirs = scheduler_of(name, problem, seed).run()
        seconds = time.process_time() - began
        yield _entry(problem, name, theirs, seconds, _Ours(problem, rows, ours, known))


@dataclass(frozen=True, slots=True)
class Equal:
    """Services served in full, and the watts of a KWatt plan for exactly these."""

    services: frozenset[int]
    watts: float
    nodes_on: int


@dataclass(frozen=True, slots=True)
class _Ours:
    """Our side: the plan for all, and plans for fewer services once they were asked for."""

    problem: Problem
    rows: Sequence[Row]
    evaluation: Evaluation
    known: dict[frozenset[int], Equal]

    def serving(self, services: Collection[int]) -> Equal:
        """Return the services of `services` that KWatt serves in full when planning for these alone."""
        wanted = frozenset(services)
        if wanted not in self.known:
            self.known[wanted] = self._planned(wanted)
        return self.known[wanted]

    def _planned(self, wanted: frozenset[int]) -> Equal:
        if wanted == self.evaluation.whole:
            only = evaluate(self.problem, self.rows, wanted)
            return Equal(wanted, only.draw, only.nodes_on)
        smaller = problem_of(restricted(self.problem, wanted))
        rows = rows_of(smaller, plan(smaller.snapshot))
        whole = evaluate(smaller, rows).whole
        numbers = sorted(wanted)
        found = evaluate(smaller, rows, whole)
        return Equal(frozenset(numbers[n] for n in whole), found.draw, found.nodes_on)


def _entry(problem: Problem, name: str, rows: list[Row], seconds: float, ours: _Ours) -> Entry:
    everything = evaluate(problem, rows)
    equal = ours.serving(everything.whole & ours.evaluation.whole)
    common = evaluate(problem, rows, equal.services)
    return Entry(
        name=name,
        watts=everything.draw,
        watts_equal=common.draw,
        ours_equal=equal.watts,
        on_equal=common.nodes_on,
        ours_on_equal=equal.nodes_on,
        common=len(equal.services),
        unserved=_named(everything.unserved(problem)),
        share=everything.share_served(problem),
        slots_lost=everything.slots_lost,
        violations=len(everything.violations),
        seconds=seconds,
        replicas=everything.replicas,
    )


def _named(unserved: dict[int, int]) -> dict[str, int]:
    return {str(level): count for level, count in unserved.items()}
