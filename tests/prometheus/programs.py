"""Prometheus and promtool for tests: from $PATH, else from the cache outside the checkout, else obtained once.

The quickest way that needs no rights comes first: the package of a Debian-like machine, which apt checks, laid
out below the cache (2 s; 13 s where apt's lists are read first). Elsewhere the module pinned in go.mod beside
this file is built without its service discoveries: measured 6 core minutes.
"""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
from pathlib import Path

from cluster import tools

HERE = Path(__file__).resolve().parent
NAMES = ("prometheus", "promtool")
_MODULE = "github.com/prometheus/prometheus"
_TAGS = "netgo,remove_all_sd"


def programs() -> Path:
    """Return the folder with both programs, after obtaining them. Raises tools.Missing if that fails."""
    if folder := _on_path():
        return folder
    folder = tools.cache_root() / f"prometheus-{tools.pins_hash(HERE)}" / "bin"
    if not _complete(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tools.locked(folder.parent / "lock"), tools.workspace(folder.parent / "work") as work:
            if not _complete(folder):
                _obtain(folder, work)
    return folder


def _on_path() -> Path | None:
    found = [shutil.which(name) for name in NAMES]
    folders = {Path(one).parent for one in found if one}
    return folders.pop() if all(found) and len(folders) == 1 else None


def _complete(folder: Path) -> bool:
    return all(os.access(folder / name, os.X_OK) for name in NAMES)


def _obtain(folder: Path, work: Path) -> None:
    source = _unpack(work) or _build(work)
    for name in NAMES:
        shutil.move(source / name, folder / name)


def _unpack(work: Path) -> Path | None:
    """Lay out the machine's own package, None where there is none; apt works below `work` alone."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        return None
    lists = work / "lists"
    (lists / "partial").mkdir(parents=True)
    (work / "cache" / "archives" / "partial").mkdir(parents=True)
    own = ["-o", f"Dir::Cache={work / 'cache'}", "-o", f"APT::Sandbox::User={getpass.getuser()}"]
    fresh = [*own, "-o", f"Dir::State::lists={lists}", "-o", "Debug::NoLocking=1"]
    if not _did(["apt-get", *own, "download", "prometheus"], work):
        _did(["apt-get", *fresh, "update"], work)
        _did(["apt-get", *fresh, "download", "prometheus"], work)
    for package in work.glob("prometheus_*.deb"):
        source = work / "package" / "usr" / "bin"
        if _did(["dpkg-deb", "-x", package.name, "package"], work) and _complete(source):
            return source
    return None


def _did(command: list[str], folder: Path) -> bool:
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    return done.returncode == 0


def _build(work: Path) -> Path:
    go = tools.find_go(tools.cache_root())
    env = tools.build_environment(go, work)
    target = work / "built"
    target.mkdir()
    for name in NAMES:
        command = [go, "build", "-trimpath", "-tags", _TAGS, "-ldflags=-s -w", "-o", str(target)]
        command.append(f"{_MODULE}/cmd/{name}")
        done = subprocess.run(
            command, cwd=HERE, env=env, capture_output=True, text=True, check=False
        )
        if done.returncode:
            why = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise tools.Missing(f"{name} is on no PATH, in no package, and can't be built: {why}")
    return target
