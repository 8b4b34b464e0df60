"""What measurements change on a real control plane: meters above caps, demand that rises, lying counters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from e2e import worlds
from e2e.fakes import ATOM, ATOM_LABEL, Fakes
from e2e.harness import Operator, World, always, eventually

pytestmark = pytest.mark.cluster
NPU = "rebellions.ai/ATOM"
COUNTED = {
    "runtime": "Custom",
    "served": "served_total",
    "arrived": "served_arrived_total",
    "unit": "images",
    "port": 8000,
}
METERED = {
    "meter": {"classes": "Sum", "sustainedSeconds": 0, "calmSeconds": 15},
    "enforcement": "Measured",
    "shedSeconds": 1,
}


@pytest.fixture
def reading(stopped: Operator, world: World, fakes: Fakes) -> Iterator[Operator]:
    """Lend an operator that reads the fakes, not started yet; the one without telemetry is stopped."""
    operator = Operator(world.kubectl.cluster, "reading", "--telemetry-via", fakes.url)
    yield operator
    operator.kill()
    print(operator.text())


def catalogue(npus: int) -> list[worlds.Body]:
    """Return a node of fake cards, their class, and a model that draws 60 W at 100 images a second."""
    return [
        worlds.npu_node("n1", npus=npus, labels={ATOM_LABEL: ATOM}, resource=NPU, product="atom"),
        worlds.npu_class(
            "atom",
            nodeSelector={"matchLabels": {ATOM_LABEL: ATOM}},
            resourceName=NPU,
            watts={"idle": "21.4", "max": 85},
            telemetry={"exporter": "Rebellions", "intervalSeconds": 5},
        ),
        worlds.profile("model", worlds.point("atom")),
    ]


def following(world: World, name: str, remembered: int) -> worlds.Body:
    """Create a service that follows its demand, whose status says what was planned for; return it."""
    rate = {"min": 50, "max": 400, "headroomPercent": 10}
    body = worlds.service(name, world.team, counters=COUNTED)
    world.apply({**body, "spec": {**body["spec"], "throughput": rate}})
    demand = {"perSecond": str(remembered), "at": "2026-11-22T12:00:00Z"}
    kind = "inferenceservices.kwatt.dev"
    world.patch(kind, name, {"status": {"demand": demand}}, "--subresource=status")
    return world.service(name)


def uids(world: World, *services: str) -> list[str]:
    """Return which pods run, of some services."""
    return sorted(pod["metadata"]["uid"] for name in services for pod in world.running(name))


def test_watts_of_the_meter_above_the_cap_are_shed_held_while_it_is_lost_and_given_back(
    reading: Operator, fakes: Fakes, world: World
) -> None:
    world.apply(*catalogue(2), worlds.priority("city", 1000), worlds.priority("lab", 10))
    world.apply(worlds.budget("rack-a1", 130, **METERED))
    world.apply(worlds.service("vital", world.team, 100, priorityClassName="city"))
    world.apply(worlds.service("spare", world.team, 100, priorityClassName="lab"))
    reading.start()
    for name in ("vital", "spare"):
        world.runs(name, "n1")
        fakes.load(world.team, name, 100)
    eventually(lambda: "measuredWatts" in world.budget("rack-a1"), 90, "the meter is read")
    vital = uids(world, "vital")

    fakes.put("faults/n1", {"factor": 1.3})  # 156 W
    world.runs("spare", seconds=20)
    assert float(world.budget("rack-a1")["withheldWatts"]) > 26

    fakes.put("faults/n1", {"status": 503})
    eventually(lambda: world.exceeded("rack-a1")[1] == "MeterLost", 150, "the meter is lost")
    assert float(world.budget("rack-a1")["withheldWatts"]) > 26
    assert (uids(world, "vital"), world.pods("spare")) == (vital, [])

    fakes.clear_faults("n1")
    world.runs("spare", "n1", seconds=120)
    assert uids(world, "vital") == vital


def test_replicas_follow_a_demand_that_rises_from_what_the_status_remembers(
    reading: Operator, fakes: Fakes, world: World
) -> None:
    world.apply(*catalogue(4))
    following(world, "cam", remembered=90)
    reading.start()
    world.runs("cam", "n1")
    first = uids(world, "cam")

    fakes.load(world.team, "cam", 250)

    world.runs("cam", "n1", "n1", "n1", seconds=150)
    assert set(first) < set(uids(world, "cam"))
    assert float(world.service("cam")["status"]["demand"]["perSecond"]) == pytest.approx(280, 0.03)


def test_counters_that_lie_change_what_their_own_service_is_told_and_nothing_else(
    reading: Operator, fakes: Fakes, world: World
) -> None:
    world.apply(*catalogue(4))
    following(world, "liar", remembered=90)
    following(world, "honest", remembered=90)
    reading.start()
    for name in ("liar", "honest"):
        world.runs(name, "n1")
        fakes.load(world.team, name, 80)
    for name in ("liar", "honest"):
        eventually(lambda name=name: world.says(name, "Measured")[1] == "Measured", 120, name)
    before, planned = uids(world, "liar", "honest"), told(world)
    target = f"faults/{world.team}/{world.running('liar')[0]['metadata']['name']}"

    fakes.put(target, {"counterFactor": 1e16})
    eventually(lambda: world.says("liar", "Measured")[1] == "Implausible", 60, "implausible")
    assert "more than 2 times" in world.says("liar", "Measured")[2]
    fakes.put(target, {"counterFactor": -1})
    eventually(lambda: "reason=Negative" in reading.text(), 60, "refused")
    fakes.put(target, {"resetsEachScrape": True})

    always(lambda: told(world) == planned, 20, "what is planned stays")
    assert uids(world, "liar", "honest") == before
    assert world.says("honest", "Measured")[1] == "Measured"


def told(world: World) -> list[Any]:
    """Return what is planned and followed for both services."""
    statuses = [world.service(name)["status"] for name in ("liar", "honest")]
    return [(one["placements"], one["planned"], one["demand"]) for one in statuses]
