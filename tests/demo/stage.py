"""What the demo runs and shows: commands as a user would type them, with their real output."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

from cluster import cluster as local
from e2e.harness import REPO

_SHORT_OF_SOMETHING = 3  # the exit status of `kwatt plan` where something is not placed


class Stage:
    """Shows commands with their output, and what they mean."""

    def __init__(self, cluster: local.Cluster) -> None:
        self._began = time.monotonic()
        programs = [str(cluster.bin), str(Path(sys.executable).parent), os.environ["PATH"]]
        self._env = {
            **os.environ,
            "KUBECONFIG": str(cluster.kubeconfig),
            "PATH": os.pathsep.join(programs),
            "COLUMNS": "118",
            "PYTHONIOENCODING": "utf-8",
        }

    def say(self, text: str) -> None:
        """Print a line of explanation with the time that has passed."""
        passed = time.monotonic() - self._began
        print(f"\n\033[1m[{passed:5.1f} s] {text}\033[0m", flush=True)

    def run(self, command: str, *, show: bool = True) -> str:
        """Run a command as a user would and return its output; any failure ends the demo."""
        print(f"$ {command}", flush=True)
        done = subprocess.run(
            shlex.split(command),
            env=self._env,
            cwd=REPO,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
        output = (done.stdout + done.stderr).rstrip()
        fine = done.returncode in (0, _SHORT_OF_SOMETHING)
        if show or not fine:
            print(output, flush=True)
        if not fine:
            raise SystemExit(f"failed with status {done.returncode}: {command}")
        return output

    def shows(self, command: str, *parts: str) -> None:
        """Run a command whose output must have all of these parts."""
        output = self.run(command)
        missing = [part for part in parts if part not in output]
        if missing:
            raise SystemExit(f"the output lacks {', '.join(map(repr, missing))}: {command}")
