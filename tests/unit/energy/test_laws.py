"""Laws of the accounts, for any samples in any rhythm."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

import builders as b
from kwatt.energy.accounts import Books
from kwatt.energy.attribution import attribute, proportional
from kwatt.model.keys import ServiceKey
from kwatt.units import NO_ENERGY, Energy
from unit.energy.scenes import CAM, OCR, Meter, at, card, holder, holdings

AMOUNTS = st.integers(0, 10**6)
GAPS = st.lists(st.integers(1, 90_000), min_size=2, max_size=25)  # milliseconds between rounds
WATTS = st.integers(0, 300_000)


@given(AMOUNTS, st.lists(AMOUNTS, min_size=1, max_size=9))
def test_parts_sum_to_the_whole_and_none_is_off_by_a_unit(amount: int, weights: list[int]) -> None:
    parts = proportional(amount, weights)

    total = sum(weights)
    assert sum(parts) == amount
    assert all(
        abs(part * total - amount * weight) < total
        for part, weight in zip(parts, weights, strict=True)
        if total
    )


@given(WATTS, st.booleans(), st.sets(st.sampled_from("abx")), st.integers(1, 4))
def test_a_cards_watts_are_shared_out_exactly_and_never_negative(
    milliwatts: int, named: bool, pods: set[str], npus: int
) -> None:
    scene = holdings(holder("a", npus=npus), holder("b", OCR), npus=8)
    (pool,) = scene.pools.values()

    found = attribute(card(0, 0, milliwatts / 1000, *sorted(pods), named=named), pool)
    parts = [part for _, part in found.parts]
    assert sum(parts) + found.rest == milliwatts
    assert min([*parts, found.rest]) >= 0
    assert not named or {one.pod.name for one, _ in found.parts} <= pods - {"x"}


@st.composite
def rounds(draw: st.DrawFn) -> list[tuple[int, int, int, str]]:
    """Return rounds of a node with two cards: milliseconds, milliwatts of each, and who holds the first."""
    now, found = 0, []
    for gap in draw(GAPS):
        now += gap
        found.append((now, draw(WATTS), draw(WATTS), draw(st.sampled_from(("a", "b", "")))))
    return found


def follow(meter: Meter, history: list[tuple[int, int, int, str]]) -> list[Energy]:
    """Take rounds; return the joules of the class after each."""
    owners: dict[str, ServiceKey] = {"a": CAM, "b": OCR}
    told = []
    for now, first, second, held in history:
        meter.scene = holdings(holder(held, owners[held]) if held else holder("c", None))
        pods = (held,) if held else ()
        seconds = now / 1000
        cards = card(0, seconds, first / 1000, *pods), card(1, seconds, second / 1000)
        meter.take(*cards, seconds=seconds)
        told.append(meter.npu_class().counted.energy)
    return told


@given(rounds())
def test_the_class_counts_what_its_cards_drew_wherever_they_were_read_often_enough(
    history: list[tuple[int, int, int, str]],
) -> None:
    told = follow(Meter(holdings()), history)

    drawn = sum(
        (before[1] + before[2] + after[1] + after[2]) * (after[0] - before[0])
        for before, after in pairwise(history)
        if after[0] - before[0] <= 60_000
    )
    assert told[-1].millijoules == drawn // 2000
    assert told == sorted(told)


@given(rounds())
def test_services_never_count_more_than_the_class_and_unheld_watts_are_no_services(
    history: list[tuple[int, int, int, str]],
) -> None:
    meter = Meter(holdings())
    follow(meter, history)

    services = meter.accounts.measurements(meter.now).services.values()
    held = sum(
        ((before[3] != "") * before[1] + (after[3] != "") * after[1]) * (after[0] - before[0])
        for before, after in pairwise(history)
        if after[0] - before[0] <= 60_000
    )
    spent = sum(one.counted.energy.millijoules for one in services)
    assert held // 2000 - 2 <= spent <= held // 2000
    assert spent <= meter.npu_class().counted.energy.millijoules


@given(rounds(), st.integers(0, 24))
def test_a_restart_anywhere_loses_the_stretch_between_and_says_so(
    history: list[tuple[int, int, int, str]], cut: int
) -> None:
    cut = min(cut, len(history) - 1)
    whole = follow(Meter(holdings()), history)
    first = Meter(holdings())
    before = follow(first, history[:cut])[-1] if cut else NO_ENERGY
    books = Books(classes={b.ATOM: first.npu_class().counted}) if cut else Books()
    second = Meter(holdings(), books, begun=history[cut][0] / 1000)
    after = follow(second, history[cut:])[-1]

    last, then = history[max(0, cut - 1)], history[cut]
    stretch = (last[1] + last[2] + then[1] + then[2]) * (then[0] - last[0]) / 2000
    assert before <= after <= whole[-1]
    assert whole[-1].millijoules - after.millijoules <= stretch + 2
    lost = second.npu_class().counted.unmeasured_seconds
    known = first.npu_class().counted.unmeasured_seconds if cut else 0
    assert not cut or lost >= known + (then[0] - last[0]) // 1000 - 1


@given(st.lists(st.integers(1, 59_999), unique=True, max_size=8), WATTS, WATTS)
def test_more_samples_on_a_straight_line_change_nothing(
    between: list[int], first: int, last: int
) -> None:
    scene = holdings(holder("a"), npus=1)
    coarse, fine = Meter(scene), Meter(scene)
    coarse.take(card(0, 0, first, "a"), seconds=0).take(card(0, 60, last, "a"), seconds=60)
    for now in [0, *sorted(between), 60_000]:
        exact = (first * (60_000 - now) + last * now) / 60_000
        fine.take(card(0, now / 1000, exact, "a"), seconds=now / 1000)

    difference = (
        coarse.service().counted.energy.millijoules - fine.service().counted.energy.millijoules
    )
    assert abs(difference) <= 61  # each sample is rounded to the milliwatt


@given(rounds())
def test_unmeasured_seconds_never_fall_nor_exceed_the_time(
    history: list[tuple[int, int, int, str]],
) -> None:
    meter, before = Meter(holdings()), 0
    for step in history:
        follow(meter, [step])
        now = meter.npu_class().counted.unmeasured_seconds
        assert before <= now <= step[0] // 1000
        before = now
    assert at(0) < meter.now
