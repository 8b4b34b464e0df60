"""What a release is made of: the bill says what the lock file pins, the version is in one place."""

from __future__ import annotations

import re
import sysconfig
from pathlib import Path

import kwatt
from release import image, sbom
from release.chart_version import versioned

REPO = Path(__file__).resolve().parents[2]
LOCK = (REPO / "requirements.txt").read_text(encoding="utf-8")
PACKAGES = sysconfig.get_path("purelib")


def test_the_bill_names_every_locked_package_with_its_locked_version() -> None:
    pins = re.findall(r"^([\w.-]+)==([\w.+-]+)", LOCK, re.MULTILINE)

    made = sbom.bill(PACKAGES, "1.2.3", locked=sbom.locked_names(LOCK))

    found = {part["purl"] for part in made["components"]}
    locked = {f"pkg:pypi/{sbom.plain(name)}@{version}" for name, version in pins}
    assert found - locked == {sbom.interpreter()["purl"]}
    assert locked <= found


def test_every_package_in_the_bill_says_its_licence() -> None:
    made = sbom.bill(PACKAGES, "1.2.3", locked=sbom.locked_names(LOCK))

    assert [part["name"] for part in made["components"] if "licenses" not in part] == []


def test_the_same_packages_give_the_same_bill() -> None:
    assert sbom.bill(PACKAGES, "1") == sbom.bill(PACKAGES, "1")
    assert sbom.bill(PACKAGES, "1")["serialNumber"] != sbom.bill(PACKAGES, "2")["serialNumber"]


def test_the_version_is_read_from_the_package_and_written_into_the_chart() -> None:
    chart = 'version: 0.0.1\nkubeVersion: ">=1"\nappVersion: "0.0.1"\n'

    assert image.version() == kwatt.__version__
    assert versioned(chart, "2.0.0") == 'version: 2.0.0\nkubeVersion: ">=1"\nappVersion: "2.0.0"\n'


def test_what_the_image_leaves_out_is_imported_by_no_command() -> None:
    """The generated half of the package `kubernetes` is big and unused; an import of it must show here."""
    left_out = re.compile(r"kubernetes\.(aio\.)?client\.(api|models)\.\w+")
    sources = (path.read_text() for path in (REPO / "operator").rglob("*.py"))

    assert [name for text in sources for name in left_out.findall(text)] == []
