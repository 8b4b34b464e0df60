"""Make a release in `dist/`: wheel, chart, CRDs, bill of materials, image archive, checksums. `make release`.

The version is that of `kwatt.__version__`; file times come from the last commit. Nothing is published.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from sysconfig import get_path

REPO = Path(__file__).resolve().parents[2]
sys.path[0] = str(REPO / "tests")

from cluster import tools  # noqa: E402  (runs as a program: the path comes first)
from release import image  # noqa: E402

VERSION = image.version()
BILL = "/usr/share/sbom/kwatt.cdx.json"
CHART_VERSIONS = (f"\nversion: {VERSION}\n", f'\nappVersion: "{VERSION}"\n')


def main() -> int:
    """Make every part; the status is 0 also where the image had to be left out, which is said loudly."""
    dist = REPO / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    dist.mkdir()
    os.environ["SOURCE_DATE_EPOCH"] = str(image.epoch())
    check()
    parts: tuple[Callable[[Path], None], ...] = (wheel, chart, crds, bill, image_archive)
    for part in parts:
        part(dist)
    checksums(dist)
    for file in sorted(dist.iterdir()):
        print(f"{file.stat().st_size:>12,}  {file.name}")
    return 0


def check() -> None:
    """Fail where the chart has another version; warn of what a release should not lack."""
    chart_text = (REPO / "charts" / "kwatt" / "Chart.yaml").read_text(encoding="utf-8")
    if not all(line in chart_text for line in CHART_VERSIONS):
        raise SystemExit(f"release: Chart.yaml is not at {VERSION}; run make generate and commit")
    changes = (REPO / "CHANGELOG.md").read_text(encoding="utf-8")
    if f"## [{VERSION}]" not in changes:
        _say(f"WARNING: CHANGELOG.md has no section [{VERSION}]; this is no release to publish")
    if _run("git", "status", "--porcelain").stdout.strip():
        _say("WARNING: the working tree has changes that are in no commit")


def wheel(dist: Path) -> None:
    """Build the wheel."""
    options = ("--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation")
    _run(sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", str(dist), ".")


def chart(dist: Path) -> None:
    """Package the chart."""
    helm = tools.ensure(tools.ALL) / "helm"
    _run(str(helm), "package", "charts/kwatt", "--destination", str(dist))


def crds(dist: Path) -> None:
    """Write all CRDs into one file, for those who apply them apart."""
    texts = [path.read_text(encoding="utf-8") for path in sorted((REPO / "crds").glob("*.yaml"))]
    (dist / f"kwatt-crds-{VERSION}.yaml").write_text("---\n".join(texts), encoding="utf-8")


def bill(dist: Path) -> None:
    """Write the bill of materials of the wheel with its locked packages."""
    script = ("tests/release/sbom.py", get_path("purelib"), VERSION)
    made = _run(sys.executable, *script, "--locked", "requirements.txt")
    (dist / f"kwatt-{VERSION}.cdx.json").write_text(made.stdout, encoding="utf-8")


def image_archive(dist: Path) -> None:
    """Build the image and archive it, with its own bill of materials; say it where nothing can build one."""
    unwanted = os.environ.get("IMAGE") == "no"
    program = None if unwanted else image.runtime()
    if program is None:
        why = "as IMAGE=no asks" if unwanted else "neither docker nor podman answers here"
        _say("=" * 78)
        _say(f"NO IMAGE: {why}; the release is not complete")
        _say("=" * 78)
        return
    tag = f"kwatt:{VERSION}"
    image.build(program, tag, os.environ.get("BASE") or image.base_image(program))
    image.archive(program, tag, dist / f"kwatt-image-{VERSION}.tar.gz")
    show = ("--entrypoint", "/usr/bin/python3", tag, "-c", f"print(open('{BILL}').read())")
    told = _run(program, "run", "--rm", "--network=none", "--read-only", *show)
    (dist / f"kwatt-image-{VERSION}.cdx.json").write_text(told.stdout, encoding="utf-8")


def checksums(dist: Path) -> None:
    """Write SHA256SUMS, as `sha256sum --check` reads it."""
    lines = []
    for file in sorted(dist.iterdir()):
        with file.open("rb") as content:
            lines.append(f"{hashlib.file_digest(content, 'sha256').hexdigest()}  {file.name}\n")
    (dist / "SHA256SUMS").write_text("".join(lines), encoding="ascii")


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, check=False, cwd=REPO, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"release: {' '.join(command[:4])} failed: {done.stderr.strip()[-2000:]}")
    return done


def _say(text: str) -> None:
    print(f"release: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except image.Failed as failure:
        sys.exit(f"release: {failure}")
