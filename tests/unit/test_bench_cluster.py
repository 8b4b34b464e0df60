"""What `make bench-cluster` finds broken, and the log that it reads."""

from __future__ import annotations

import json
from pathlib import Path

from bench.audit import AuditLog
from bench.scale.page import broken


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
