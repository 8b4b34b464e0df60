"""Try every fault under churn, then a day of it, then fuzzed objects; print the table.

    python tests/chaos/run.py --full|--short|--selection [--only NAME ...] [--seed N]
                              [--results FOLDER] [--write-docs]

NAME is that of a fault, or "fuzzed objects". Each result is kept in FOLDER as soon as it is there; the table
is about all that are there, so that a long run can be made part by part.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.ground import say
from bench.load import Size
from chaos import report
from chaos.faults import SCENARIOS
from chaos.fuzzing import fuzz
from chaos.judging import judge
from chaos.results import FUZZ, Result, keep, kept, result
from chaos.stage import Stage, staged

SIZE = Size(nodes=40, services=20)
OBJECTS = {True: 10_000, False: 300}  # by whether all is run


def main() -> int:
    """Run the chosen scenarios; the status is 1 when one of them failed."""
    chosen = _chosen()
    names = [*(one.name for one in SCENARIOS), FUZZ]
    with staged(SIZE, chosen.seed) as stage:
        for one in _run(stage, chosen):
            keep(chosen.results, one)
    results = kept(chosen.results, names)
    text = report.page(results, SIZE)
    print(text)
    if chosen.write_docs:
        report.PAGE.write_text(text)
    failed = [one.name for one in results if one.of.problems]
    say(f"failed: {', '.join(failed)}" if failed else "every scenario held")
    return 1 if failed else 0


def _run(stage: Stage, chosen: argparse.Namespace) -> Iterator[Result]:
    for one in SCENARIOS:
        if one.name in chosen.only if chosen.only else one.selected or not chosen.selection:
            outcome = judge(stage, one, chosen.full, chosen.seed)
            yield result(one.name, outcome, chosen.seed, full=chosen.full)
    if not chosen.only or FUZZ in chosen.only:
        fuzzed = fuzz(stage, chosen.objects or OBJECTS[chosen.full], chosen.seed)
        yield result(FUZZ, fuzzed, chosen.seed, full=chosen.full)


def _chosen() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--full", action="store_true", help="an hour or two")
    which.add_argument("--selection", action="store_true", help="what CI tries, each for seconds")
    which.add_argument("--short", action="store_true", help="every fault for seconds")
    parser.add_argument("--only", action="append", metavar="NAME", help="a scenario, by its name")
    parser.add_argument("--objects", type=int, help="how many fuzzed ones (default: 10,000 or 300)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--results",
        type=Path,
        metavar="FOLDER",
        default=Path(tempfile.mkdtemp(prefix="kwatt-chaos-")),
        help="keeps each result, and tells of all that are there (default: of this run only)",
    )
    parser.add_argument("--write-docs", action="store_true", help=f"write {report.PAGE.name}")
    chosen = parser.parse_args()
    unknown = set(chosen.only or ()) - {FUZZ, *(one.name for one in SCENARIOS)}
    if unknown:
        parser.error(f"--only: there is no {', '.join(sorted(unknown))}")
    return chosen


if __name__ == "__main__":
    sys.exit(main())
