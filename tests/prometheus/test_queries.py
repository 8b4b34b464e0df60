"""Every query of the dashboard and of the alerts, asked of a real Prometheus."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator

import pytest
import yaml

from e2e.harness import eventually
from kwatt.metrics.families import FAMILIES
from kwatt.metrics.family import Type
from prometheus.fleet import Fleet, serving
from prometheus.programs import HERE, programs
from prometheus.queries import ALERTS, DASHBOARD, REPO, RULES, Query, dashboard_queries, named
from prometheus.server import Prometheus, prometheus

_SERIES = {
    name
    for family in FAMILIES
    for name in (
        (f"{family.name}_bucket", f"{family.name}_count", f"{family.name}_sum")
        if family.type is Type.HISTOGRAM
        else (family.name,)
    )
}
_PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Lend a Prometheus that has scraped the metrics often enough for rates."""
    folder = tmp_path_factory.mktemp("prometheus")
    with (
        serving(Fleet()) as port,
        prometheus(folder, [f"127.0.0.1:{port}"], [ALERTS]) as running,
    ):
        often = "count_over_time(kwatt_leader[1m]) > 3"
        eventually(lambda: running.query(often), 60, "four scrapes")
        yield running


def test_every_metric_arrives_with_the_name_of_the_table(scraped: Prometheus) -> None:
    assert {name for name in scraped.names() if name.startswith("kwatt_")} >= _SERIES


@pytest.mark.parametrize("query", dashboard_queries(), ids=str)
def test_every_query_of_the_dashboard_has_a_result(scraped: Prometheus, query: Query) -> None:
    result = scraped.query(query.expression)

    assert result
    assert all(series["value"][1] != "NaN" for series in result)


def test_every_rule_is_evaluated_without_an_error(scraped: Prometheus) -> None:
    def evaluated() -> bool:
        return all(rule["health"] != "unknown" for rule in scraped.rules())

    eventually(evaluated, 60)

    assert {rule["name"]: rule.get("lastError", "") for rule in scraped.rules()} == {
        rule["alert"]: "" for rule in RULES
    }


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_series_that_an_alert_names_exists(scraped: Prometheus, rule: dict[str, str]) -> None:
    assert named(rule["expr"])
    assert named(rule["expr"]) <= scraped.names()


def test_promtool_accepts_the_rules() -> None:
    promtool("check", "rules", str(ALERTS))


def test_promtool_sees_each_alert_fire_and_stay_silent() -> None:
    promtool("test", "rules", str(HERE / "alerts_test.yaml"))


def promtool(*args: str) -> None:
    done = subprocess.run(
        [str(programs() / "promtool"), *args], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_seen_to_fire_in_a_test() -> None:
    tests = yaml.safe_load((HERE / "alerts_test.yaml").read_text(encoding="utf-8"))["tests"]
    cases = [case for test in tests for case in test["alert_rule_test"]]

    fires = {case["alertname"] for case in cases if case["exp_alerts"]}
    silent = {case["alertname"] for case in cases if not case["exp_alerts"]}
    assert fires == silent == {rule["alert"] for rule in RULES}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_each_alert_says_how_grave_what_and_where_to_read_on(
    rule: dict[str, dict[str, str]],
) -> None:
    page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    headings = re.findall(r"^## (\w+)$", (REPO / page).read_text(encoding="utf-8"), re.MULTILINE)

    assert anchor in {heading.lower() for heading in headings}
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert {"summary", "description"} <= rule["annotations"].keys()


def test_the_runbook_has_no_other_alerts() -> None:
    text = (REPO / "docs" / "alerts.md").read_text(encoding="utf-8")

    headings = re.findall(r"^## (\w+)$", text, re.MULTILINE)
    assert headings == [rule["alert"] for rule in RULES]


def test_every_figure_of_the_dashboard_names_metrics_that_there_are() -> None:
    used = set().union(*(named(query.expression) for query in dashboard_queries()))

    assert used <= _SERIES


def test_panels_have_ids_of_their_own_and_do_not_overlap() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    cells = [cell for panel in DASHBOARD["panels"] for cell in _cells(panel["gridPos"])]

    assert len(ids) == len(set(ids))
    assert len(cells) == len(set(cells))
    assert all(x < 24 for x, _ in cells)


def _cells(at: dict[str, int]) -> list[tuple[int, int]]:
    return [
        (x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])
    ]


def test_every_variable_of_a_query_is_one_of_the_dashboard() -> None:
    variables = {one["name"] for one in DASHBOARD["templating"]["list"]} | {
        "__rate_interval",
        "__range",
    }
    text = " ".join(target["expr"] for panel in _PANELS for target in panel["targets"])

    assert set(re.findall(r"\$(\w+)", text)) <= variables
