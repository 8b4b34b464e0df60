"""Pythons by name, and a virtual environment of each in the cache outside the checkout.

An environment holds what requirements.txt locks, by hash, and is kept as long as that file is the same.
"""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from cluster.tools import cache_root, locked

LEAST = (3, 11)
_ASK = "import platform, sys; print(platform.python_version(), sys.executable)"
_PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r")


class Python(NamedTuple):
    """An interpreter: its version, and where it really is (a name may be that of a wrapper)."""

    version: str
    path: Path


class NotMade(Exception):
    """An environment could not be made; the message says which and what pip said."""


def find(names: Iterable[str]) -> tuple[list[Python], list[str]]:
    """Return what runs under these names, each version once, and what is wrong with the others."""
    found: dict[str, Python] = {}
    missing: list[str] = []
    for name in names:
        answer = ask(name)
        if answer is None:
            missing.append(f"{name} is not there, or does not run")
        elif numbers(answer.version) < LEAST:
            missing.append(f"{name} is {answer.version}; KWatt needs 3.11 or later")
        else:
            found.setdefault(answer.version, answer)
    return list(found.values()), missing


def ask(name: str) -> Python | None:
    """Return the interpreter of a name or path, None where none answers."""
    try:
        done = subprocess.run(
            [name, "-I", "-c", _ASK], capture_output=True, text=True, check=False, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    version, _, path = done.stdout.strip().partition(" ")
    return Python(version, Path(path).resolve()) if done.returncode == 0 and path else None


def numbers(version: str) -> tuple[int, ...]:
    """Return the first two numbers of a version."""
    return tuple(int(part) for part in version.split(".")[:2])


def environment(python: Python, requirements: Path) -> Path:
    """Return the interpreter of an environment with the locked packages, after making it where it lacks."""
    folder = folder_for(python, requirements.read_bytes())
    folder.parent.mkdir(parents=True, exist_ok=True)
    inside, ready = folder / "bin" / "python", folder / ".ready"
    with locked(folder.parent / f"{folder.name}.lock"):
        if not ready.exists():
            _run(python, [str(python.path), "-m", "venv", "--clear", str(folder)])
            _run(python, [str(inside), *_PIP, str(requirements)])
            ready.touch()
    return inside


def folder_for(python: Python, requirements: bytes) -> Path:
    """Return the folder in the cache for an interpreter and these locked packages."""
    key = hashlib.sha256(requirements + str(python.path).encode()).hexdigest()[:12]
    return cache_root() / "same-plan" / f"{python.version}-{key}"


def _run(python: Python, command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotMade(f"Python {python.version}: {done.stderr.strip() or done.stdout.strip()}")
