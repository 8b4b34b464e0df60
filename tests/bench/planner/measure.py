"""Time and memory of the planner in a process of its own: nothing else has warmed or filled it.

    python tests/bench/planner/measure.py SNAPSHOT.pickle [--repeat 5]

prints JSON: CPU seconds of each run, peak memory before and after planning, the plan's hash and its placements.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import pickle
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

_TESTS = Path(__file__).resolve().parents[2]
for _folder in (str(_TESTS), str(_TESTS.parent / "operator")):
    if _folder not in sys.path:
        sys.path.insert(0, _folder)

from bench.processes import memory  # noqa: E402
from kwatt.model.snapshot import Snapshot  # noqa: E402
from kwatt.planning.plan import plan  # noqa: E402


@dataclass(frozen=True, slots=True)
class Measured:
    """CPU seconds of each run; MiB at the peak before planning (interpreter and snapshot) and after it."""

    seconds: tuple[float, ...]
    mib_before: float
    mib: float
    hash: str

    @property
    def median(self) -> float:
        """Return the median of the seconds."""
        return sorted(self.seconds)[len(self.seconds) // 2]


def measure(snapshot: Snapshot, repeat: int = 5) -> Measured:
    """Plan a snapshot in a fresh process, `repeat` times."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "snapshot.pickle"
        path.write_bytes(pickle.dumps(snapshot))
        command = [sys.executable, __file__, str(path), "--repeat", str(repeat)]
        environment = {**os.environ, "PYTHONHASHSEED": "random"}
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    found: dict[str, Any] = json.loads(done.stdout)
    return Measured(tuple(found["seconds"]), found["mib_before"], found["mib"], found["hash"])


def shuffled(snapshot: Snapshot, seed: int) -> Snapshot:
    """Return an equal snapshot with its parts, and their parts, in another order."""
    lot = random.Random(seed)

    def mixed(parts: Iterable[Any]) -> tuple[Any, ...]:
        every = list(parts)
        return tuple(lot.sample(every, len(every)))

    return replace(
        snapshot,
        nodes=mixed(snapshot.nodes),
        budgets=mixed(replace(b, nodes=mixed(b.nodes)) for b in snapshot.budgets),
        services=mixed(replace(s, incumbents=mixed(s.incumbents)) for s in snapshot.services),
        classes=dict(mixed(snapshot.classes.items())),
        profiles={
            name: replace(profile, points=mixed(profile.points))
            for name, profile in mixed(snapshot.profiles.items())
        },
    )


def same_hashes(snapshot: Snapshot, count: int) -> tuple[int, int]:
    """Return how many of `count` shuffled inputs give the plan of the first one."""
    hashes = [plan(shuffled(snapshot, seed)).hash for seed in range(count)]
    return sum(one == hashes[0] for one in hashes), count


def _peak_mib() -> float:
    """Return the peak of this process; getrusage would contain that of its parent before exec."""
    return memory(os.getpid()).peak


def main() -> int:
    """Measure one snapshot."""
    parser = argparse.ArgumentParser(description="Time the planner on a pickled snapshot.")
    parser.add_argument("path", type=Path)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    snapshot: Snapshot = pickle.loads(options.path.read_bytes())
    before, seconds, planned = _peak_mib(), [], None
    for _ in range(options.repeat):
        gc.disable()  # as the operator and `kwatt plan` do
        began = time.process_time()
        planned = plan(snapshot)
        seconds.append(time.process_time() - began)
        gc.enable()
    print(
        json.dumps(
            {
                "seconds": seconds,
                "mib_before": before,
                "mib": _peak_mib(),
                "hash": planned.hash if planned else "",
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
