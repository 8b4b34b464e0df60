"""The page of results: what was done, what came of it, on which machine."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence

from bench.load import Size
from chaos.fuzzing import Fuzzed
from chaos.judging import Outcome
from chaos.results import Result
from e2e.harness import REPO

PAGE = REPO / "docs" / "benchmarks-faults.md"
HEAD = (
    "fault",
    "what was done",
    "changes",
    "restarts",
    "caps exceeded",
    "services lost",
    "phantoms",
    "energy",
    "cycles failed",
    "took",
    "converged after",
)
EXPLAINED = (
    "Etcd, API server, controllers and scheduler are real, nodes and pods are KWOK's; `fakenpu` plays the",
    "cards, and one budget has a meter in a Prometheus-compatible server. Services, rates and caps change",
    "all the time; caps rest while a fault keeps the operator from seeing them (API server, etcd, watches,",
    "refusals, slow answers, CRDs). An observer that shares no code with KWatt replays every change of every",
    "object in the API server's order and counts each pod and each share that took a budget above its cap.",
    "Lost: a service that does not get what its plan says, or a pod that went though nobody touched its",
    "service or node. Phantom: an object without a service, or a difference between the leader's store and",
    "the API server. Energy: how often the joules in a status of a service, budget or class shrank (by uid),",
    "or those of a service that lasts were more than its cards drew, and how many statuses told any so far.",
    "Cycles failed: how often the operator ended a cycle by an error of its own, and made the next one.",
    "A day of churn shows the operator's memory (RSS) at its quarters: in the second half it must hardly grow,",
    "when what the largest cycles need and what is remembered for some minutes has been allocated.",
    "The last column counts from the end of the fault and of the churn until nothing is lost and nothing is",
    "a phantom; other work on the machine lengthens it.",
)


def page(results: Sequence[Result], size: Size) -> str:
    """Return the page as Markdown."""
    fuzzed = [one.of for one in results if isinstance(one.of, Fuzzed)]
    return "\n".join(
        [
            "# Faults",
            "",
            "[한국어](ko/benchmarks-faults.md)",
            "",
            f"`make chaos` on {_dates(results)} {_seeds(results)}: {_machine()}; {size.nodes} simulated",
            f"nodes in {len(size.racks)} racks, about {size.services} services. {_lengths(results)}",
            *EXPLAINED,
            "",
            _row(HEAD),
            _row(("---",) * len(HEAD)),
            *(_row(_cells(one.of)) for one in results if isinstance(one.of, Outcome)),
            "",
            *(line for one in fuzzed for line in _fuzzed(one)),
        ]
    )


def _machine() -> str:
    return f"{os.cpu_count()} CPUs, {platform.machine()}, Python {platform.python_version()}"


def _dates(results: Sequence[Result]) -> str:
    return ", ".join(sorted({one.date for one in results}))


def _seeds(results: Sequence[Result]) -> str:
    return "(seed " + ", ".join(str(seed) for seed in sorted({one.seed for one in results})) + ")"


def _lengths(results: Sequence[Result]) -> str:
    short = [one.name for one in results if not one.full]
    if not short:
        return "Each fault lasted as long as it should."
    return "Shorter than in `make chaos`: " + ", ".join(short) + "."


def _fuzzed(one: Fuzzed) -> tuple[str, ...]:
    kinds = ", ".join(f"{reason} {count}" for reason, count in sorted(one.by_reason.items()))
    alive = "never" if one.canary_seconds is None else f"{one.canary_seconds:.1f} s later"
    return (
        "## Fuzzed objects",
        "",
        f"{one.number:,} objects of the four kinds, sound or mutated (absent, repeated, deep, giant, of",
        "another type, in other scripts), against the real API server with the operator running:",
        f"{one.refused:,} refused at once, {one.handled:,} taken ({kinds}); {len(one.silent)} of them",
        f"without a condition; {len(one.failures)} failures in the operator's log or probes. A sound",
        f"service created after them ran {alive}. The run took {one.seconds:.0f} s.",
        "",
    )


def _cells(one: Outcome) -> tuple[str, ...]:
    if one.skipped:
        return (one.name, one.what, *("–",) * (len(HEAD) - 2))
    energy = f"{len(one.energy)} wrong of {one.told}" if one.told else "not reported"
    counts = (one.changes, one.restarts, len(one.violations), len(one.lost), len(one.phantoms))
    times = (f"{one.seconds:.0f} s", f"{one.converged_seconds:.1f} s")
    return (one.name, one.what, *map(str, counts), energy, str(len(one.failed)), *times)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
