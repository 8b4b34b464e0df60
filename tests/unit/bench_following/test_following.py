"""The benchmark of rates that follow their demand: its physics and the autoscaler's documented rule."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import builders as b
from bench.following.rules import Autoscaler, fixed
from bench.following.shapes import STEPS, shapes_of
from bench.following.world import START_SECONDS, Pool, Seen, replay
from kwatt.planning.curves import curves_of


def pool(ready: int = 4) -> Pool:
    """Ten cards that idle at 10 W; a replica serves 100 units per second at 60 W."""
    (curve,) = curves_of(b.profile())
    return Pool(10, b.npu_class(), curve, ready)


def scaler(**facts: bool) -> Autoscaler:
    return Autoscaler(100, 10, **({"counts_arrivals": False} | facts))


def seen(served: float, seconds: int = 0, ready: int = 4, replicas: int = 4) -> Seen:
    return Seen(seconds, served, served, 0, ready, replicas)


def test_a_fixed_peak_draws_what_its_cards_draw_and_nobody_waits() -> None:
    day = replay(np.full(720, 300.0), pool(), fixed(4))

    assert day.joules == pytest.approx(3600 * (4 * 60 + 6 * 10))
    assert (day.met, day.late, day.starts) == (720, 0, 0)


def test_what_too_few_replicas_do_not_serve_waits() -> None:
    day = replay(np.full(720, 500.0), pool(), fixed(4))

    assert day.met == 0
    assert day.late / day.asked > 0.99


def test_a_replica_serves_only_after_it_has_started() -> None:
    day = replay(np.full(720, 500.0), pool(), fixed(8))

    assert day.starts == 4
    assert day.longest_queue_seconds >= START_SECONDS * 100 / 800


@pytest.mark.parametrize(
    ("served", "wanted"), [(400, 4), (440, 4), (441, 5), (800, 8), (359, 4), (200, 2)]
)
def test_the_autoscaler_wants_what_its_formula_says(served: float, wanted: int) -> None:
    assert scaler()(seen(served)) == wanted


def test_the_autoscaler_goes_down_to_the_highest_of_five_minutes() -> None:
    one = scaler()
    one(seen(600, 0, 6, 6))

    assert one(seen(200, 285, 6, 6)) == 6
    assert one(seen(200, 300, 6, 6)) == 2


def test_the_autoscaler_counts_pods_that_start_as_idle() -> None:
    assert scaler()(seen(440, ready=4, replicas=8)) == 8


@pytest.mark.parametrize("make", [lambda: shapes_of(None, 9000, 1)])
def test_a_day_is_the_same_for_the_same_seed(make: Callable[[], dict[str, np.ndarray]]) -> None:
    once, again = make(), make()

    assert all(np.array_equal(once[name], again[name]) for name in once)
    assert {curve.size for curve in once.values()} == {STEPS}
