"""Finding wanted series: text format, OpenMetrics, and what is neither."""

from __future__ import annotations

import pytest

from kwatt.model.telemetry import Refusal
from kwatt.telemetry.exposition import LONGEST_LINE, MOST_SERIES, Scanner, parse_labels
from kwatt.telemetry.refusals import Unusable


def scanned(body: bytes, *names: str) -> Scanner:
    scanner = Scanner(names or ("up",))
    scanner.feed(body)
    scanner.finish()
    return scanner


def test_timestamps_and_exemplars_are_told_from_the_value() -> None:
    body = b'up 1\nup{a="b"} 2 1700000000123\nup{a="c"} 3 1.7e9 # {trace="}"} 0.5\n'

    assert [(one.value, one.timestamp) for one in scanned(body).series] == [
        (b"1", None),
        (b"2", b"1700000000123"),
        (b"3", b"1.7e9"),
    ]


def test_a_longer_name_is_another_metric() -> None:
    assert scanned(b"up_total 1\nupper 2\n").series == []


def test_labels_keep_braces_and_escapes() -> None:
    (one,) = scanned(b'up{a="}\\"x\\n\\\\", b="\xec\xa0\x84",} 1\n').series

    assert parse_labels(one.labels) == {"a": '}"x\n\\', "b": "전"}


@pytest.mark.parametrize(
    "block", [b'a="b" c="d"', b'a="b",a="c"', b"a=b", b'="b"', b'a="\xff"', b",", b'1a="b"']
)
def test_malformed_labels_are_none(block: bytes) -> None:
    assert parse_labels(block) is None


def test_a_line_that_never_ends_is_no_figure_and_costs_no_memory() -> None:
    scanner = Scanner(("up",))
    for _ in range(64):
        scanner.feed(b'up{a="' + b"x" * LONGEST_LINE)
    scanner.feed(b'"} 1\nup 2\n')

    assert [one.value for one in scanner.series] == [b"2"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", Refusal.EMPTY),
        (b"\n\n", Refusal.EMPTY),
        (b"<!doctype html>\n<title>x</title>\n", Refusal.NOT_EXPOSITION),
        (b'{"status":"success"}\n', Refusal.NOT_EXPOSITION),
        (b"<html>", Refusal.NOT_EXPOSITION),
        (b"\x1f\x8b\x08\n\x00", Refusal.NOT_EXPOSITION),
    ],
)
def test_a_body_that_is_no_exposition_is_refused(body: bytes, reason: Refusal) -> None:
    with pytest.raises(Unusable) as caught:
        scanned(body)

    assert caught.value.reason is reason


def test_more_wanted_series_than_any_node_has_are_refused() -> None:
    with pytest.raises(Unusable, match="more than 4096 series of up"):
        scanned(b"".join(b'up{n="%d"} 1\n' % n for n in range(MOST_SERIES + 1)))


def test_names_that_were_seen_are_told() -> None:
    assert scanned(b'# HELP b x\nb{a="1"} 1\nb 2\nc 3\n').seen() == ("b", "c")
