"""The table and the document against golden files; write them anew with KWATT_UPDATE_GOLDEN=1."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from kwatt.cli.document import document
from kwatt.cli.report import State
from kwatt.cli.table import table
from kwatt.cli.text import Segment, Style, bar, figure, seen_width
from unit.cli.reports import EMPTY, NOW, PLAN, REPORT, SNAPSHOT

GOLDEN = Path(__file__).parents[2] / "golden" / "plan"


def expect(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("KWATT_UPDATE_GOLDEN") == "1":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "style"),
    [
        ("wide.txt", Style(width=140)),
        ("narrow.txt", Style(width=80)),
        ("ascii.txt", Style(width=110, unicode=False)),
        ("colour.txt", Style(width=140, colour=True)),
    ],
)
def test_the_table_is_the_golden_one(name: str, style: Style) -> None:
    expect(name, table(REPORT, style))


def test_the_document_is_the_golden_one() -> None:
    rendered = document(REPORT.plan, REPORT.invalid, NOW)

    expect("document.json", json.dumps(rendered, ensure_ascii=False, indent=2) + "\n")


def test_an_empty_report_says_that_there_is_nothing() -> None:
    expect("empty.txt", table(EMPTY, Style()))


def test_ascii_has_no_other_character() -> None:
    assert table(REPORT, Style(unicode=False)).isascii()


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    lines = table(REPORT, Style(width=width, colour=True)).splitlines()

    assert max(seen_width(line) for line in lines) <= width


def test_every_service_has_its_state() -> None:
    states = {service.key.name: service.state for service in REPORT.services()}

    assert states == {
        "food": State.HELD,
        "hazard": State.PARTLY,
        "notes": State.INVALID,
        "traffic": State.PLACED,
    }


def test_watts_and_rates_are_exact_numbers() -> None:
    rendered = document(PLAN, (), NOW)

    assert rendered["placements"][2]["perSecond"] == 700.123456
    assert rendered["placements"][2]["plannedWatts"] == 82.4
    assert rendered["budgets"][0]["capWatts"] == 9000
    assert rendered["invalid"] == []
    assert SNAPSHOT.now == NOW


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0"),
        (1, "0.001"),
        (600, "0.6"),
        (17_240, "17.24"),
        (100_000, "100"),
        (152_670, "152.7"),
        (9_000_000, "9,000"),
        (12_345_678, "12,346"),
        (-53_360, "-53.36"),
    ],
)
def test_a_figure_has_about_four_digits(amount: int, text: str) -> None:
    assert figure(amount, 1000) == text


def test_a_bar_over_its_cap_is_full() -> None:
    parts = (Segment(30, "a", "a"), Segment(90, "b", "b"))

    assert bar(parts, 100, 8, Style()) == "aabbbbbb"
    assert bar(parts[:1], 100, 10, Style()) == "aaa·······"
