"""What `make bench-cluster` puts into docs/benchmarks.md, and what it leaves there."""

from __future__ import annotations

import json
from pathlib import Path

from bench.audit import AuditLog
from bench.scale.page import HEAD, broken, kept_before, kept_from, write_section

PAGE = "# Benchmarks\n\nof `make bench`\n"


def test_the_section_is_replaced_and_the_rest_of_the_page_is_kept(tmp_path: Path) -> None:
    page = tmp_path / "benchmarks.md"
    page.write_text(PAGE)

    write_section(page, [HEAD, "", "first"])
    write_section(page, [HEAD, "", "second"])

    assert page.read_text() == f"{PAGE}\n{HEAD}\n\nsecond\n"
    assert kept_before(page.read_text()) + kept_from(page.read_text()) == page.read_text()


def test_a_page_without_the_section_keeps_nothing_of_it() -> None:
    assert kept_from(PAGE) == ""


def test_a_write_to_an_unchanged_cluster_breaks_a_requirement_and_a_dry_run_does_not() -> None:
    quiet = {"writes": {"patch deployments (dry run)": 1}}
    part = {"key": "fleet", "rest": quiet, "start": {"writes": {"patch pods": 2}}}

    assert list(broken([part])) == ["fleet: 2 writes at start"]


def test_writes_are_read_on_over_a_log_that_the_api_server_rotates(tmp_path: Path) -> None:
    current = tmp_path / "audit.log"
    log = AuditLog(current)
    current.write_text(_event("first") + _event("second")[:9])
    assert [write.name for write in log.writes()] == ["first"]

    current.write_text(_event("first") + _event("second"))
    current.rename(tmp_path / "audit-2026-11-23T05-00-00.000.log")
    current.write_text(_event("third"))

    assert [write.name for write in log.writes()] == ["first", "second", "third"]


def _event(name: str) -> str:
    event = {
        "stageTimestamp": "2026-11-23T05:00:00Z",
        "user": {"username": "kwatt"},
        "verb": "patch",
        "objectRef": {"resource": "pods", "name": name},
        "requestURI": "/api/v1/pods",
    }
    return json.dumps(event) + "\n"
