"""The page of results: what was done, what came of it, on which machine."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Sequence

from bench.load import Size
from chaos.fuzzing import Fuzzed
from chaos.judging import Outcome
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
    "converged after",
)


def page(
    outcomes: Sequence[Outcome], size: Size, seed: int, fuzzed: Fuzzed | None, *, full: bool
) -> str:
    """Return the page as Markdown."""
    how = "--full" if full else "each fault for seconds only: --short"
    machine = f"{os.cpu_count()} CPUs, {platform.machine()}, Python {platform.python_version()}"
    lines = [
        "# Faults",
        "",
        f"`tests/chaos/run.py` ({how}, seed {seed}) on {time.strftime('%Y-%m-%d')}: {machine}; "
        f"{size.nodes} simulated nodes in {len(size.racks)} racks, about {size.services} services.",
        "Etcd, API server, controllers and scheduler are real, nodes and pods are KWOK's. Services,",
        "rates and caps change all the time; caps rest while a fault keeps the operator from seeing",
        "them (API server, etcd, watches, refusals, slow answers, CRDs). An observer that shares no code",
        "with KWatt replays every change of every object in the API server's order and counts each pod and",
        "each share that took a budget above its cap. Lost: a service that does not get what its plan says,",
        "or a pod that went though nobody touched its service or node. Phantom: an object without a service,",
        "or a difference between the leader's store and the API server. The last column counts from the end",
        "of the fault and of the churn until nothing is lost and nothing is a phantom.",
        "",
        _row(HEAD),
        _row(("---",) * len(HEAD)),
        *(_row(_cells(one)) for one in outcomes),
        "",
        *(_fuzzed(fuzzed) if fuzzed else ()),
    ]
    return "\n".join(lines)


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
    return (one.name, one.what, *map(str, counts), energy, f"{one.converged_seconds:.1f} s")


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
