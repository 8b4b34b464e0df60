"""Try every fault under churn, then fuzzed objects, then a day of churn; print the table.

    python tests/chaos/run.py --full|--short|--selection [--only NAME] [--seed N] [--write-docs]

NAME is that of a fault, or "fuzzed objects".
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.ground import say
from bench.load import Size
from chaos import report
from chaos.faults import SCENARIOS
from chaos.fuzzing import fuzz
from chaos.judging import judge
from chaos.stage import staged

SIZE = Size(nodes=40, services=20)
FUZZ = "fuzzed objects"
OBJECTS = {True: 10_000, False: 300}  # by whether all is run


def main() -> int:
    """Run the chosen scenarios; the status is 1 when one of them failed."""
    chosen = _chosen()
    wanted = chosen.only or [one.name for one in SCENARIOS if one.selected or not chosen.selection]
    scenarios = [one for one in SCENARIOS if one.name in wanted]
    fuzzed = None
    with staged(SIZE, chosen.seed) as stage:
        outcomes = [judge(stage, one, chosen.full, chosen.seed) for one in scenarios]
        if not chosen.only or FUZZ in chosen.only:
            fuzzed = fuzz(stage, chosen.objects or OBJECTS[chosen.full], chosen.seed)
    text = report.page(outcomes, SIZE, chosen.seed, fuzzed, full=chosen.full)
    print(text)
    if chosen.write_docs:
        report.PAGE.write_text(text)
    failed = [one.name for one in outcomes if one.problems]
    failed += [FUZZ] if fuzzed and fuzzed.problems else []
    say(f"failed: {', '.join(failed)}" if failed else "every scenario held")
    return 1 if failed else 0


def _chosen() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--full", action="store_true", help="an hour or two")
    which.add_argument("--selection", action="store_true", help="what CI tries, each for seconds")
    which.add_argument("--short", action="store_true", help="every fault for seconds")
    parser.add_argument("--only", action="append", metavar="NAME", help="a scenario, by its name")
    parser.add_argument("--objects", type=int, help="how many fuzzed ones (default: 10,000 or 300)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write-docs", action="store_true", help=f"write {report.PAGE.name}")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
