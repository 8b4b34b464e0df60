"""Every relative link and anchor of README and docs/ leads somewhere; both languages have the same pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs.pages import DOCS, REPO, anchors, headings, links

PAGES = [REPO / "README.md", *sorted(DOCS.rglob("*.md"))]
KOREAN = sorted((DOCS / "ko").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPO)))
def test_links_lead_somewhere(page: Path) -> None:
    assert [target for target in links(page) if not leads(page, target)] == []


def leads(page: Path, target: str) -> bool:
    path, _, anchor = target.partition("#")
    file = (page.parent / path).resolve() if path else page
    if not file.exists() or not file.is_relative_to(REPO):
        return False
    return not anchor or file.suffix != ".md" or anchor in anchors(file)


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    page = DOCS / "index.md"

    assert leads(page, "reasons.md#insufficientnpus")
    assert not leads(page, "reasons.md#insufficientgpus")
    assert not leads(page, "missing.md")


@pytest.mark.parametrize("korean", KOREAN, ids=lambda page: page.name)
def test_both_languages_have_the_same_structure(korean: Path) -> None:
    english = DOCS / korean.name

    assert shape(korean) == shape(english)
    assert f"ko/{korean.name}" in links(english)
    assert f"../{korean.name}" in links(korean)


def shape(page: Path) -> list[int]:
    """Return the levels of the headings of a page."""
    marks = [line for line in page.read_text(encoding="utf-8").splitlines() if line[:1] == "#"]
    assert len(marks) >= len(headings(page))
    return [len(mark) - len(mark.lstrip("#")) for mark in marks if mark.lstrip("#")[:1] == " "]


def test_the_guides_are_there_in_korean() -> None:
    guides = {"index", "quickstart", "admin", "team", "reasons", "comparison", "compatibility"}

    assert guides <= {page.stem for page in KOREAN}
