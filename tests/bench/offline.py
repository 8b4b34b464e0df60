"""`kwatt plan -f FILE -o json` on a large fleet: seconds of the command and of its steps, and the most memory.

python tests/bench/offline.py [--services N] [--nodes N] [--pods N] [--watts-per-node N] [--runs N]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.fleet import Fleet, write
from bench.processes import busy_seconds

AIM_SECONDS: Final = 5.0
AIM_MIB: Final = 600.0
FULL: Final = (Fleet(), Fleet(pods=45_000))
QUICK: Final = (Fleet(services=1000, nodes=500),)
_STEPS: Final = ("import", "parse", "observe", "plan", "output")
_GOOD: Final = (0, 3)  # exit statuses of a plan: all placed, or not all


@dataclass(frozen=True, slots=True)
class Command:
    """One run of the command; `others` are the cores that the rest of the machine kept busy meanwhile."""

    seconds: float
    cpu: float
    peak_mib: float
    others: float


@dataclass(frozen=True, slots=True)
class Offline:
    """What one fleet took: runs of the command, and in runs apart the seconds of each step."""

    fleet: Fleet
    megabytes: float
    placed: int
    commands: tuple[Command, ...]
    steps: tuple[dict[str, float], ...]

    @property
    def seconds(self) -> float:
        """Return the median of the seconds of the whole command."""
        return statistics.median(one.seconds for one in self.commands)

    @property
    def cpu(self) -> float:
        """Return the median of the CPU seconds of the whole command."""
        return statistics.median(one.cpu for one in self.commands)

    @property
    def peak_mib(self) -> float:
        """Return the most memory of all runs."""
        return max(one.peak_mib for one in self.commands)

    @property
    def others(self) -> float:
        """Return the cores that others kept busy, in the median run."""
        return statistics.median(one.others for one in self.commands)

    def step(self, name: str) -> float:
        """Return the median of the seconds of a step."""
        return statistics.median(one[name] for one in self.steps)


def measure(fleet: Fleet, runs: int) -> Offline:
    """Write the fleet into a file and plan it so many times."""
    with tempfile.TemporaryDirectory(prefix="kwatt-bench-") as folder:
        path = Path(folder) / "fleet.json"
        write(fleet, path)
        commands = tuple(_command(path) for _ in range(runs))
        found = [_steps(path) for _ in range(runs)]
        return Offline(
            fleet=fleet,
            megabytes=path.stat().st_size / 10**6,
            placed=found[0]["placed"],
            commands=commands,
            steps=tuple(one["seconds"] for one in found),
        )


def _command(path: Path) -> Command:
    """Run the command as users do; this process is small, or its memory would count as the child's first."""
    begun, busy = time.perf_counter(), busy_seconds()
    process = subprocess.Popen(
        [sys.executable, "-m", "kwatt", "plan", "-f", str(path), "-o", "json"],
        stdout=subprocess.DEVNULL,
        env=_environment(),
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in _GOOD:
        raise RuntimeError(f"kwatt plan ended with {process.returncode}")
    own = usage.ru_utime + usage.ru_stime
    others = max(0.0, busy_seconds() - busy - own) / seconds
    return Command(seconds, own, usage.ru_maxrss / 1024, others)


def _steps(path: Path) -> dict:
    command = [sys.executable, str(Path(__file__).with_name("steps.py")), str(path)]
    done = subprocess.run(command, check=True, capture_output=True, env=_environment())
    return json.loads(done.stdout)


def _environment() -> dict[str, str]:
    """Return this environment; byte code is kept, as that of an installed package is."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}


def rows(measured: Sequence[Offline]) -> Iterator[tuple[str, ...]]:
    """Yield the lines of the table, the titles first."""
    yield ("services", "nodes", "pods", "MB", *_STEPS, "command", "its CPU", "peak MiB", "placed")
    for one in measured:
        fleet = one.fleet
        sizes = (fleet.services, fleet.nodes, fleet.pods, round(one.megabytes))
        seconds = (*(one.step(name) for name in _STEPS), one.seconds, one.cpu)
        yield (
            *(f"{size:,}" for size in sizes),
            *(f"{second:.2f} s" for second in seconds),
            f"{one.peak_mib:.0f}",
            f"{one.placed:,}",
        )


def main() -> int:
    """Measure one fleet and print the table."""
    parser = argparse.ArgumentParser(description="Measure kwatt plan on a fleet from a file.")
    fleet = Fleet()
    for name in ("services", "nodes", "pods", "watts_per_node"):
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, type=int, default=getattr(fleet, name))
    parser.add_argument("--runs", type=int, default=3)
    options = vars(parser.parse_args())
    runs = options.pop("runs")
    found = measure(Fleet(**options), runs)
    for line in rows([found]):
        print("  ".join(cell.rjust(9) for cell in line))
    print(f"others kept {found.others:.1f} cores busy")
    return 0


if __name__ == "__main__":
    sys.exit(main())
