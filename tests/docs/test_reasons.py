"""The page of reasons and conditions has a section for each that the code can give, and for no other."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

from docs.pages import DOCS, REPO
from kwatt.model.feedback import ExcessReason
from kwatt.model.measurements import Loss
from kwatt.model.plan import Reason

STATUS = REPO / "operator" / "kwatt" / "status"
NAMED = {
    "Measured": set(Loss),
    "Enforced": {ExcessReason.METER_ABOVE_CAP},
    "Exceeded": set(ExcessReason),
}
PAGES = [DOCS / "reasons.md", DOCS / "ko" / "reasons.md"]


def in_the_code() -> dict[str, set[str]]:
    """Return the reasons of each type of condition: what is written out, and what enumerations name."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for file in STATUS.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Verdict":
                kind, _, reason, *_ = node.args
                assert isinstance(kind, ast.Constant)
                words = (n.value for n in ast.walk(reason) if isinstance(n, ast.Constant))
                found[kind.value] |= {word for word in words if isinstance(word, str)}
    for kind, names in NAMED.items():
        found[kind] |= {str(name) for name in names}
    return dict(found)


def sections(page: Path) -> dict[str, str]:
    """Return the sections of the third level by title."""
    parts = re.split(r"^### (\w+)\n", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("page", PAGES, ids=["english", "korean"])
def test_every_reason_and_condition_has_its_section(page: Path) -> None:
    expected = {str(reason) for reason in Reason} | set(in_the_code())

    assert set(sections(page)) == expected


@pytest.mark.parametrize("page", PAGES, ids=["english", "korean"])
def test_every_section_of_a_reason_says_what_to_type(page: Path) -> None:
    for reason in Reason:
        assert "`kubectl" in sections(page)[str(reason)], reason


@pytest.mark.parametrize("page", PAGES, ids=["english", "korean"])
def test_every_condition_lists_its_reasons(page: Path) -> None:
    told = sections(page)
    for kind, reasons in in_the_code().items():
        rows = re.findall(r"^\| `(\w+)` \|", told[kind], flags=re.MULTILINE)
        assert set(rows) == reasons, kind
        assert len(rows) == len(set(rows)), kind
