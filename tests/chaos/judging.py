"""Run a scenario under churn and judge it by what an observer saw that shares no code with KWatt."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bench.ground import say
from chaos.faults import Scenario
from chaos.stage import AWAY, PatientChurn, Stage
from cluster.cluster import ClusterError
from e2e.observer import Observer

SETTLED_SECONDS = 4.0  # from the last change of a cap until the operator is blinded
DEADLINE = 240.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a scenario; the five lists must be empty."""

    name: str
    what: str
    violations: tuple[str, ...]
    lost: tuple[str, ...]
    phantoms: tuple[str, ...]
    shrunk: tuple[str, ...]
    failed: tuple[str, ...]
    energies: int
    changes: int
    restarts: int
    seconds: float
    converged_seconds: float

    @property
    def skipped(self) -> bool:
        """Tell whether there was nothing to try it on."""
        return self.what.startswith("SKIPPED")

    @property
    def problems(self) -> list[str]:
        """Return all that must not be."""
        return [*self.violations, *self.lost, *self.phantoms, *self.shrunk, *self.failed]


@dataclass
class Meter:
    """Follows the joules of every service: they only ever grow."""

    stage: Stage
    shrunk: list[str] = field(default_factory=list)
    seen: dict[str, float] = field(default_factory=dict)

    def take(self) -> None:
        """Compare with what was seen last."""
        try:
            energy = self.stage.energy()
        except AWAY:
            return
        for uid, joules in energy.items():
            if joules < self.seen.get(uid, 0.0):
                self.shrunk.append(f"energy of {uid}: {self.seen[uid]} J, then {joules} J")
        self.seen |= energy

    @contextmanager
    def following(self) -> Iterator[None]:
        """Follow for the length of a block."""
        end = threading.Event()

        def follow() -> None:
            while not end.wait(1.0):
                self.take()

        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        try:
            yield
        finally:
            end.set()
            thread.join()


def judge(stage: Stage, scenario: Scenario, full: bool, seed: int) -> Outcome:
    """Run one scenario; return what came of it."""
    say(f"{scenario.name} ...")
    begun, before, starts = time.monotonic(), stage.steady_pods(), stage.operator.starts
    logged = len(stage.operator.text())
    observer, meter = Observer(stage.cluster.kubeconfig).start(), Meter(stage)
    churn = PatientChurn(stage.api, stage.size, seed)
    with meter.following():
        churn.start()
        if scenario.blind:
            stage.wait(1.0)
            churn.caps = False
            stage.wait(SETTLED_SECONDS)
        what, failure = _acted(stage, scenario, full)
        churn.stop()
        took, lost, phantoms = stage.converge(DEADLINE)
    observer.stop()
    gone = [] if scenario.moves else sorted(before.keys() - stage.steady_pods().keys())
    return _shown(
        Outcome(
            name=scenario.name,
            what=what,
            violations=tuple(map(str, observer.history().violations)),
            lost=(*failure, *lost, *(f"steady pod {uid} on {before[uid]} went" for uid in gone)),
            phantoms=tuple(phantoms),
            shrunk=tuple(meter.shrunk),
            failed=() if scenario.fails else _failures(stage.operator.text()[logged:]),
            energies=len(meter.seen),
            changes=sum(churn.counts.values()),
            restarts=stage.operator.starts - starts,
            seconds=time.monotonic() - begun,
            converged_seconds=took,
        )
    )


def _failures(log: str) -> tuple[str, ...]:
    """Return the lines of a log that tell of a cycle that ended by a fault of its own."""
    return tuple(line for line in log.splitlines() if "cycle failed" in line)


def _acted(stage: Stage, scenario: Scenario, full: bool) -> tuple[str, list[str]]:
    """Return what the fault was, and why it could not be made as it should be."""
    try:
        return scenario.act(stage, full), []
    except (TimeoutError, AssertionError, ClusterError) as error:
        return "broken off", [str(error)]


def _shown(outcome: Outcome) -> Outcome:
    say(f"{outcome.name}: {outcome.what}; converged after {outcome.converged_seconds:.1f} s")
    for problem in outcome.problems:
        say(f"    {problem}")
    return outcome
