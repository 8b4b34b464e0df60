"""Sections of docs/benchmarks.md: each program replaces its own and leaves all others."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.sections import (
    AT_SCALE,
    OFFLINE,
    SAME_PLAN,
    kept_from,
    section_of,
    with_section,
    write_section,
)

PAGE = "# Benchmarks\n\nof `make bench`\n"


def test_a_section_is_added_at_the_end_and_replaced_where_it_is(tmp_path: Path) -> None:
    page = tmp_path / "benchmarks.md"
    page.write_text(PAGE)

    write_section(page, [AT_SCALE, "", "first"])
    write_section(page, [SAME_PLAN, "", "other"])
    write_section(page, [AT_SCALE, "", "second", ""])

    assert page.read_text() == f"{PAGE}\n{AT_SCALE}\n\nsecond\n\n{SAME_PLAN}\n\nother\n"


@pytest.mark.parametrize("heads", [(AT_SCALE,), (SAME_PLAN,), (OFFLINE, AT_SCALE, SAME_PLAN), ()])
def test_what_others_wrote_is_kept(heads: tuple[str, ...]) -> None:
    page = PAGE
    for head in heads:
        page = with_section(page, [head, "", f"of {head}", "", "### Within", "", r"a \1 b"])

    assert PAGE + kept_from(page) == page


def test_headings_below_belong_to_the_section_and_those_beside_do_not() -> None:
    page = f"{PAGE}\n{AT_SCALE}\n\na\n\n### b\n\n## At rest\n\nc\n"

    assert section_of(page, AT_SCALE) == f"\n{AT_SCALE}\n\na\n\n### b\n"


def test_a_page_without_the_section_has_nothing_of_it() -> None:
    assert section_of(PAGE + f"of {AT_SCALE}\n", AT_SCALE) == ""
