"""Run the end-to-end suite on a real kubelet: cluster, images, chart, tests. `make e2e-kind` is this program.

    python tests/kind/run.py [--if-possible] [--keep] [ARGUMENTS OF PYTEST]

Where the cluster comes from, the first that is there:

    KWATT_E2E_KUBECONFIG   a cluster that runs; its nodes must have the images KWATT_E2E_IMAGE and
                           KWATT_E2E_FAKENPU_IMAGE already
    KWATT_KIND             a folder of three programs for machines that can pull no image: `up` starts a kind
                           cluster and prints `export KUBECONFIG=...` last, `load IMAGE...`, `down`. Without
                           the variable a folder tools/kind-here beside the checkout or one of its parents
    kind                   on PATH, with a container runtime that answers

With --if-possible it is no failure that there is none of these, but it is said loudly.
Standard library only; progress goes to standard error.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
REPO = HERE.parents[1]
NAME = "kwatt-e2e"
KUBECONFIG = REPO / "build" / "e2e-kind" / "kubeconfig"  # of a cluster that is started here
IMAGE = "kwatt.local/kwatt:e2e"
FAKENPU_IMAGE = "kwatt.local/fakenpu:e2e"
PUBLIC_PYTHON = "python:3.13-slim-trixie"
LOCAL_PYTHON = "kwatt.local/python:trixie"  # what kind-here makes of Debian packages
UP_SECONDS = 300.0  # with cached images it takes 20; a cold start is not awaited in CI
NOT_RUN = (
    "e2e-kind: NOT RUN: no container runtime can be started here, so the end-to-end suite did not meet "
    "a real kubelet. Reason: {}"
)


class Impossible(Exception):
    """There is no cluster to run on; the message is a sentence."""


class Runtime(NamedTuple):
    """A cluster and how an image gets into its nodes."""

    env: Mapping[str, str]
    load: tuple[str, ...]


def main() -> int:
    """Run the suite; return pytest's exit status."""
    chosen, more = _parser().parse_known_args()
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        with cluster(keep=chosen.keep, seconds=chosen.up_seconds) as runtime:
            return run_tests(runtime, more)
    except Impossible as reason:
        banner = "!" * 100
        _say(f"{banner}\n{NOT_RUN.format(reason)}\n{banner}")
        return 0 if chosen.if_possible else 1


@contextlib.contextmanager
def cluster(*, keep: bool, seconds: float) -> Iterator[Runtime]:
    """Lend a cluster with the images loaded; who started it ends it."""
    if os.environ.get("KWATT_E2E_KUBECONFIG"):
        yield Runtime(os.environ, ())
        return
    folder = _programs()
    with _with_programs(folder, seconds, keep=keep) if folder else _with_kind(keep=keep) as runtime:
        began = time.monotonic()
        for image in build_images(runtime.env):
            _run((*runtime.load, image), runtime.env)
        _say(f"images: built and loaded in {time.monotonic() - began:.0f} s")
        yield runtime


def build_images(env: Mapping[str, str]) -> tuple[str, ...]:
    """Build the operator's image as a release does, and the one of the fake NPU kit."""
    local = _succeeds(("docker", "image", "inspect", LOCAL_PYTHON), env)
    python = LOCAL_PYTHON if local else PUBLIC_PYTHON
    _run((sys.executable, "tests/release/image.py", "--tag", IMAGE), env)
    with tempfile.TemporaryDirectory(prefix="kwatt-fakenpu-") as context:
        _fakenpu_context(Path(context), python, env)
        build = ("docker", "build", "--quiet", "-t", FAKENPU_IMAGE, "--build-arg", f"BASE={python}")
        _run((*build, "-f", str(HERE / "fakenpu.Dockerfile"), context), env)
    return IMAGE, FAKENPU_IMAGE


def run_tests(runtime: Runtime, more: Sequence[str]) -> int:
    """Run pytest on the cluster."""
    kubeconfig = os.environ.get("KWATT_E2E_KUBECONFIG") or runtime.env["KUBECONFIG"]
    own = {"KWATT_E2E_KUBECONFIG": kubeconfig}
    images = {"KWATT_E2E_IMAGE": IMAGE, "KWATT_E2E_FAKENPU_IMAGE": FAKENPU_IMAGE}
    env = {**images, **runtime.env, **own}
    named = any((REPO / one.partition("::")[0]).exists() for one in more)
    command = (sys.executable, "-m", "pytest", *(() if named else ("tests/e2e",)), *more)
    return subprocess.run(command, env=env, cwd=REPO, check=False).returncode


