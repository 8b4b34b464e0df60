"""The physics: watts from load, queues, the meter."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fakenpu.curves import Curve, Point
from fakenpu.keys import CardKey
from fakenpu.pods import Draw, Node, Pod
from fakenpu.products import BY_NAME
from fakenpu.quantities import BadInput
from fakenpu.shapes import NEVER, Constant, Diurnal, Later, Steps
from fakenpu.world import World
from unit.fakenpu.worlds import MICRO, SERVICE, one_pod_world, pod_key


def test_watts_are_linear_between_points_flat_below_and_nothing_beyond() -> None:
    curve = Curve.through([Point(100, 40_000), Point(200, 60_000)])

    watts = [curve.milliwatts_at(rate) for rate in (0, 50, 100, 150, 200, 900)]

    assert watts == [40_000, 40_000, 40_000, 50_000, 60_000, 60_000]


def test_two_points_of_one_rate_are_refused() -> None:
    with pytest.raises(BadInput, match="same perSecond"):
        Curve.through([Point(1, 1), Point(1, 2)])


def test_a_card_that_nobody_holds_draws_idle_and_one_that_is_held_follows_the_load() -> None:
    world = one_pod_world("furiosa-rngd", 150)

    assert world.milliwatts("n", 0) == 50_000
    assert world.milliwatts("n", 1) == 38_670


def test_a_pod_that_is_not_ready_draws_idle_and_serves_nothing() -> None:
    world = one_pod_world("furiosa-rngd", 150)
    world.place(replace(world.replicas[pod_key()].pod, ready=False))

    world.advance(10)

    assert world.milliwatts("n", 0) == 38_670
    assert world.meter().work[SERVICE].served == 0
    assert world.meter().work[SERVICE].refused == 150 * 10 * 10**9


def test_a_pod_at_rest_draws_idle_where_the_scenario_says_so() -> None:
    assert one_pod_world("furiosa-rngd", 0).milliwatts("n", 0) == 40_000
    assert one_pod_world("furiosa-rngd", 0, idle_at_rest=True).milliwatts("n", 0) == 38_670


def test_a_foreign_pod_draws_what_its_class_can() -> None:
    world = World([Node("n", BY_NAME["furiosa-rngd"], 2)])

    world.place(Pod(pod_key(), "n", 1, "furiosa-rngd"))

    assert world.milliwatts("n", 0) == 290_930


def test_requests_wait_while_more_comes_than_can_be_served_and_the_queue_is_worked_off() -> None:
    world = one_pod_world("furiosa-rngd", Steps(((0, 250 * MICRO), (10_000, 100 * MICRO))))

    world.advance(10)
    waiting = world.meter().work[SERVICE].waiting
    world.advance(4)
    busy = world.milliwatts("n", 0)
    world.advance(2)

    assert waiting == 50 * 10 * 10**9
    assert busy == 60_000  # 500 wait, 100 a second are worked off: 5 s at the highest point
    assert world.meter().work[SERVICE].waiting == 0
    assert world.milliwatts("n", 0) == 40_000


def test_a_queue_is_bounded_and_what_comes_beyond_is_refused() -> None:
    world = one_pod_world("furiosa-rngd", 300, queue_seconds=2)

    world.advance(100)

    work = world.meter().work[SERVICE]
    assert work.waiting == 2 * 200 * 10**9
    assert work.arrived == work.served + work.waiting + work.refused


def test_demand_is_split_evenly_over_ready_pods() -> None:
    world = one_pod_world("furiosa-rngd", 300, pods=2)

    world.advance(1)

    assert [replica.rate for replica in world.replicas.values()] == [150 * MICRO] * 2


def test_the_watts_of_a_card_are_those_of_its_devices() -> None:
    world = one_pod_world("rebellions-atom-max", 150, npus=2)

    world.advance(10)

    assert world.meter().cards == {
        CardKey("n", 0): (50_000 + 2 * 11_300) * 10_000,
        CardKey("n", 1): 4 * 11_300 * 10_000,
    }


def test_a_pod_does_not_get_devices_that_others_hold() -> None:
    world = one_pod_world("furiosa-rngd", 0, pods=2)

    assert not world.place(Pod(pod_key(3), "n", 1, "furiosa-rngd", SERVICE))


def test_the_energy_of_a_pod_that_is_gone_stays_with_its_service() -> None:
    world = one_pod_world("furiosa-rngd", 150)
    world.advance(10)
    world.remove(pod_key())
    world.advance(10)

    meter = world.meter()

    assert meter.services[SERVICE] == meter.pods[pod_key()] == 50_000 * 10_000
    assert meter.nodes["n"] == (50_000 + 3 * 38_670) * 10_000


def test_true_watts_can_differ_from_the_profile_and_drift_by_the_minute() -> None:
    world = one_pod_world("furiosa-rngd", 150, draw=Draw(120.0, percent_per_hour=6.0))

    world.advance(59)
    before = world.milliwatts("n", 0)
    world.advance(3_600)

    assert before == 60_000
    assert world.milliwatts("n", 0) == 63_000


def test_a_day_is_lowest_at_its_start_and_highest_in_its_middle() -> None:
    day = Diurnal(low=100, high=500)

    assert [day.rate_at(hour * 3_600_000) for hour in (0, 6, 12, 24)] == [100, 300, 500, 100]
    assert day.next_change(59_999) == 60_000
    assert day.next_change(60_000) == 120_000


def test_steps_repeat_where_they_have_a_period() -> None:
    steps = Steps(((0, 1), (10, 2)), period=30)

    assert [steps.rate_at(now) for now in (0, 10, 29, 30, 40)] == [1, 2, 2, 1, 2]
    assert [steps.next_change(now) for now in (0, 10, 29, 30)] == [10, 30, 30, 40]


def test_a_load_that_is_set_later_begins_then() -> None:
    later = Later(Steps(((0, 1), (10, 2))), start=100)

    assert [later.rate_at(now) for now in (99, 100, 110)] == [0, 1, 2]
    assert [later.next_change(now) for now in (0, 100, 110)] == [100, 110, NEVER]


def test_a_day_of_a_small_fleet_is_played_from_change_to_change() -> None:
    world = one_pod_world("furiosa-rngd", Diurnal(0, 250 * MICRO), pods=2)

    world.advance(86_400)

    work = world.meter().work[SERVICE]
    assert work.served == work.arrived  # 125 units a second on average, 400 can be served
    assert work.arrived == sum(
        Diurnal(0, 250 * MICRO).rate_at(minute * 60_000) * 60_000 for minute in range(1_440)
    )


def test_demand_of_an_unknown_service_is_refused() -> None:
    with pytest.raises(BadInput, match="not known"):
        World().set_demand(SERVICE, Constant(1))
