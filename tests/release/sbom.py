"""Write a CycloneDX 1.6 bill of materials of a folder of installed Python packages.

    python sbom.py PACKAGES VERSION [--locked requirements.txt] [--debian FILE]... > kwatt.cdx.json

What is said of a package is what its own metadata says. With `--locked`, only packages that the file
locks are listed; with `--debian`, the Debian packages that own these files are listed too. Standard
library only: it runs inside the image's build. The time is SOURCE_DATE_EPOCH.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

Component = dict[str, Any]
ROOT = "pkg:pypi/kwatt@{version}"


def bill(
    packages: str,
    version: str,
    debian: Sequence[str] = (),
    locked: frozenset[str] | None = None,
    epoch: int = 0,
) -> dict[str, Any]:
    """Return the bill of materials; the same packages give the same bill, byte for byte."""
    parts = sorted(
        [*python_packages(packages, locked), interpreter(), *debian_packages(debian)],
        key=lambda part: str(part["bom-ref"]),
    )
    root = ROOT.format(version=version)
    refs = [part["bom-ref"] for part in parts]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, ' '.join([root, *refs]))}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {
                "type": "application",
                "bom-ref": root,
                "name": "kwatt",
                "version": version,
                "purl": root,
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            },
        },
        "components": parts,
        "dependencies": [{"ref": root, "dependsOn": refs}],
    }


def python_packages(folder: str, locked: frozenset[str] | None = None) -> list[Component]:
    """Return a component for every distribution that is installed in a folder, KWatt left out."""
    found = [one for one in metadata.distributions(path=[folder]) if one.name != "kwatt"]
    return [_python_package(one) for one in found if locked is None or plain(one.name) in locked]


def locked_names(requirements: str) -> frozenset[str]:
    """Return the names of the packages that the text of a lock file names."""
    return frozenset(
        plain(name) for name in re.findall(r"^([\w.-]+)==", requirements, re.MULTILINE)
    )


def plain(name: str) -> str:
    """Return the normal form of a package's name (PyPA, "Names and normalization")."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _python_package(one: metadata.Distribution) -> Component:
    purl = f"pkg:pypi/{plain(one.name)}@{one.version}"
    part = {
        "type": "library",
        "bom-ref": purl,
        "name": one.name,
        "version": one.version,
        "purl": purl,
    }
    fields = one.metadata
    if told := fields.get("License-Expression"):
        return part | {"licenses": [{"expression": told}]}
    # Older metadata: a short text or a classifier; a whole licence text is no name.
    names = [fields.get("License") or "", *_classified(fields.get_all("Classifier") or [])]
    short = [text.strip() for text in names if text.strip() and len(text) < 60 and "\n" not in text]
    return part | ({"licenses": [{"license": {"name": short[0]}}]} if short else {})


def _classified(classifiers: Iterable[str]) -> list[str]:
    return [line.rpartition(" :: ")[2] for line in classifiers if line.startswith("License :: ")]


def interpreter() -> Component:
    """Return the component of the Python that runs this."""
    version = platform.python_version()
    purl = f"pkg:generic/python@{version}"
    return {
        "type": "platform",
        "bom-ref": purl,
        "name": "python",
        "version": version,
        "purl": purl,
        "licenses": [{"license": {"id": "PSF-2.0"}}],
    }


def debian_packages(files: Sequence[str]) -> list[Component]:
    """Return a component for every Debian package that owns one of the files; none without dpkg."""
    if not files or not shutil.which("dpkg-query"):
        return []
    owners = subprocess.run(
        ["dpkg-query", "-S", *_spellings(files)], check=False, capture_output=True, text=True
    )
    names = sorted({line.partition(": ")[0] for line in owners.stdout.splitlines() if ": " in line})
    if not names:
        return []
    form = "${Package} ${Version} ${Architecture}\n"
    told = subprocess.run(
        ["dpkg-query", "-W", "-f", form, *names], check=False, capture_output=True, text=True
    )
    return [_debian_package(*line.split()) for line in told.stdout.splitlines()]


def _spellings(files: Iterable[str]) -> list[str]:
    """Both names of a file under a merged /usr: dpkg knows one of them."""
    plain = {file.removeprefix("/usr") if file.startswith("/usr/lib") else file for file in files}
    return sorted(plain | {f"/usr{file}" for file in plain if file.startswith("/lib")})


def _debian_package(name: str, version: str, architecture: str) -> Component:
    purl = f"pkg:deb/debian/{name}@{version.replace('+', '%2B')}?arch={architecture}"
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def main() -> None:
    """Print the bill of materials of a folder."""
    parser = argparse.ArgumentParser(description="A CycloneDX bill of materials.")
    parser.add_argument("packages")
    parser.add_argument("version")
    parser.add_argument("--debian", action="append", default=[], metavar="FILE")
    parser.add_argument("--locked", type=Path, metavar="FILE")
    told = parser.parse_args()
    locked = locked_names(told.locked.read_text(encoding="utf-8")) if told.locked else None
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH") or 0)
    json.dump(bill(told.packages, told.version, told.debian, locked, epoch), sys.stdout, indent=1)


if __name__ == "__main__":
    main()
