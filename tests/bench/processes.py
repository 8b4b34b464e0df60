"""What processes used: CPU seconds and memory, from /proc."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
from pathlib import Path
from typing import NamedTuple

_TICKS = os.sysconf("SC_CLK_TCK")


class Memory(NamedTuple):
    """MiB resident, now and at most."""

    now: float
    peak: float


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of a process so far, 0 when it is gone."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS
    return 0.0


def memory(pid: int) -> Memory:
    """Return what a process holds in memory."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    values = dict(line.split(":", 1) for line in lines if ":" in line)
    kib = {key: int(values[key].split()[0]) for key in ("VmRSS", "VmHWM")}
    return Memory(kib["VmRSS"] / 1024, kib["VmHWM"] / 1024)


def component_pids(cluster_folder: Path) -> dict[str, int]:
    """Return the processes of a cluster by program."""
    files = cluster_folder.glob("clusters/*/pids/*.pid")
    return {path.stem: int(path.read_text()) for path in sorted(files)}


def busy_seconds() -> float:
    """Return the CPU seconds that all processes of the machine have used, stolen time included."""
    first = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    ticks = [int(value) for value in first[:8]]
    return (sum(ticks) - ticks[3] - ticks[4]) / _TICKS  # without idle and waiting for disks


class Usage(NamedTuple):
    """CPU seconds by program, and of everything else on the machine."""

    by_program: dict[str, float]
    others: float

    @property
    def together(self) -> float:
        """Return the CPU seconds of all programs that were measured."""
        return sum(self.by_program.values())


class Meter:
    """Measures CPU from its making on."""

    def __init__(self, pids: dict[str, int]) -> None:
        self._pids = pids
        self._before = self._read()

    def read(self) -> Usage:
        """Return the use since the start."""
        own, busy = self._read()
        before, busy_before = self._before
        used = {program: own[program] - before[program] for program in own}
        return Usage(used, max(0.0, busy - busy_before - sum(used.values())))

    def _read(self) -> tuple[dict[str, float], float]:
        return {name: cpu_seconds(pid) for name, pid in self._pids.items()}, busy_seconds()


def commit() -> str:
    """Return the commit of the sources, marked where they differ from it; "unknown" without git."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


def machine() -> dict[str, str]:
    """Return what the machine is."""
    cpu_lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.split(":", 1)[1].strip() for line in cpu_lines if line.startswith("model name")]
    memory_line = Path("/proc/meminfo").read_text().split("\n", 1)[0]
    return {
        "CPU": models[0] if models else platform.machine(),
        "cores": str(os.cpu_count()),
        "memory": f"{int(memory_line.split()[1]) / 1024**2:.0f} GiB",
        "kernel": platform.release(),
        "Python": platform.python_version(),
    }
