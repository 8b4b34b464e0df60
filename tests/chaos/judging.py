"""Run a scenario under churn and judge it by what an observer saw that shares no code with KWatt."""

from __future__ import annotations

import time
from dataclasses import dataclass

from bench.ground import say
from chaos.faults import Scenario
from chaos.stage import PatientChurn, Stage
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
    energy: tuple[str, ...]
    failed: tuple[str, ...]
    told: int
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
        return [*self.violations, *self.lost, *self.phantoms, *self.energy, *self.failed]


def judge(stage: Stage, scenario: Scenario, full: bool, seed: int) -> Outcome:
    """Run one scenario; return what came of it."""
    say(f"{scenario.name} ...")
    begun, before, starts = time.monotonic(), stage.steady_pods(), stage.operator.starts
    logged, metered = len(stage.operator.text()), len(stage.meter.problems)
    observer, churn = Observer(stage.cluster.kubeconfig).start(), PatientChurn(stage, seed)
    with stage.meter.following():
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
            energy=tuple(stage.meter.problems[metered:]),
            failed=() if scenario.fails else _failures(stage.operator.text()[logged:]),
            told=len(stage.meter.seen),
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
