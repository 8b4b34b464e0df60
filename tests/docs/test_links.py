"""Every relative link and anchor of README and docs/ leads somewhere; both languages have the same pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.pages import DOCS, REPO, anchors, blocks, links, prose

PAGES = [REPO / "README.md", *sorted(DOCS.rglob("*.md"))]
ENGLISH = sorted(DOCS.glob("*.md"))
KOREAN = sorted((DOCS / "ko").glob("*.md"))
# Tables that a program writes stay in one place: the Korean page says how to read them, with its own headings.
GENERATED = {
    "benchmarks.md",
    "benchmarks-demand.md",
    "benchmarks-faults.md",
    "benchmarks-planner.md",
}
THE_COMMAND = {
    DOCS / "installation.md": "the-command-kubectl-kwatt",
    DOCS / "ko" / "installation.md": "kubectl-kwatt-명령",
}
_MARK = re.compile(r"^ *(#{1,6}(?= )|\||[*-](?= )|\d+\.(?= ))", re.MULTILINE)


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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPO)))
def test_who_is_told_to_type_kubectl_kwatt_is_told_how_to_get_it(page: Path) -> None:
    typed = "kubectl kwatt" in page.read_text(encoding="utf-8") and page not in THE_COMMAND

    assert not typed or any(leads_to_the_command(page, target) for target in links(page))


def leads_to_the_command(page: Path, target: str) -> bool:
    path, _, anchor = target.partition("#")
    return THE_COMMAND.get((page.parent / path).resolve()) == anchor


@pytest.mark.parametrize("english", ENGLISH, ids=lambda page: page.name)
def test_every_page_is_there_in_korean(english: Path) -> None:
    korean = DOCS / "ko" / english.name

    assert korean.exists(), (
        f"write {korean.relative_to(REPO)}, and list it in tests/docs/mkdocs.yml"
    )
    assert f"../{english.name}" in links(korean)
    assert english.name in GENERATED or f"ko/{english.name}" in links(english)


@pytest.mark.parametrize("korean", KOREAN, ids=lambda page: page.name)
def test_both_languages_have_the_same_structure(korean: Path) -> None:
    english = DOCS / korean.name

    assert english.exists()
    assert korean.name in GENERATED or shape(korean) == shape(english)


@pytest.mark.parametrize("page", [*ENGLISH, *KOREAN], ids=lambda page: str(page.relative_to(DOCS)))
def test_every_page_is_in_the_navigation(page: Path) -> None:
    navigation = (REPO / "tests" / "docs" / "mkdocs.yml").read_text(encoding="utf-8")

    assert str(page.relative_to(DOCS)) in re.findall(r"[\w/-]+\.md", navigation)


def shape(page: Path) -> list[str]:
    """Return what a page is made of: marks of headings, rows and items in order, then its blocks' languages."""
    return [*_MARK.findall(prose(page)), *(block.language for block in blocks(page))]


def test_a_row_that_one_language_lacks_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# Title\n\n| a |\n| b |\n\n```sh\n# a comment\n```\n\n1. one\n", encoding="utf-8"
    )

    assert shape(page) == ["#", "|", "|", "1.", "sh"]
