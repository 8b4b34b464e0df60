"""`make same-plan`: the same plan hash in every Python, whatever the order of the input.

    python tests/bench/planner/same/run.py [--pythons NAME ...] [--all] [--shuffles N] [--only CASE ...]
                                            [--write-docs]

Pythons that are not there are named, in the table too, and the others are compared. The exit status is 1 where
any plan differs, 2 where no Python is there, or, with `--all`, where one of them is not. The table goes to
standard output, progress to standard error.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_TESTS = Path(__file__).resolve().parents[3]
REPO = _TESTS.parent
for _folder in (str(_TESTS), str(REPO / "operator")):
    if _folder not in sys.path:
        sys.path.insert(0, _folder)

from bench.planner.same.cases import cases  # noqa: E402
from bench.planner.same.page import Run, differences, section  # noqa: E402
from bench.planner.same.pythons import NotMade, Python, environment, find  # noqa: E402
from bench.processes import commit, machine  # noqa: E402
from bench.sections import write_section  # noqa: E402

PYTHONS = ("python3.11", "python3.12", "python3.13")
PART = 25  # shuffles in one process, with one seed of Python's hashes
_CHILD = Path(__file__).with_name("fingerprints.py")


def main() -> int:
    """Compare, print the table, tell what differs."""
    options = _options()
    found, missing = find(options.pythons)
    for one in missing:
        _say(f"NOT COMPARED: {one}")
    if not found or (missing and options.all):
        _say(f"same-plan: {len(found)} of the Pythons asked for are there; nothing was compared")
        return 2
    facts = _facts()  # of the sources that the runs begin with
    try:
        runs = _runs(found, options)
    except NotMade as error:
        _say(f"same-plan: no environment: {error}")
        return 2
    lines = section(runs, facts, missing)
    print("\n".join(lines))
    if options.write_docs:
        write_section(REPO / "docs" / "benchmarks.md", lines)
    for one in missing:
        _say(f"NOT COMPARED: {one}")
    return verdict(runs)


def verdict(runs: Sequence[Run]) -> int:
    """Tell what differs and return the exit status."""
    found = list(differences(runs))
    for one in found:
        _say(f"DIFFERS: {one}")
    return 1 if found else 0


def _runs(pythons: Sequence[Python], options: argparse.Namespace) -> list[Run]:
    """Return all runs, case by case."""
    inside = {}
    for python in pythons:
        _say(f"Python {python.version}: environment with the packages of requirements.txt")
        inside[python] = environment(python, REPO / "requirements.txt")
    return [
        run_case(inside[python], case, options.shuffles, 1000 * number)
        for case in cases()
        if case in options.only
        for number, python in enumerate(pythons, start=1)
    ]


def run_case(python: Path, case: str, shuffles: int, hash_seed: int) -> Run:
    """Plan a case, a part of the shuffles in each process; `hash_seed` is that of the first."""
    parts = [
        _part(python, case, range(first, min(first + PART, shuffles)), hash_seed + first)
        for first in range(0, shuffles, PART)
    ]
    run = Run(
        case=case,
        python=parts[0]["python"],
        inputs=tuple(part["input"] for part in parts),
        hashes=tuple(found for part in parts for found in part["hashes"]),
        wholes=tuple(found for part in parts for found in part["wholes"]),
        seconds=sum(part["seconds"] for part in parts),
        packages=parts[0]["packages"],
    )
    _say(f"{case}: Python {run.python}, {shuffles} shuffles, {run.seconds:.0f} CPU s")
    return run


def _part(python: Path, case: str, shuffles: range, hash_seed: int) -> dict[str, Any]:
    """Return what a process of its own says; the seed of Python's hashes can be given again."""
    command = [str(python), str(_CHILD), case, str(shuffles.start), str(shuffles.stop)]
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environ = {**clean, "PYTHONHASHSEED": str(hash_seed)}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environ)
    return dict(json.loads(done.stdout))


def _facts() -> dict[str, str]:
    facts = {name: value for name, value in machine().items() if name != "Python"}
    return {"date": time.strftime("%Y-%m-%d"), **facts, "KWatt": commit()}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The same plan in every Python.")
    add = parser.add_argument
    add("--pythons", nargs="+", default=PYTHONS, metavar="NAME", help="names or paths")
    add("--all", action="store_true", help="fail where one of them is not there")
    add("--shuffles", type=int, default=100, help="orders of the input of each case")
    add("--only", nargs="+", choices=cases(), default=list(cases()), metavar="CASE")
    add("--write-docs", action="store_true", help="write the section of docs/benchmarks.md")
    options = parser.parse_args()
    if options.shuffles < 1:
        parser.error("--shuffles must be positive")
    if options.write_docs and set(options.only) != set(cases()):
        parser.error("the page shows all cases: no --only with --write-docs")
    return options


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
