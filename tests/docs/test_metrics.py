"""The Korean table of metrics, written by hand, has the rows of the generated one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from docs.pages import DOCS

HANGUL = re.compile("[가-힣]")


class Row(NamedTuple):
    """A row of the table, its cells as they are written."""

    metric: str
    type: str
    labels: str
    unit: str
    meaning: str
    series: str


def rows(page: Path) -> list[Row]:
    lines = page.read_text(encoding="utf-8").splitlines()
    found = [line for line in lines if line.startswith("| `kwatt_")]
    return [Row(*(cell.strip() for cell in line.strip("|").split("|"))) for line in found]


ENGLISH, KOREAN = rows(DOCS / "metrics.md"), rows(DOCS / "ko" / "metrics.md")


def test_both_languages_have_the_same_metrics_types_and_labels() -> None:
    assert ENGLISH
    assert [row[:3] for row in KOREAN] == [row[:3] for row in ENGLISH]


def test_both_languages_count_the_same_series() -> None:
    def numbers(row: Row) -> list[str]:
        return re.findall(r"\d+", row.series)

    assert [numbers(row) for row in KOREAN] == [numbers(row) for row in ENGLISH]


@pytest.mark.parametrize("row", KOREAN, ids=lambda row: row.metric)
def test_every_meaning_is_told_in_korean(row: Row) -> None:
    assert HANGUL.search(row.meaning)
    assert row.unit
    assert row.series
