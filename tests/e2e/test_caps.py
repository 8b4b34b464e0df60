"""Caps that change, caps that bind, and watts that others hold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from e2e import worlds
from e2e.harness import World, always, eventually
from e2e.observer import Observer

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("operator")]


@pytest.fixture
def ranked(world: World) -> World:
    """Lend a rack at its cap with a vital service and a spare one, two replicas each."""
    world.apply(worlds.npu_node("n1", npus=6), worlds.npu_class(), worlds.profile())
    world.apply(worlds.priority("city", 1000), worlds.priority("lab", 10))
    world.apply(worlds.budget("rack-a1", 260))
    world.apply(worlds.service("vital", world.team, 200, priorityClassName="city"))
    world.apply(worlds.service("spare", world.team, 200, priorityClassName="lab"))
    world.runs("vital", "n1", "n1")
    world.runs("spare", "n1", "n1")
    return world


def uids(world: World, service: str) -> set[str]:
    """Return which pods of a service run."""
    return {pod["metadata"]["uid"] for pod in world.running(service)}


def test_a_budget_says_that_it_is_exceeded_until_the_cut_of_its_cap_is_met(
    ranked: World, observer: Observer
) -> None:
    before = uids(ranked, "vital")
    ranked.linger("spare")

    ranked.apply(worlds.budget("rack-a1", 170))

    told = eventually(lambda: (t := ranked.exceeded("rack-a1"))[0] == "True" and t)
    words = "pods still hold 90 W more than the cap 170 W allows; they are being taken off"
    assert told[1:] == ("Shedding", words)
    ranked.explains("vital", "WithinPowerBudget", "PowerBudgetExceeded", "rack-a1")
    assert observer.over() == {"rack-a1": (260, 170)}
    ranked.let_go()
    eventually(lambda: ranked.exceeded("rack-a1")[0] == "False")
    assert observer.over() == {}
    assert uids(ranked, "vital") == before


def test_under_a_cut_cap_the_lowest_priority_yields_and_it_returns_when_the_cap_is_raised(
    ranked: World, observer: Observer
) -> None:
    before = uids(ranked, "vital")

    ranked.apply(worlds.budget("rack-a1", 170))
    ranked.runs("spare")
    words = f"rack-a1 has 10 W left, the service needs 100 W; held by {ranked.team}/vital"
    ranked.explains("spare", "Placed", "PowerBudgetExceeded", words)
    eventually(lambda: observer.over() == {})

    ranked.apply(worlds.budget("rack-a1", 260))
    ranked.runs("spare", "n1", "n1")
    assert uids(ranked, "vital") == before


def test_the_cap_of_an_open_window_holds_until_the_window_is_moved(world: World) -> None:
    now, hour = datetime.now(UTC), timedelta(hours=1)
    world.apply(worlds.npu_node("n1"), worlds.npu_class(), worlds.profile())
    open_now = worlds.window(now - 2 * hour, now + 2 * hour, 90)
    world.apply(worlds.budget("rack-a1", 1000, windows=[open_now]))
    world.apply(worlds.service("cam", world.team, 300))
    world.runs("cam", "n1")
    world.counts("rack-a1", capWatts="90", window="now")

    world.apply(worlds.budget("rack-a1", 1000, windows=[{**open_now, "watts": 140}]))
    world.runs("cam", "n1", "n1")
    later = worlds.window(now + 2 * hour, now + 4 * hour, 140)
    world.apply(worlds.budget("rack-a1", 1000, windows=[later]))

    world.runs("cam", "n1", "n1", "n1")
    world.counts("rack-a1", capWatts="1000")


def test_foreign_pods_hold_npus_and_count_at_the_most_that_these_draw(world: World) -> None:
    world.apply(worlds.npu_node("n1"), worlds.npu_class(), worlds.profile())
    world.apply(worlds.budget("rack-a1", 280, hostWatts=40))
    world.apply(worlds.foreign_pod("stranger", world.team, "n1", npus=2))
    eventually(lambda: world.where() == ["n1"])
    world.counts("rack-a1", foreignWatts="120")

    world.apply(worlds.service("cam", world.team, 300))

    world.runs("cam", "n1", "n1")
    world.explains("cam", "Placed", "InsufficientNPUs")
    world.counts("rack-a1", headroomWatts="0")
    world.delete("pod", "stranger")
    world.runs("cam", "n1", "n1", "n1")


def test_a_pod_disruption_budget_holds_back_a_move_until_it_allows_it(world: World) -> None:
    world.apply(worlds.npu_node("n1"), worlds.npu_class(), worlds.profile())
    world.apply(worlds.budget("rack-a1", 1000), worlds.service("cam", world.team, 200))
    world.runs("cam", "n1", "n1")
    world.apply(worlds.npu_node("n2", rack="a2"))
    world.apply(worlds.disruption_budget("cam", world.team, 2))
    protected = ("poddisruptionbudget", "cam", "-n", world.team)
    eventually(lambda: world.kubectl.get(*protected)["status"].get("currentHealthy") == 2)

    world.apply(worlds.budget("rack-a1", 40))

    eventually(lambda: world.exceeded("rack-a1")[:2] == ("True", "Shedding"))
    assert world.where("cam") == ["n1", "n1"]
    world.apply(worlds.disruption_budget("cam", world.team, 1))
    world.runs("cam", "n2", "n2")
    eventually(lambda: world.exceeded("rack-a1")[0] == "False")


def test_a_cap_below_what_cannot_be_switched_off_says_the_figures(world: World) -> None:
    world.apply(worlds.npu_node("n1"), worlds.npu_node("n2", rack="a2"))
    world.apply(worlds.npu_class(), worlds.profile(), worlds.budget("rack-a1", 90, hostWatts=60))

    world.apply(worlds.service("cam", world.team, 100))

    world.runs("cam", "n2")
    told = eventually(lambda: (t := world.exceeded("rack-a1"))[0] == "True" and t)
    assert told[1] == "CapBelowFixedWatts"
    assert "host 60 W, idle 40 W, foreign 0 W, together 100 W; raise spec.watts by 10 W" in told[2]


def test_of_two_budgets_over_a_node_both_hold(world: World) -> None:
    world.apply(worlds.npu_node("n1"), worlds.npu_node("n2", rack="a2"))
    world.apply(worlds.npu_class(), worlds.profile())
    everywhere = {worlds.CLASS_LABEL: "one"}
    world.apply(worlds.budget("rack-a1", 140), worlds.budget("hall", 230, everywhere))

    world.apply(worlds.service("cam", world.team, 500))

    eventually(lambda: len(world.where("cam")) == 3)
    world.counts("hall", headroomWatts="0")
    world.explains("cam", "Placed", "PowerBudgetExceeded", "serves 300 of 500 per second; hall has")


def test_pods_of_a_deleted_service_that_take_their_time_to_end_displace_nobody(
    world: World,
) -> None:
    world.apply(worlds.npu_node("n1"), worlds.npu_class(most=100), worlds.profile())
    world.apply(worlds.budget("rack-a1", 240))
    world.apply(worlds.service("short", world.team, 200), worlds.service("long", world.team, 200))
    world.runs("short", "n1", "n1")
    world.runs("long", "n1", "n1")
    before = {pod["metadata"]["uid"] for pod in world.running("long")}
    world.linger("short")

    world.delete("inferenceservices.kwatt.dev", "short")
    eventually(lambda: not world.pods("short"))

    always(lambda: {pod["metadata"]["uid"] for pod in world.running("long")} == before, 3.0)
    world.let_go()
    world.counts("rack-a1", headroomWatts="100")
