"""A window that opens and closes while the operator runs; the observer reads the clock itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from e2e import worlds
from e2e.harness import World, eventually
from e2e.observer import Observer

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("operator")]
LEAD = timedelta(seconds=1 + 15)  # the grace period of the pods here, and a cycle
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
IDLE, POD = 40, 50  # watts of the rack's four NPUs, and of a pod above that


def has_come(time: datetime) -> None:
    """Wait for a time of day."""
    eventually(lambda: datetime.now(UTC) >= time, 130, f"{time:%H:%M:%S}")


@pytest.fixture
def opens() -> datetime:
    """Return a full minute that leaves time to start pods before shedding begins."""
    return (datetime.now(UTC) + timedelta(seconds=110)).replace(second=0, microsecond=0)


@pytest.fixture
def rack(world: World, opens: datetime) -> World:
    """Lend a rack for three pods, two of which run, and a window of a minute for one."""
    lower = worlds.window(opens, opens + MINUTE, IDLE + POD)
    world.apply(worlds.npu_node("n1"), worlds.npu_class(), worlds.profile())
    world.apply(worlds.budget("rack-a1", IDLE + 3 * POD, windows=[lower]))
    world.apply(worlds.service("cam", world.team, 200))
    world.runs("cam", "n1", "n1", seconds=30)
    return world


def test_the_cap_of_a_window_holds_from_its_first_second_and_services_return_after_its_last(
    rack: World, opens: datetime, observer: Observer
) -> None:
    rack.linger("cam")
    rack.counts("rack-a1", capWatts="190")

    words = f"now begins at {opens:%H:%M} UTC, shedding since {opens - LEAD:%H:%M:%S}"
    slow = f"{words}; pods still hold 50 W more than the 90 W from then on"
    told = eventually(lambda: (t := rack.exceeded("rack-a1"))[1] == "SheddingEarly" and t, 110)
    assert opens - LEAD <= datetime.now(UTC) < opens
    assert told == ("False", "SheddingEarly", slow)
    rack.apply(worlds.service("late", rack.team, 100))
    rack.explains("late", "Placed", "PowerBudgetExceeded")
    rack.let_go()
    eventually(lambda: rack.exceeded("rack-a1") == ("False", "SheddingEarly", words))

    has_come(opens + SECOND)
    for early in (timedelta(0), SECOND):
        assert observer.over((opens + early).timestamp()) == {}
    rack.runs("cam", "n1")
    rack.counts("rack-a1", capWatts="90", window="now")
    eventually(lambda: rack.exceeded("rack-a1")[1] == "WithinCap")

    rack.runs("cam", "n1", "n1", seconds=90)
    assert datetime.now(UTC) >= opens + MINUTE
    rack.runs("late", "n1")
    rack.counts("rack-a1", capWatts="190", headroomWatts="0")
