"""Watts and counters read from exporters and runtimes, told in statuses; what happens when they fall silent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from e2e import worlds
from e2e.fakes import ATOM, ATOM_LABEL, Fakes
from e2e.harness import Operator, World, always, eventually

pytestmark = pytest.mark.cluster
RESOURCE = "rebellions.ai/ATOM"
RATE = 80
TOLD = ("cam", "rack-a1", "atom", "model")  # whose status has figures that move


@pytest.fixture
def measuring(stopped: Operator, world: World, fakes: Fakes) -> Iterator[Operator]:
    """Run an operator that reads the fakes; the one without telemetry is stopped meanwhile."""
    operator = Operator(world.kubectl.cluster, "measuring", "--telemetry-via", fakes.url).start()
    yield operator
    operator.kill()
    print(operator.text())


def rack(team: str) -> list[worlds.Body]:
    """Return a node of fake cards, and a service whose runtime counts, with a GPU to compare it with."""
    profile = worlds.profile("model", worlds.point("atom"))
    profile["spec"]["baseline"] = {
        "device": "NVIDIA A2", "perSecond": 60, "watts": 60, "scope": "Device",
        "basis": "Assumption", "source": "made up for a test",
    }  # fmt: skip
    return [
        worlds.npu_node("n1", labels={ATOM_LABEL: ATOM}, resource=RESOURCE, product="atom"),
        worlds.npu_class(
            "atom",
            nodeSelector={"matchLabels": {ATOM_LABEL: ATOM}},
            resourceName=RESOURCE,
            watts={"idle": "21.4", "max": 85},
            telemetry={"exporter": "Rebellions", "intervalSeconds": 5},
        ),
        profile,
        worlds.budget("rack-a1", 300),
        worlds.service(
            "cam", team, RATE,
            counters={"runtime": "Custom", "served": "served_total", "unit": "images", "port": 8000},
        ),
    ]  # fmt: skip


def status(world: World) -> dict[str, Any]:
    """Return the status of the service."""
    return dict(world.service("cam").get("status", {}))


def settled(told: dict[str, Any]) -> dict[str, Any]:
    """Return a status whose window is all of the load; the first one began before it."""
    per_joule = float(told["measured"].get("unitsPerJoule", 0))
    assert per_joule == pytest.approx(RATE / 60, rel=0.05), told["measured"]
    assert told["measured"]["watts"] == "60"
    return told


def measured(world: World, reason: str, seconds: float = 60) -> dict[str, Any]:
    """Wait for a reason of the condition Measured; return the whole status then."""
    eventually(lambda: world.says("cam", "Measured")[1] == reason, seconds, reason)
    return status(world)


def test_watts_and_rate_are_measured_lost_and_measured_again_across_a_restart(
    measuring: Operator, fakes: Fakes, world: World
) -> None:
    world.apply(*rack(world.team))
    world.runs("cam", "n1")
    service = f"{world.team}/cam"
    fakes.load(world.team, "cam", RATE)

    measured(world, "Measured", 120)
    told = eventually(lambda: settled(status(world)), 200, "a whole minute under load")
    assert told["comparedWith"]["figures"] == "Measured"
    assert float(told["comparedWith"]["savedPercent"]) == pytest.approx(25, abs=4)
    where = told["placements"]

    fakes.put("faults/n1", {"status": 503})
    lost = measured(world, "Stale", 90)
    assert "HTTPStatus" in world.says("cam", "Measured")[2]
    assert lost["placements"] == where

    measuring.kill()
    fakes.clear_faults("n1")
    before = status(world)["energy"]
    measuring.start()
    again = measured(world, "Measured", 90)
    eventually(lambda: status(world)["energy"] != before, 90)
    after = status(world)["energy"]
    assert again["placements"] == where
    assert after["since"] == before["since"]
    assert float(after["joules"]) >= float(before["joules"]) > 0
    assert after["unmeasuredSeconds"] > before["unmeasuredSeconds"]
    assert float(after["joules"]) <= fakes.joules(service)

    writes = measuring.writes()
    always(lambda: measuring.writes() - writes <= len(TOLD), 30, "figures once a minute, no more")
