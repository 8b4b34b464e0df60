"""Watts read from a real Prometheus instead of exporters: of cards, and of a budget's own meter."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from e2e import worlds
from e2e.fakes import ATOM, ATOM_LABEL, Fakes
from e2e.harness import Operator, World, condition, eventually
from prometheus.server import free_port, prometheus

pytestmark = pytest.mark.cluster
NPU = "rebellions.ai/ATOM"


@pytest.fixture
def measuring(stopped: Operator, world: World) -> Iterator[Operator]:
    """Run an operator that is told no address of the fakes: it has Prometheus."""
    operator = Operator(world.kubectl.cluster, "measuring").start()
    yield operator
    operator.kill()
    print(operator.text())


def rack(team: str, url: str) -> list[worlds.Body]:
    """Return a rack of one node whose cards and whose meter a server tells, and a service on it."""
    meter = {"prometheus": {"url": url, "query": 'sum(rbln_npu_power{node="n1"}) + 40'}}
    return [
        worlds.npu_node("n1", labels={ATOM_LABEL: ATOM}, resource=NPU, product="atom"),
        worlds.npu_class(
            "atom",
            nodeSelector={"matchLabels": {ATOM_LABEL: ATOM}},
            resourceName=NPU,
            watts={"idle": "21.4", "max": 85},
            telemetry={"exporter": "Rebellions", "intervalSeconds": 5, "prometheus": {"url": url}},
        ),
        worlds.profile("model", worlds.point("atom")),
        worlds.budget("rack-a1", 400, hostWatts=40, meter=meter, enforcement="Measured"),
        worlds.service("cam", team, 100),
    ]


def told(world: World) -> tuple[str, str]:
    """Return why the service is measured or not, and the same of the budget."""
    return world.says("cam", "Measured")[1], reason(world)


def reason(world: World) -> str:
    """Return the reason of the budget's condition Measured."""
    return str(condition({"status": world.budget("rack-a1")}, "Measured").get("reason"))


def test_watts_come_from_prometheus_and_hold_while_it_is_away(
    measuring: Operator, fakes: Fakes, world: World, tmp_path: Path
) -> None:
    job = {
        "metrics_path": "/nodes/n1/metrics",
        "static_configs": [{"targets": [urlsplit(fakes.url).netloc], "labels": {"node": "n1"}}],
    }
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with prometheus(tmp_path, [], port=port, **job):
        world.apply(*rack(world.team, url))
        world.runs("cam", "n1")
        fakes.load(world.team, "cam", 100)
        eventually(lambda: told(world) == ("WattsOnly", "Measured"), 120, "both are measured")
        watts = 60 + 3 * 21.4 + 40
        eventually(
            lambda: float(world.budget("rack-a1")["measuredWatts"]) == pytest.approx(watts, 0.02),
            120,
            "the meter shows the card under load, the idle ones and the host",
        )
    where = world.service("cam")["status"]["placements"]

    eventually(lambda: told(world) == ("Stale", "Stale"), 120, "both are lost")
    assert "Unreachable" in world.says("cam", "Measured")[2]

    with prometheus(tmp_path, [], port=port, **job):
        eventually(lambda: told(world) == ("WattsOnly", "Measured"), 120, "both are back")
    assert world.service("cam")["status"]["placements"] == where
