"""Power curves: W(rate), covering points, whole watts above idle, names of settings."""

from __future__ import annotations

from fractions import Fraction

import builders as b
from kwatt.planning.curves import Curve, curves_of, setting_of


def curve(*points: tuple[float, float]) -> Curve:
    return curves_of(b.profile(*(b.point(rate, draw) for rate, draw in points)))[0]


def test_draw_is_linear_between_points() -> None:
    assert Fraction(*curve((100, 40), (200, 70)).draw(150_000_000, 1)) == 55_000


def test_draw_below_the_lowest_point_is_that_points() -> None:
    assert Fraction(*curve((100, 40), (200, 70)).draw(1_000_000, 2)) == 80_000


def test_draw_on_a_point_is_the_points() -> None:
    assert Fraction(*curve((100, 40), (200, 70)).draw(600_000_000, 3)) == 210_000


def test_nothing_covers_a_share_beyond_the_highest_point() -> None:
    assert curve((100, 40)).covering(100_000_001, 1) is None


def test_the_lowest_point_that_covers_the_share_is_the_operating_point() -> None:
    point = curve((100, 40), (200, 70)).covering(200_000_000, 2)

    assert point is not None
    assert point.name == "at-100"


def test_watts_above_idle_are_rounded_up_from_the_highest_point() -> None:
    assert curve((100, 80), (200, 70.2)).watts_above(b.watts("17.24")) == 63


def test_watts_above_idle_are_never_negative() -> None:
    assert curve((100, 5)).watts_above(b.watts(10)) == 0


def test_another_env_is_another_curve() -> None:
    curves = curves_of(b.profile(b.point(100, 40), b.point(150, 45, env={"BATCH": "8"})))

    assert [len(c.points) for c in curves] == [1, 1]


def test_a_setting_has_six_hex_digits_and_no_env_has_none() -> None:
    assert setting_of((("A", "1"), ("B", "2"))) == setting_of((("B", "2"), ("A", "1")))
    assert len(setting_of((("A", "1"),))) == 6
    assert setting_of(()) == ""
