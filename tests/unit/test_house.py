"""What must stay true of the repository itself."""

from __future__ import annotations

import operator
import re
from pathlib import Path

from kwatt.metrics import Metrics

REPO = Path(__file__).resolve().parents[2]


def test_the_folder_operator_does_not_shadow_the_standard_library() -> None:
    assert operator.attrgetter
    assert list((REPO / "operator").glob("*.py")) == []


def test_every_metric_is_documented_and_no_other() -> None:
    families = {metric.name for metric in Metrics().registry.collect()}
    page = (REPO / "docs" / "metrics.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| `(kwatt_[a-z_]+)", page, flags=re.MULTILINE))

    assert {name.removesuffix("_total") for name in documented} == families


def test_every_target_of_the_makefile_is_explained_in_make_help() -> None:
    makefile = (REPO / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z0-9-]+):", makefile, flags=re.MULTILINE))
    explained = set(re.findall(r"^([a-z0-9-]+):.*## ", makefile, flags=re.MULTILINE))

    assert targets == explained


def test_no_lock_file_carries_an_address() -> None:
    for lock in REPO.glob("requirements*.txt"):
        assert "://" not in lock.read_text(encoding="utf-8")
