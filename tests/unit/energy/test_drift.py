"""Measured against declared watts of an operating point: planned is whichever is more, and noise is neither."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from builders import watts
from kwatt.api.v1alpha1.model_profile import MeasuredPoint
from kwatt.energy.drift import SPAN_MS, WINDOW_MS, Tracked, decide, planned_power, track
from kwatt.energy.drift import tracked_from as restarted
from kwatt.model.feedback import Confidence, DeclaredPoint, Drift, DriftDirection
from kwatt.model.measurements import PointKey, PointMeasured
from kwatt.observation.remembering import remembered_in
from kwatt.status.drift import measured_points
from kwatt.units import Energy, Power

POINT = DeclaredPoint(watts(60), watts(100))
REPLICAS = 3
KEY = PointKey("yolo", "atom", 1, "batch-8")


def told(ratio: int, seconds: int = 1800 * REPLICAS) -> PointMeasured:
    declared = 60_000 * seconds
    return PointMeasured(Energy(declared), Energy(declared * ratio // 1000), seconds)


def after(
    ratios: Iterable[int], start: Tracked | None = None, point: DeclaredPoint = POINT
) -> Tracked:
    return history(ratios, start, point)[-1]


def history(
    ratios: Iterable[int], start: Tracked | None = None, point: DeclaredPoint = POINT
) -> list[Tracked]:
    found = [start or track(None, None, point, 0)]
    for number, ratio in enumerate(ratios, start=1):
        tracked = track(found[-1], told(ratio), point, number * SPAN_MS)
        found.append(decide(tracked, point, may_raise=True))
    return found


def planned(tracked: Tracked, point: DeclaredPoint = POINT) -> Power:
    return planned_power(tracked, point)


def test_what_draws_more_is_planned_with_more() -> None:
    tracked = after([1100, 1100])

    assert planned(tracked) == watts(66)
    assert tracked.shown is not None
    assert tracked.shown.direction is DriftDirection.MORE
    assert tracked.shown.confidence is Confidence.HIGH


def test_what_draws_less_is_planned_as_declared_and_shown() -> None:
    tracked = after([900, 900])

    assert planned(tracked) == watts(60)
    assert tracked.shown is not None
    assert tracked.shown.direction is DriftDirection.LESS


def test_a_little_more_is_not_worth_a_restart() -> None:
    assert planned(after([1040] * 20)) == watts(60)


def test_one_span_is_not_enough() -> None:
    assert planned(after([1300])) == watts(60)


def test_readings_that_disagree_decide_nothing() -> None:
    tracked = after([1600, 900] * 5)

    assert planned(tracked) == watts(60)
    assert tracked.shown is not None
    assert tracked.shown.confidence is Confidence.LOW


def test_a_raised_point_stays_until_little_more_is_measured() -> None:
    day = WINDOW_MS // SPAN_MS

    assert planned(after([1100] * day + [1025] * day)) == watts(66)
    assert planned(after([1100] * day + [1010] * day)) == watts(60)


def test_never_more_is_planned_than_the_npus_can_draw() -> None:
    tracked = after([1900, 1900])

    assert planned(tracked) == watts(100)
    assert tracked.shown is not None
    assert tracked.shown.beyond


def test_what_was_declared_is_planned_even_if_the_class_says_less() -> None:
    assert planned(after([1200] * 3, point=DeclaredPoint(watts(60), watts(50))), POINT) >= watts(60)


def test_what_is_told_counts_once_however_often_it_is_read() -> None:
    tracked = track(None, None, POINT, 0)
    for second in range(0, 3600, 15):
        tracked = track(tracked, told(1100), POINT, second * 1000)

    assert len(tracked.spans) == 1


def test_a_point_that_is_declared_anew_is_observed_anew() -> None:
    corrected = DeclaredPoint(watts(66), watts(100))
    tracked = track(after([1100, 1100]), told(1000), corrected, 10**9)

    assert planned(tracked, corrected) == watts(66)
    assert tracked.spans == ()


def test_a_restart_shows_and_plans_the_same() -> None:
    shown = after([1100, 1130, 1120]).shown
    assert shown is not None

    again = decide(restarted(shown, 10**9), POINT, may_raise=True)

    assert again.shown == shown
    assert planned(again) == shown.planned


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1_000, 400_000),
    st.integers(1_000, 800_000),
    st.lists(st.integers(600, 2500), min_size=1, max_size=6),
)
def test_what_a_status_says_is_what_a_restart_plans(
    declared: int, most: int, ratios: list[int]
) -> None:
    point = DeclaredPoint(Power(declared), Power(most))
    shown = after(ratios, point=point).shown
    assert shown is not None
    rows = {"measured": [row.model_dump(mode="json", by_alias=True) for row in rows_of(shown)]}

    remembered = remembered_in([("ModelProfile", "", KEY.profile, rows)])
    again = decide(restarted(remembered.drifts[KEY], 10**9), point, may_raise=True)

    assert again.shown is not None
    assert rows_of(again.shown) == rows_of(shown)
    assert remembered.points[KEY] == planned(again, point)


def rows_of(shown: Drift) -> tuple[MeasuredPoint, ...]:
    return measured_points({KEY: shown}) or ()


@settings(deadline=None, max_examples=40)
@given(
    st.integers(500, 2500),
    st.lists(st.integers(-30, 30), min_size=60, max_size=150),
)
def test_noise_of_three_percent_never_goes_back_and_forth(true: int, noise: list[int]) -> None:
    changes = [planned(one) for one in history(true * (1000 + n) // 1000 for n in noise)]
    steps = [a for a, b in pairwise(changes) if a != b]

    assert changes == sorted(changes)
    assert len(steps) <= 2


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 5000), min_size=1, max_size=100))
def test_whatever_is_measured_the_plan_is_between_the_declared_and_the_most(
    ratios: list[int],
) -> None:
    for tracked in history(ratios):
        assert POINT.power <= planned(tracked) <= POINT.most
