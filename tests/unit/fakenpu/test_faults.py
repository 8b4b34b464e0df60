"""Every trap of the vendors' exporters and every lie of a runtime is a switch."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pydantic import ValidationError

from fakenpu.faults import NO_FAULTS, CardPower, Faults
from fakenpu.pods import Runtime
from fakenpu.world import World
from unit.fakenpu.worlds import one_pod_world, pod_key


def power_lines(world: World) -> list[str]:
    """Return the lines of power of the first card."""
    text = world.exposition("n")
    return [line for line in text.splitlines() if re.match(r"[^#]*power", line, re.IGNORECASE)]


def watts(world: World, number: int = 0) -> float:
    return float(power_lines(world)[number].rpartition(" ")[2])


def faulty(product: str = "mobilint-aries-mla100", **faults: Any) -> World:
    world = one_pod_world(product, 150)
    world.set_faults("n", Faults(**faults))
    return world


@pytest.mark.parametrize(
    ("faults", "said"),
    [
        ({"factor": 0.5}, 25.0),
        ({"unit_slip": 1e6}, 50e6),
        ({"unit_slip": 1e-6}, 0.0),
        ({"watts": -1}, -1.0),
        ({"watts": "+Inf"}, float("inf")),
        ({"step_watts": 20}, 40.0),
        ({"drift_percent_per_hour": 10, "factor": 2}, 110.0),
    ],
)
def test_an_exporter_lies_about_watts(faults: dict[str, Any], said: float) -> None:
    world = faulty(**faults)

    world.advance(3_600)

    assert watts(world) == said
    assert world.milliwatts("n", 0) == 50_000


def test_a_card_without_a_reading_is_not_a_number() -> None:
    assert power_lines(faulty(watts="NaN"))[0].endswith(" NaN")


def test_noise_stays_within_its_percent_is_different_each_time_and_repeats() -> None:
    first, again = faulty(noise_percent=5), faulty(noise_percent=5)
    series = []
    for world in (first, again):
        said = []
        for _ in range(50):
            world.advance(1)
            said.append(watts(world))
        series.append(said)

    assert series[0] == series[1]
    assert len(set(series[0])) > 25
    assert all(47.5 <= value <= 52.5 for value in series[0])


def test_a_frozen_exporter_goes_on_saying_what_it_said_and_lives_again() -> None:
    world = faulty(frozen=True)
    world.remove(pod_key())
    world.advance(500)

    stuck = watts(world)
    world.set_faults("n", NO_FAULTS)

    assert (stuck, watts(world)) == (50.0, 15.44)


def test_partitions_repeat_the_watts_of_the_whole_card() -> None:
    lines = power_lines(faulty("furiosa-rngd", repeated=3))

    assert len(lines) == 6
    assert {line.rpartition(" ")[2] for line in lines[:3]} == {"50"}
    assert len(set(lines)) == 6


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        (CardPower.EVERY_DEVICE, ["83.9"] * 4 + ["45.2"] * 4),
        (CardPower.FIRST_DEVICE, ["83.9", "45.2"]),
        (CardPower.FIRST_THEN_ZERO, ["83.9", "0", "0", "0", "45.2", "0", "0", "0"]),
    ],
)
def test_a_card_of_four_devices_shows_its_watts_in_three_ways(
    mode: CardPower, said: list[str]
) -> None:
    lines = power_lines(faulty("rebellions-atom-max", card_power=mode))

    assert [line.rpartition(" ")[2] for line in lines] == said


@pytest.mark.parametrize(
    ("product", "name", "well"),
    [
        ("furiosa-rngd", "furiosa_npu_alive", "1"),
        ("rebellions-atom-plus", "rbln_npu_health", "0"),
        ("mobilint-aries-mla100", "mobilint_npu_health", "1"),
    ],
)
def test_health_has_the_polarity_of_its_maker_unless_it_is_inverted(
    product: str, name: str, well: str
) -> None:
    def health(**faults: Any) -> str:
        text = faulty(product, **faults).exposition("n")
        return next(line[-1] for line in text.splitlines() if line.startswith(name))

    ill = "0" if well == "1" else "1"
    assert [health(), health(unhealthy=True), health(health_inverted=True)] == [well, ill, ill]


def test_labels_can_name_other_pods_and_nodes_or_none() -> None:
    lying = power_lines(faulty("furiosa-rngd", labels={"pod": "other", "hostname": "m"}))[0]
    silent = power_lines(faulty("furiosa-rngd", no_pod_labels=True))[0]

    assert 'hostname="m"' in lying
    assert 'pod="other"' in lying
    assert "pod=" not in silent


def test_a_metric_can_have_a_name_that_nobody_knows() -> None:
    assert "v9_mobilint_npu_power_watts{" in faulty(renamed="v9_").exposition("n")


def test_a_series_can_be_there_twice() -> None:
    lines = power_lines(faulty(duplicated=True))

    assert [line.rpartition(" ")[2] for line in lines[:2]] == ["50", "51"]
    assert len({line.rpartition(" ")[0] for line in lines[:2]}) == 1


def test_samples_can_come_from_the_future() -> None:
    world = one_pod_world("mobilint-aries-mla100", 150)
    world.epoch = 1_000_000
    world.set_faults("n", Faults(timestamp_offset_seconds=3_600))

    assert power_lines(world)[0].endswith(" 50 4600000")


def test_an_exporter_shows_what_it_read_at_its_last_refresh() -> None:
    world = one_pod_world("furiosa-rngd", 150)
    world.advance(12)
    world.remove(pod_key())
    world.advance(7)

    before = power_lines(world)[0]
    world.advance(1)
    after = power_lines(world)[0]

    assert before.endswith(" 50")
    assert 'pod="pod-1"' in before
    assert after.endswith(" 38.67")
    assert "pod=" not in after


def served(world: World) -> float:
    text = world.runtime_exposition(pod_key())
    return float(
        next(line for line in text.splitlines() if line.startswith("served_total")).split()[-1]
    )


@pytest.mark.parametrize(
    ("faults", "said"),
    [
        ({"counter_factor": 3.0}, 4_500.0),
        ({"counter_value": 1e18}, 1e18),
        ({"counter_value": -5}, -5.0),
        ({"frozen": True}, 0.0),
    ],
)
def test_a_runtime_lies_about_what_it_served(faults: dict[str, Any], said: float) -> None:
    world = one_pod_world("furiosa-rngd", 150)
    world.set_faults(pod_key(), Faults(**faults))

    world.advance(10)

    assert served(world) == said


def test_counters_begin_anew_at_a_restart_and_the_meter_does_not() -> None:
    world = one_pod_world("furiosa-rngd", 150)
    world.advance(10)
    world.restart_counters(pod_key())
    world.advance(2)

    assert served(world) == 300.0
    assert sum(work.served for work in world.meter().work.values()) == 1_800 * 10**9


def test_counters_can_begin_anew_at_each_scrape() -> None:
    world = one_pod_world("furiosa-rngd", 150, runtime=Runtime.COUNTER)
    world.set_faults(pod_key(), Faults(resets_each_scrape=True))
    told = []
    for _ in range(3):
        world.advance(2)
        told.append(served(world))

    assert told == [300.0] * 3


def test_a_switch_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        Faults.model_validate({"unitSlipp": 1e6})
