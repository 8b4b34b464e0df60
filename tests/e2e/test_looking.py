"""What somebody sees who may only look: `kwatt top`, `kwatt explain`, and Prometheus on a running operator."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from e2e import worlds
from e2e.harness import REPO, Operator, World, eventually, kubeconfig_of
from prometheus.queries import dashboard_queries, named
from prometheus.server import prometheus

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("operator")]
_RIGHTS = ("--verb=list", "--resource=inferenceservices.kwatt.dev,powerbudgets.kwatt.dev")
_PLANNED = (
    "kwatt_service_planned",
    "kwatt_service_reserved",
    "kwatt_service_shortfall",
    "kwatt_power_budget_watts",
    "kwatt_power_planned",
    "kwatt_power_draw",
    "kwatt_services",
    "kwatt_leader",
    "kwatt_cycle",
    "kwatt_npu_class_planned",
)


@pytest.fixture
def viewer(world: World) -> Path:
    """Return a kubeconfig of somebody who may list services and budgets and nothing else."""
    kubectl = world.kubectl
    kubectl("create", "clusterrole", "kwatt-viewer", *_RIGHTS, check=False)
    kubectl("create", "serviceaccount", "viewer", "-n", world.team)
    account = f"--serviceaccount={world.team}:viewer"
    binding = f"viewer-{world.team}"
    kubectl("create", "clusterrolebinding", binding, "--clusterrole=kwatt-viewer", account)
    return kubeconfig_of(kubectl, "viewer", world.team)


def kwatt(kubeconfig: Path, *args: str) -> str:
    env = {**os.environ, "KUBECONFIG": str(kubeconfig), "COLUMNS": "160"}
    command = [sys.executable, "-m", "kwatt", *args]
    done = subprocess.run(command, env=env, cwd=REPO, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_a_viewer_sees_budgets_and_services_and_is_told_why(
    world: World, operator: Operator, viewer: Path, tmp_path: Path
) -> None:
    world.apply(worlds.npu_node("n1"), worlds.npu_class(), worlds.profile())
    world.apply(worlds.budget("rack-a1", 150), worlds.service("cam", world.team, 300))
    world.explains("cam", "Placed", "PowerBudgetExceeded")

    board = kwatt(viewer, "top")
    text = kwatt(viewer, "explain", "cam")

    assert "rack-a1" in board
    assert "\ncam " in board
    assert "PowerBudgetExceeded" in board
    assert f"{world.team}/cam runs the model model and is not ready" in text
    assert "It would fit with " in text
    assert "can't be told: pods can't be listed" in text
    _scraped(operator, tmp_path)


def test_top_says_that_no_operator_leads_to_those_who_may_read_the_lease(
    world: World, operator: Operator, viewer: Path
) -> None:
    world.apply(worlds.npu_node("n1"), worlds.npu_class(), worlds.profile())
    world.apply(worlds.service("cam", world.team, 100))
    world.runs("cam", "n1")
    admin = world.kubectl.cluster.kubeconfig
    assert "No operator leads" not in kwatt(admin, "top", "-A")

    operator.stop()

    assert "No operator leads: the last one gave the Lease" in kwatt(admin, "top", "-A")
    seen = kwatt(viewer, "top")
    assert "No operator leads" not in seen
    assert "\ncam " in seen
    binding = (f"catalogue-{world.team}", "--clusterrole=kwatt-catalogue-view")
    account = f"--serviceaccount={world.team}:viewer"
    world.kubectl("create", "clusterrolebinding", *binding, account)
    eventually(lambda: "No operator leads" in kwatt(viewer, "top"))


def _scraped(operator: Operator, folder: Path) -> None:
    """Ask Prometheus what needs no measurement: the plan's side of the dashboard."""
    asked = [
        query.expression
        for query in dashboard_queries()
        if all(name.startswith(_PLANNED) for name in named(query.expression))
    ]
    with prometheus(folder, [f"127.0.0.1:{operator.port}"]) as running:
        eventually(lambda: running.query("count_over_time(kwatt_leader[1m]) > 3"), 60)
        for expression in asked:
            assert running.query(expression), expression
