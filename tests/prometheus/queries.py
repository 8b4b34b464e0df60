"""The queries of the dashboard and of the alerts, as plain text."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import yaml

REPO = Path(__file__).resolve().parents[2]
FILES = REPO / "charts" / "kwatt" / "files"
DASHBOARD: dict[str, Any] = json.loads((FILES / "dashboard.json").read_text(encoding="utf-8"))
ALERTS = FILES / "alerts.yaml"
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
_VARIABLES = {
    "$__rate_interval": "10s",
    "$__range": "1m",
    **{f"${name}": ".*" for name in ("budget", "namespace", "service", "npu_class")},
}


class Query(NamedTuple):
    """One query of a panel, with its variables filled in."""

    row: str
    panel: str
    type: str
    expression: str
    legend: str

    def __str__(self) -> str:
        return f"{self.row}: {self.panel}: {self.expression}"


def dashboard_queries() -> list[Query]:
    """Return every query of the dashboard, for all budgets, services and classes."""
    found, row = [], ""
    for panel in DASHBOARD["panels"]:
        row = panel["title"] if panel["type"] == "row" else row
        for target in panel.get("targets", ()):
            query = filled(target["expr"])
            found.append(Query(row, panel["title"], panel["type"], query, target["legendFormat"]))
    return found


def filled(expression: str) -> str:
    """Fill in the variables of the dashboard."""
    for name, value in _VARIABLES.items():
        expression = re.sub(re.escape(name) + r"\b", value, expression)
    return expression


def named(expression: str) -> set[str]:
    """Return the metrics that an expression names."""
    return set(re.findall(r"\bkwatt_[a-z_]+", expression))
