"""Every trap of the vendors' exporters: what is read of it, and what is refused with which reason."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kwatt.model.keys import PodKey
from kwatt.model.telemetry import Refusal
from kwatt.telemetry.cards import Memory, health_of
from kwatt.telemetry.identities import Reading
from unit.telemetry.formats import (
    ARIES,
    ATOM,
    ATOM_MAX,
    POD,
    POWER,
    RNGD,
    WARBOY,
    Judged,
    atom,
    format_of,
    rngd,
)


def test_watts_are_of_the_card_with_the_pod_that_its_labels_name() -> None:
    (sample,) = Judged(RNGD, rngd("A", 141, namespace=POD.namespace, pod=POD.name)).samples

    assert (sample.power.milliwatts, sample.pods, sample.devices) == (141_000, (POD,), 1)


def test_a_value_repeated_by_partitions_counts_once() -> None:
    text = "".join(rngd("A", 141, partition=str(part)) for part in range(4))

    assert Judged(RNGD, text).milliwatts == {"A": 141_000}
    assert Judged(RNGD, text).refused == {}


def test_values_that_contradict_each_other_are_counted_and_the_highest_is_used() -> None:
    judged = Judged(RNGD, rngd("A", 141, core="0") + rngd("A", 150, core="1"))

    assert judged.milliwatts == {"A": 150_000}
    assert judged.refused == {Refusal.DUPLICATE_SERIES: 1}


def test_microwatts_of_warboys_time_are_told_by_their_label() -> None:
    text = f'{POWER}{{label="PCI Total RMS PWR",uuid="W"}} 2.4e+07\n'

    assert Judged(WARBOY, text).milliwatts == {"W": 24_000}
    assert Judged(RNGD, text).milliwatts == {}
    assert Judged(WARBOY, rngd("A", 141)).milliwatts == {}


@pytest.mark.parametrize("name", ["rbln_npu_power", "RBLN_DEVICE_STATUS:CARD_POWER"])
def test_both_generations_of_rebellions_names_are_read(name: str) -> None:
    assert Judged(ATOM, atom(0, 21.4, name)).milliwatts == {"rbln0": 21_400}


@pytest.mark.parametrize("others", [[45.2] * 3, [0] * 3, []], ids=["repeated", "blank", "absent"])
def test_the_watts_of_an_atom_max_are_of_four_devices_wherever_they_stand(
    others: list[float],
) -> None:
    devices = [45.2, *others]
    judged = Judged(ATOM_MAX, "".join(atom(4 + i, watts) for i, watts in enumerate(devices)))

    assert judged.milliwatts == {"rbln4": 45_200}
    assert judged.samples[0].devices == 4
    assert judged.refused == {}


def test_a_card_whose_devices_are_all_blank_is_missing_not_zero() -> None:
    judged = Judged(ATOM_MAX, atom(0, 0) + atom(1, 0))

    assert judged.samples == []
    assert judged.refused == {Refusal.IMPLAUSIBLE: 1}


def test_devices_with_watts_of_their_own_are_cards_of_their_own() -> None:
    devices = format_of("rebellions-atom-max", covers="Device")

    assert Judged(devices, atom(0, 40) + atom(1, 11.5)).milliwatts == {
        "rbln0": 40_000,
        "rbln1": 11_500,
    }


@pytest.mark.parametrize(
    ("watts", "reason"),
    [
        ("-1", Refusal.NEGATIVE),
        ("NaN", Refusal.NOT_A_NUMBER),
        ("+Inf", Refusal.NOT_A_NUMBER),
        ("2.4e+07", Refusal.ABOVE_CEILING),
        ("1e300", Refusal.IMPLAUSIBLE),
        ("0", Refusal.IMPLAUSIBLE),
        ("0.0154", Refusal.IMPLAUSIBLE),
    ],
)
def test_what_no_card_can_draw_is_refused(watts: str, reason: Refusal) -> None:
    text = f'mobilint_npu_power_watts{{device="aries0"}} {watts}\n'
    judged = Judged(ARIES, text + 'mobilint_npu_power_watts{device="aries1"} 15.4\n')

    assert judged.milliwatts == {"aries1": 15_400}
    assert judged.refused == {reason: 1}


def test_a_measured_maximum_may_be_passed_by_a_quarter_a_printed_one_by_as_much_again() -> None:
    assert RNGD.ceiling.milliwatts == 290_930 * 5 // 4
    assert ATOM_MAX.ceiling.milliwatts == 4 * 87_500 * 2


def test_a_label_that_names_a_pod_without_npus_here_is_dropped_and_the_watts_are_kept() -> None:
    judged = Judged(RNGD, rngd("A", 141, namespace="other", pod="thief"))

    assert judged.milliwatts == {"A": 141_000}
    assert judged.samples[0].pods == ()
    assert judged.refused == {Refusal.FOREIGN_LABEL: 1}


def test_health_is_read_in_the_polarity_of_the_vendor() -> None:
    zero, one = Reading("a", None, b"0"), Reading("b", None, b"1")

    assert health_of(ATOM, [zero, one]) == {"a": True, "b": False}
    assert health_of(RNGD, [zero, one]) == {"a": False, "b": True}


def test_a_card_is_healthy_only_if_all_its_devices_are() -> None:
    devices = [Reading("rbln0", None, b"0"), Reading("rbln0", None, b"1")]

    assert health_of(ATOM_MAX, devices) == {"rbln0": False}


def stand_still(noisy: str, text: str, *, minutes: int = 11) -> list[Judged]:
    """Judge ten changing readings, then one that stays the same, every 15 s."""
    memory, judged = Memory(), []
    for number in range(10 + minutes * 4):
        watts = noisy.format(number) if number < 10 else text
        judged.append(Judged(RNGD, rngd("A", watts), memory=memory, at=number * 15_000))
    return judged


def test_a_sensor_with_noise_that_stands_still_is_frozen_after_ten_minutes() -> None:
    judged = stand_still("141.{}1", "140.25")

    assert [one.refused for one in judged[:49]] == [{}] * 49
    assert judged[-1].samples == []
    assert judged[-1].refused == {Refusal.FROZEN: 1}


@pytest.mark.parametrize(
    ("noisy", "text"),
    [("14{}", "150"), ("141.51", "141.51"), ("38.{}1", "38.67")],
    ids=["whole watts", "never had noise", "idle"],
)
def test_a_card_may_stand_still_where_that_proves_nothing(noisy: str, text: str) -> None:
    assert stand_still(noisy, text)[-1].milliwatts


def test_nothing_is_frozen_where_the_class_says_so() -> None:
    assert format_of("furiosa-rngd", frozenSeconds=0).frozen_ms is None
    assert replace(RNGD, frozen_ms=None) == format_of("furiosa-rngd", frozenSeconds=0)


def test_a_device_without_a_number_has_no_card() -> None:
    judged = Judged(ATOM_MAX, 'rbln_npu_power{name="first"} 45\n')

    assert judged.samples == []
    assert judged.refused == {Refusal.UNKNOWN_METRICS: 1}


def test_pods_of_all_partitions_are_named() -> None:
    other = PodKey("city", "nobody")
    text = rngd("A", 141, namespace=POD.namespace, pod=POD.name)
    judged = Judged(RNGD, text + rngd("A", 141, namespace=other.namespace, pod=other.name))

    assert judged.samples[0].pods == (POD,)
    assert judged.refused == {Refusal.FOREIGN_LABEL: 1}