def _programs() -> Path | None:
    if named := os.environ.get("KWATT_KIND"):
        return Path(named)
    if shutil.which("kind"):
        return None
    found = (up for base in REPO.parents for up in base.glob("*/tools/kind-here/up"))
    # Only what nobody else could have put there: it is run.
    return next((up.parent for up in found if up.stat().st_uid in (0, os.getuid())), None)


@contextlib.contextmanager
def _with_programs(folder: Path, seconds: float, *, keep: bool) -> Iterator[Runtime]:
    alone = not _succeeds(("docker", "info"), os.environ)  # then the daemon is ours too
    env = {
        **_own_kubeconfig(),
        "KIND_CLUSTER_NAME": NAME,
        "KIND_CONFIG": str(HERE / "kind.yaml"),
        "DOCKER_BUILDKIT": "0",
    }
    try:
        yield Runtime(_environment(folder / "up", env, seconds), (str(folder / "load"),))
    finally:
        if not keep:
            _run((str(folder / "down"), *(("--all",) if alone else ())), env)


@contextlib.contextmanager
def _with_kind(*, keep: bool) -> Iterator[Runtime]:
    if not shutil.which("kind") or not shutil.which("docker"):
        raise Impossible("neither KWATT_KIND nor `kind` and `docker` are there.")
    if not _succeeds(("docker", "info"), os.environ):
        raise Impossible("`docker info` finds no daemon.")
    env = _own_kubeconfig()
    create = ("kind", "create", "cluster", "--name", NAME, "--config", str(HERE / "kind.yaml"))
    image = ("--image", env["KIND_NODE_IMAGE"]) if env.get("KIND_NODE_IMAGE") else ()
    try:
        _run((*create, *image, "--wait", "180s"), env)
        yield Runtime(env, ("kind", "load", "docker-image", "--name", NAME))
    finally:
        if not keep:
            _run(("kind", "delete", "cluster", "--name", NAME), env)


def _own_kubeconfig() -> dict[str, str]:
    """Return the environment with a kubeconfig in the checkout: the user's own is none of our business."""
    KUBECONFIG.parent.mkdir(parents=True, exist_ok=True)
    return {**os.environ, "KUBECONFIG": str(KUBECONFIG)}


def _environment(up: Path, env: Mapping[str, str], seconds: float) -> Mapping[str, str]:
    """Run the program that starts a cluster; return the environment that its last line makes."""
    show = f"{sys.executable} -c 'import json, os; print(json.dumps(dict(os.environ)))'"
    script = f'set -euo pipefail; said=$("$0"); echo "$said" >&2; eval "$(echo "$said" | tail -1)"; {show}'
    command = ("bash", "-c", script, str(up))
    began = time.monotonic()
    process = subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        answer, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        raise Impossible(f"`{up.name}` did not start a cluster within {seconds:g} s.") from None
    if process.returncode:
        raise Impossible(f"`{up.name}` failed with status {process.returncode}; it says why above.")
    _say(f"cluster: up in {time.monotonic() - began:.0f} s")
    found: Mapping[str, str] = json.loads(answer.strip().splitlines()[-1])
    return found


def _fakenpu_context(context: Path, python: str, env: Mapping[str, str]) -> None:
    """Fill a folder with what the image of the kit is made of."""
    shutil.copytree(
        REPO / "operator" / "fakenpu",
        context / "fakenpu",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    ask = "import sys; print('.'.join(map(str, sys.version_info[:2])))"
    run = (
        "docker",
        "run",
        "--rm",
        "--network",
        "none",
        "--entrypoint",
        "python3",
        python,
        "-c",
        ask,
    )
    version = _run(run, env).strip()
    pip = (sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check")
    locked = ("--require-hashes", "-r", str(REPO / "requirements-fakenpu.txt"))
    only = (
        "--only-binary",
        ":all:",
        "--python-version",
        version,
        "--dest",
        str(context / "wheels"),
    )
    _run((*pip, *locked, *only), env)


def _run(command: Sequence[str], env: Mapping[str, str]) -> str:
    done = subprocess.run(command, env=env, cwd=REPO, capture_output=True, text=True, check=False)
    if done.returncode:
        _say(done.stdout + done.stderr)
        sys.exit(f"e2e-kind: {' '.join(command[:4])} failed with status {done.returncode}")
    return done.stdout


def _succeeds(command: Sequence[str], env: Mapping[str, str]) -> bool:
    with contextlib.suppress(OSError):
        return subprocess.run(command, env=env, capture_output=True, check=False).returncode == 0
    return False


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--if-possible", action="store_true", help="no failure without a runtime")
    parser.add_argument(
        "--keep",
        action="store_true",
        help=f"leave the cluster running: {KUBECONFIG.relative_to(REPO)}",
    )
    parser.add_argument(
        "--up-seconds", type=float, default=UP_SECONDS, help="for KWATT_KIND's `up`"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
