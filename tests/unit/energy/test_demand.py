"""A service that follows its demand: up at once, down slowly, held while nobody tells."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import rate
from kwatt.energy.demand import STABLE_MS, Asked, Followed, follow
from kwatt.model.feedback import DemandRange
from kwatt.model.measurements import Demand
from kwatt.units import Throughput

BOUNDS = DemandRange(rate(100), rate(2000), 20)
STEP = 15_000


def told(arrivals: float, waiting: int | None = None, unit: str = "images") -> Asked:
    return Asked(unit, Demand(rate(arrivals), waiting))


def served(amount: float, waiting: int | None = None) -> Asked:
    return Asked("tokens", Demand(None, waiting), rate(amount))


def after(start: Followed | None, *readings: Asked | None, begin: int = 0) -> Followed:
    followed = start
    for number, asked in enumerate(readings):
        followed = follow(followed, asked, BOUNDS, begin + number * STEP)
    assert followed is not None
    return followed


def at(target: float) -> Followed:
    return Followed(rate(target))


def test_demand_with_its_headroom_is_planned_for_at_once() -> None:
    assert after(at(100), told(500)).target == rate(600)


def test_the_queue_is_worked_off_in_a_minute() -> None:
    assert after(at(100), told(500, waiting=6000)).target == rate(720)


def test_requests_that_wait_are_not_taken_for_tokens() -> None:
    assert after(at(100), told(500, waiting=6000, unit="tokens")).target == rate(600)


def test_until_demand_was_told_there_is_no_rate_and_the_most_is_planned() -> None:
    assert follow(None, None, BOUNDS, 0) is None
    assert follow(None, Asked("images", Demand()), BOUNDS, 0) is None


def test_the_first_demand_lowers_the_most_only_after_the_window() -> None:
    readings = [told(500)] * (STABLE_MS // STEP + 1)

    assert after(None, *readings[:-1]).target == rate(2000)
    assert after(None, *readings).target == rate(600)


def test_a_peak_within_the_window_keeps_the_rate_up() -> None:
    quiet = [told(200)] * 10
    assert after(at(100), told(900), *quiet, told(700), *quiet, told(200)).target == rate(840)


@pytest.mark.parametrize("lost", [None, Asked("images", Demand())])
def test_the_last_rate_holds_while_nobody_tells(lost: Asked | None) -> None:
    assert after(at(900), told(200), *[lost] * 100).target == rate(900)


def test_after_a_gap_the_rate_is_lowered_only_after_a_whole_window() -> None:
    window = STABLE_MS // STEP
    gap = after(at(900), *[told(200)] * (window - 1), None)

    assert after(gap, *[told(200)] * window, begin=10**7).target == rate(900)
    assert after(gap, *[told(200)] * (window + 1), begin=10**7).target == rate(240)


def test_a_saturated_service_that_counts_only_what_it_served_grows_to_its_most() -> None:
    followed = at(100)
    for number in range(10):
        followed = after(followed, served(followed.target.per_second), begin=number * STEP)
    assert followed.target == rate(2000)


def test_one_that_serves_all_with_an_empty_queue_gets_its_headroom_only() -> None:
    assert after(at(620), served(600, waiting=0)).target == rate(720)


def test_another_range_holds_at_once() -> None:
    assert after(at(9000), None).target == rate(2000)
    assert after(at(1), None).target == rate(100)


@settings(deadline=None, max_examples=40)
@given(st.integers(100, 1300), st.lists(st.integers(-30, 30), min_size=60, max_size=120))
def test_noise_of_three_percent_around_a_constant_demand_changes_nothing(
    level: int, noise: list[int]
) -> None:
    readings = [told(level * (1000 + one) // 1000) for one in (30, *noise)]
    settled = after(at(2000), *[told(level * 103 // 100)] * 40)
    targets = {one.target for one in followed_through(settled, readings)}

    assert len(targets) == 1


@settings(deadline=None, max_examples=40)
@given(st.lists(st.none() | st.integers(0, 10**18), max_size=60), st.integers(1, 10**10))
def test_whatever_is_claimed_the_rate_stays_within_the_bounds(
    claims: list[int | None], start: int
) -> None:
    readings = (None if c is None else Asked("images", Demand(Throughput(c))) for c in claims)
    for followed in followed_through(Followed(Throughput(start)), readings):
        assert BOUNDS.least <= followed.target <= BOUNDS.most


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 1900))
def test_without_saturation_a_constant_served_rate_comes_to_rest(amount: int) -> None:
    followed = list(followed_through(at(2000), [served(amount)] * 100))

    assert len({one.target for one in followed[40:]}) == 1


def followed_through(start: Followed, readings: Iterable[Asked | None]) -> list[Followed]:
    found = [start]
    for number, asked in enumerate(readings):
        found.append(after(found[-1], asked, begin=10**9 + number * STEP))
    return found[1:]
