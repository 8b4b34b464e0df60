"""The maker of feedback: from measurements and grounds to what is planned with, over a restart too."""

from __future__ import annotations

from dataclasses import replace

from builders import rate, watts
from kwatt.energy.drift import SPAN_MS, WINDOW_MS
from kwatt.energy.feedback import BETWEEN_RAISES_MS, FeedbackMaker
from kwatt.model.feedback import (
    NO_FEEDBACK,
    DeclaredPoint,
    DemandRange,
    Feedback,
    Following,
    Grounds,
    Metered,
)
from kwatt.model.keys import ServiceKey
from kwatt.model.measurements import Demand, Measured, Measurements, PointKey, PointMeasured
from kwatt.units import Energy
from unit.held import entries

TRAFFIC, FOOD = ServiceKey("city", "traffic"), ServiceKey("city", "food")
BATCH_8, BATCH_16 = (PointKey("yolo", "atom", 1, name) for name in ("batch-8", "batch-16"))
BOUNDS = DemandRange(rate(100), rate(900), 20)
RACK = Metered(
    cap=watts(6000),
    planned_cap=watts(6000),
    headroom=watts(0),
    sheddable=watts(4500),
    reach=watts(9000),
    sustained_ms=0,
    calm_ms=300_000,
    settle_ms=60_000,
)
GROUNDS = Grounds(
    services={TRAFFIC: Following(BOUNDS, "images"), FOOD: Following(BOUNDS, "images", rate(300))},
    points={key: DeclaredPoint(watts(60), watts(100)) for key in (BATCH_8, BATCH_16)},
    budgets={"rack": RACK},
)
DRAWN = PointMeasured(Energy(60_000 * 7200), Energy(72_000 * 7200), 7200)


def after_hours(measurements: Measurements, hours: int) -> Feedback:
    maker = FeedbackMaker(NO_FEEDBACK, 0)
    for number in range(hours * 3600_000 // SPAN_MS + 1):
        feedback = maker.take(measurements, GROUNDS, number * SPAN_MS)
    return feedback


def test_a_demand_that_was_told_is_planned_for() -> None:
    told = Measurements(demands={TRAFFIC: Demand(rate(1000))})

    feedback = FeedbackMaker(NO_FEEDBACK, 0).take(told, GROUNDS, 0)

    assert feedback.demands == {TRAFFIC: rate(900), FOOD: rate(300)}


def test_a_rate_that_cannot_be_believed_changes_nothing() -> None:
    doubtful = Measured(rate=rate(900), doubt="more than ten times what the profile says")

    feedback = FeedbackMaker(Feedback(demands={TRAFFIC: rate(200)}), 0).take(
        Measurements(services={TRAFFIC: doubtful}), GROUNDS, 0
    )

    assert feedback.demands[TRAFFIC] == rate(200)


def test_a_meter_above_the_cap_withholds() -> None:
    above = Measurements(budgets={"rack": Measured(power=watts(6300))})

    feedback = FeedbackMaker(NO_FEEDBACK, 0).take(above, GROUNDS, 0)

    assert feedback.withheld == {"rack": watts(420)}


def test_a_budget_whose_meter_is_lost_keeps_what_was_withheld() -> None:
    lost = Measurements(budgets={"rack": Measured(power=watts(6300), lost="no reading for 80 s")})

    feedback = FeedbackMaker(Feedback(withheld={"rack": watts(700)}), 0).take(lost, GROUNDS, 0)

    assert feedback.withheld == {"rack": watts(700)}


def test_points_are_raised_one_after_the_other() -> None:
    measured = Measurements(points={BATCH_8: DRAWN, BATCH_16: DRAWN})
    maker = FeedbackMaker(NO_FEEDBACK, 0)
    for number in range(3):
        first = maker.take(measured, GROUNDS, number * SPAN_MS)

    second = maker.take(measured, GROUNDS, 2 * SPAN_MS + BETWEEN_RAISES_MS)

    assert list(first.points.values()) == [watts(72)]
    assert second.points == {BATCH_8: watts(72), BATCH_16: watts(72)}


def test_a_restart_goes_on_where_it_was() -> None:
    before = after_hours(Measurements(points={BATCH_8: DRAWN}), 3)

    after = FeedbackMaker(before, 10**9).take(Measurements(), GROUNDS, 10**9)

    assert (after.points, after.drifts) == (before.points, before.drifts)
    assert after.demands == before.demands


def test_without_any_measurement_nothing_is_decided() -> None:
    feedback = FeedbackMaker(NO_FEEDBACK, 0).take(Measurements(), Grounds(), 0)

    assert feedback == NO_FEEDBACK


def test_a_point_whose_class_is_away_for_hours_is_not_forgotten_but_one_that_is_gone_is() -> None:
    maker, away = FeedbackMaker(NO_FEEDBACK, 0), replace(GROUNDS, points={})
    maker.take(Measurements(), GROUNDS, 0)
    before = entries(maker)
    for number in range(4):
        now = number * SPAN_MS
        raised = maker.take(Measurements(points={BATCH_8: DRAWN}), GROUNDS, now)
    assert raised.points == {BATCH_8: watts(72)}

    maker.take(Measurements(), away, now + 1)
    assert maker.take(Measurements(), GROUNDS, now + WINDOW_MS).points == raised.points
    for number in (0, 1, 2):
        maker.take(Measurements(), away, now + WINDOW_MS * (2 + number))

    assert maker.take(Measurements(), GROUNDS, now + 5 * WINDOW_MS).points == {}
    assert entries(maker) == before
