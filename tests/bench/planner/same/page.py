"""Whether all Pythons made the same plans of the same cases, and the section of docs/benchmarks.md on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from bench.planner.tables import table
from bench.sections import SAME_PLAN

PREFIX: Final = 12  # of a hash, as far as it is printed
_ABOUT = """\
Written by `make same-plan` (`tests/bench/planner/same/run.py --write-docs`). Each Python, with the packages
that `requirements.txt` locks in an environment of its own, makes the cases anew from their seed and plans each
from inputs in a shuffled order: nodes, services and what runs of each, budgets and their nodes, classes,
profiles and their points. A process makes at most 25 plans, and no two processes of a case have the same seed
of Python's own hashes, which the order of sets follows. All plans are compared with the first one of the first
Python: by plan hash, which is over all placements, and by a digest of all that a plan says (also who has no
place and why, watts of budgets, bound, moves). Seconds are of the processor, for all cases.
Fleets are those of [the planner's benchmarks](benchmarks-planner.md#fleets); the plan before a change runs."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one Python made of one case: a hash of each shuffle, in order.

    `inputs` are digests of the case as each of its processes made it.
    """

    case: str
    python: str
    inputs: tuple[str, ...]
    hashes: tuple[str, ...]
    wholes: tuple[str, ...]
    seconds: float = 0.0
    packages: Mapping[str, str] = field(default_factory=dict)


def differences(runs: Sequence[Run]) -> Iterator[str]:
    """Yield a sentence for each Python and case that is not like the first Python's first plan of the case."""
    for first, run in _with_first(runs):
        who = f"{run.case}: Python {run.python}"
        if any(found != first.inputs[0] for found in run.inputs):
            yield f"{who}: another input than in Python {first.python}, as generated or as planned before"
        for what, own, expected in (
            ("plan hash", run.hashes, first.hashes[0]),
            ("whole plan", run.wholes, first.wholes[0]),
        ):
            seeds = [seed for seed, found in enumerate(own) if found != expected]
            if seeds:
                yield f"{who}: another {what} in {len(seeds)} of {len(own)} shuffles, first {seeds[0]}"


def section(runs: Sequence[Run], facts: Mapping[str, str], missing: Sequence[str]) -> list[str]:
    """Return the section as lines of markdown; `missing` says which Pythons were asked for in vain."""
    about = {**facts, **_packages(runs), **_seconds(runs)}
    lines = [
        SAME_PLAN,
        "",
        _ABOUT,
        "",
        *table(("machine and versions", ""), list(about.items())),
        "",
    ]
    lines += [f"**Not compared:** {one}.\n" for one in missing]
    lines += [*results(runs), ""]
    lines += [f"**Differs:** {one}.\n" for one in differences(runs)]
    return lines


def results(runs: Sequence[Run]) -> list[str]:
    """Return a table with a row for each case and a column for each Python."""
    pythons = _pythons(runs)
    head = ("instance", "shuffles", "hashes that differ", "whole plans that differ")
    rows = [_row([run for run in runs if run.case == case]) for case in _cases(runs)]
    return table((*head, *pythons, "plan hash"), rows)


def _row(runs: Sequence[Run]) -> tuple[str, ...]:
    first = runs[0]
    hashes = sum(found != first.hashes[0] for run in runs for found in run.hashes)
    wholes = sum(found != first.wholes[0] for run in runs for found in run.wholes)
    same = [f"{run.hashes.count(first.hashes[0])} of {len(run.hashes)}" for run in runs]
    total = sum(len(run.hashes) for run in runs)
    return (first.case, str(total), str(hashes), str(wholes), *same, first.hashes[0][:PREFIX])


def _with_first(runs: Sequence[Run]) -> Iterator[tuple[Run, Run]]:
    """Yield each run with the first of its case."""
    first: dict[str, Run] = {}
    for run in runs:
        yield first.setdefault(run.case, run), run


def _packages(runs: Sequence[Run]) -> dict[str, str]:
    """Return the versions of packages; one after the other should Pythons have different ones."""
    names = dict.fromkeys(name for run in runs for name in run.packages)
    return {name: ", ".join(dict.fromkeys(run.packages[name] for run in runs)) for name in names}


def _seconds(runs: Sequence[Run]) -> dict[str, str]:
    return {
        f"CPU of Python {one}": f"{sum(run.seconds for run in runs if run.python == one):.0f} s"
        for one in _pythons(runs)
    }


def _pythons(runs: Sequence[Run]) -> list[str]:
    return list(dict.fromkeys(run.python for run in runs))


def _cases(runs: Sequence[Run]) -> list[str]:
    return list(dict.fromkeys(run.case for run in runs))
