"""Where no cluster can be had for the end-to-end suite, that is said loudly, and only CI may go on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).resolve().parents[1] / "kind" / "run.py"
LOUD = (
    "e2e-kind: NOT RUN: no container runtime can be started here, so the end-to-end suite did not meet "
    "a real kubelet."
)


def run(tmp_path: Path, up: str, *args: str) -> subprocess.CompletedProcess[str]:
    for name, text in (("up", up), ("down", "exit 0")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    env = {key: value for key, value in os.environ.items() if key != "KWATT_E2E_KUBECONFIG"}
    env["KWATT_KIND"] = str(tmp_path)
    command = [sys.executable, str(RUN), *args]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("args", "status"), [((), 1), (("--if-possible",), 0)])
def test_without_a_runtime_the_sentence_is_printed_and_only_the_option_forgives(
    tmp_path: Path, args: tuple[str, ...], status: int
) -> None:
    done = run(tmp_path, "echo 'no cgroups here' >&2; exit 7", *args)

    assert done.returncode == status
    assert f"{LOUD} Reason: `up` failed with status 7; it says why above." in done.stderr
    assert "no cgroups here" in done.stderr


def test_a_cold_start_is_not_awaited_for_longer_than_told(tmp_path: Path) -> None:
    done = run(tmp_path, "exec sleep 600", "--up-seconds", "0.2")

    assert done.returncode == 1
    assert f"{LOUD} Reason: `up` did not start a cluster within 0.2 s." in done.stderr
