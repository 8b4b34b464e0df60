"""Plans of one case from shuffled input, as hashes: what `run.py` runs in each Python.

    python tests/bench/planner/same/fingerprints.py CASE FIRST END

prints JSON for the shuffles FIRST to END - 1. It needs the packages of requirements.txt and nothing else.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import sys
import time
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

_TESTS = Path(__file__).resolve().parents[3]
for _folder in (str(_TESTS), str(_TESTS.parent / "operator")):
    if _folder not in sys.path:
        sys.path.insert(0, _folder)

from bench.planner.measure import shuffled  # noqa: E402
from bench.planner.same.cases import cases  # noqa: E402
from kwatt.model.snapshot import Snapshot  # noqa: E402
from kwatt.planning.plan import plan  # noqa: E402

PACKAGES = ("numpy", "highspy")


def fingerprints(snapshot: Snapshot, shuffles: Iterable[int]) -> dict[str, Any]:
    """Return the plan hash and a digest of the whole plan for each shuffle, and one of the input.

    A plan hash is over the placements; the digest is over all that a plan says: who has no place and why,
    watts of budgets, totals, bound, moves.
    """
    hashes, wholes = [], []
    for seed in shuffles:
        planned = plan(shuffled(snapshot, seed))
        hashes.append(planned.hash)
        wholes.append(_digest(planned))
    return {"input": _digest(snapshot), "hashes": hashes, "wholes": wholes}


def _digest(value: object) -> str:
    """Return SHA-256 over a frozen value as Python prints it; floats are printed in full."""
    return hashlib.sha256(repr(value).encode()).hexdigest()


def main() -> int:
    """Plan one case in this Python."""
    parser = argparse.ArgumentParser(description="Hashes of plans from shuffled input.")
    parser.add_argument("case", choices=cases())
    parser.add_argument("first", type=int)
    parser.add_argument("end", type=int)
    options = parser.parse_args()
    found = fingerprints(cases()[options.case](), range(options.first, options.end))
    found |= {
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "seconds": time.process_time(),
    }
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
