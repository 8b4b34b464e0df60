"""Build the operator's image with docker or podman: `make image`. Standard library only.

    python tests/release/image.py [--tag kwatt:0.1.0] [--base IMAGE] [--archive FILE]

The base is a public Python image; where it can't be pulled, one that is made of Debian packages with
`mmdebstrap`. Labels and file times come from the last commit, so that they are the same wherever it is built.
"""

from __future__ import annotations

import argparse
import gzip
import os
import re
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
PUBLIC_BASE = "docker.io/library/python:3.13-slim-trixie"
DEBIAN_BASE = "kwatt.local/python:trixie"
CERTIFICATES = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
NO_RUNTIME = 3


class Failed(Exception):
    """The image can't be built; the message is a sentence."""


def version() -> str:
    """Return the version of the package: it is written in one place."""
    text = (REPO / "operator" / "kwatt" / "__init__.py").read_text(encoding="utf-8")
    return re.findall(r'^__version__ = "(.+)"', text, re.MULTILINE)[0]


def epoch() -> int:
    """Return SOURCE_DATE_EPOCH, else the time of the last commit, in seconds."""
    if told := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(told)
    return int(_told("git", "-C", str(REPO), "log", "-1", "--format=%ct") or 0)


def runtime() -> str | None:
    """Return the container program that answers, None where none does."""
    for program in ("docker", "podman"):
        if shutil.which(program) and _answers(program, "info"):
            return program
    return None


def build(program: str, tag: str, base: str) -> None:
    """Build the image. Raises Failed with the builder's last words."""
    moment = epoch()
    arguments = {
        "BASE": base,
        "SOURCE_DATE_EPOCH": str(moment),
        "VERSION": version(),
        "REVISION": _told("git", "-C", str(REPO), "rev-parse", "HEAD") or "unknown",
        "CREATED": datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    pairs = [word for key, value in arguments.items() for word in ("--build-arg", f"{key}={value}")]
    env = dict(os.environ)
    if program == "docker" and not _answers("docker", "buildx", "version"):
        env["DOCKER_BUILDKIT"] = "0"  # the classic builder; BuildKit comes with buildx only
    with _certificates():
        done = subprocess.run(
            [program, "build", *pairs, "-t", tag, str(REPO)], env=env, check=False
        )
    if done.returncode:
        raise Failed(f"{program} build failed with status {done.returncode}; its words are above")


def base_image(program: str) -> str:
    """Return a base that is here, can be pulled, or can be made. Raises Failed."""
    for image in (PUBLIC_BASE, DEBIAN_BASE):
        if _answers(program, "image", "inspect", image):
            return image
    _say(f"pulling {PUBLIC_BASE}")
    if _answers(program, "pull", "--quiet", PUBLIC_BASE):
        return PUBLIC_BASE
    if not shutil.which("mmdebstrap"):
        raise Failed(
            f"{PUBLIC_BASE} can't be pulled; install mmdebstrap, or name a base with BASE="
        )
    _say(f"it can't be pulled; making {DEBIAN_BASE} of Debian packages")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root.tar"
        include = "--include=python3,python3-venv,ca-certificates"
        subprocess.run(
            ["mmdebstrap", "-q", "--variant=minbase", include, "trixie", str(root)], check=True
        )
        subprocess.run([program, "import", str(root), DEBIAN_BASE], check=True, stdout=sys.stderr)
    return DEBIAN_BASE


def archive(program: str, tag: str, target: Path) -> None:
    """Write the image into a compressed archive that `docker load` and `ctr images import` read."""
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "image.tar"
        subprocess.run([program, "save", "-o", str(plain), tag], check=True)
        with (
            plain.open("rb") as source,
            target.open("wb") as file,
            gzip.GzipFile("", "wb", 6, file, mtime=0) as packed,
        ):
            shutil.copyfileobj(source, packed)


class _certificates:  # noqa: N801 - reads as a clause
    """Lend the machine's own CA bundle to the build, where the environment names one."""

    place = REPO / "build" / "ca.crt"

    def __enter__(self) -> None:
        found = next((os.environ[name] for name in CERTIFICATES if os.environ.get(name)), None)
        if found:
            self.place.parent.mkdir(exist_ok=True)
            shutil.copyfile(found, self.place)

    def __exit__(self, *_: object) -> None:
        self.place.unlink(missing_ok=True)


def _answers(*command: str) -> bool:
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def _told(*command: str) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def _say(text: str) -> None:
    print(f"image: {text}", file=sys.stderr, flush=True)


def main() -> int:
    """Build; the status is 3 where no container runtime answers."""
    parser = argparse.ArgumentParser(description="Build the operator's image.")
    parser.add_argument("--tag", default=f"kwatt:{version()}")
    parser.add_argument("--base", default=os.environ.get("BASE") or None)
    parser.add_argument("--archive", type=Path, help="write the image into this file too")
    told = parser.parse_args()
    program = runtime()
    if program is None:
        _say("NOT BUILT: neither docker nor podman answers on this machine")
        return NO_RUNTIME
    try:
        build(program, told.tag, told.base or base_image(program))
    except Failed as failure:
        _say(str(failure))
        return 1
    size = int(_told(program, "image", "inspect", "--format", "{{.Size}}", told.tag) or 0)
    _say(f"{told.tag}: {size / 1e6:.0f} MB")
    if told.archive:
        archive(program, told.tag, told.archive)
    return 0


if __name__ == "__main__":
    sys.exit(main())
