"""What a scrape shows of plans, measurements and feedback."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

import builders as b
from kwatt.metrics import Metrics
from kwatt.model.feedback import Feedback
from kwatt.model.keys import ServiceKey
from kwatt.model.measurements import (
    Counted,
    Demand,
    Measured,
    Measurements,
    PointKey,
    PointMeasured,
)
from kwatt.model.npu import Scope
from kwatt.model.telemetry import Refusal, Refused, Source
from kwatt.units import Energy, Power, Throughput
from unit.cli.reports import HAZARD, PLAN, TRAFFIC

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
KEY = ServiceKey("city", "traffic")
NAMED = {"service_namespace": "city", "service_name": "traffic"}
POINT = PointKey("yolo", "atom", 1, "batch-8")
POINT_LABELS = {"profile": "yolo", "npu_class": "atom", "npus": "1", "operating_point": "batch-8"}
MEASURED = Measured(
    counted=Counted(Energy(7_000_500), NOW, 30),
    power=Power.of_watts(50),
    rate=b.rate(100),
    window_seconds=60,
    at=NOW,
    scope=Scope.DEVICE,
)


def shown(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def with_service(measured: Measured) -> Metrics:
    metrics = Metrics()
    metrics.measured(Measurements(services={KEY: measured}), NOW)
    return metrics


def test_a_measured_service_shows_watts_with_their_scope_rate_and_units_per_joule() -> None:
    metrics = with_service(MEASURED)

    assert shown(metrics, "kwatt_service_measured_watts", **NAMED, scope="Device") == 50
    assert shown(metrics, "kwatt_service_measured_units_per_second", **NAMED) == 100
    assert shown(metrics, "kwatt_service_measured_units_per_joule", **NAMED) == 2
    assert shown(metrics, "kwatt_service_measurement_lost", **NAMED) == 0


def test_joules_and_unmeasured_seconds_are_those_of_the_account() -> None:
    metrics = with_service(MEASURED)

    assert shown(metrics, "kwatt_service_energy_joules_total", **NAMED) == 7000.5
    assert shown(metrics, "kwatt_service_unmeasured_seconds_total", **NAMED) == 30


def test_a_lost_measurement_keeps_joules_and_its_time_but_shows_no_watts() -> None:
    metrics = with_service(replace(MEASURED, lost="no exporter answers for 90 s"))

    assert shown(metrics, "kwatt_service_measured_watts", **NAMED, scope="Device") is None
    assert shown(metrics, "kwatt_service_measured_units_per_joule", **NAMED) is None
    assert shown(metrics, "kwatt_service_measurement_lost", **NAMED) == 1
    assert shown(metrics, "kwatt_service_energy_joules_total", **NAMED) == 7000.5
    at = shown(metrics, "kwatt_service_measurement_timestamp_seconds", **NAMED)
    assert at == NOW.timestamp()


def test_what_was_never_measured_is_absent_and_not_zero() -> None:
    metrics = with_service(Measured())

    assert shown(metrics, "kwatt_service_measured_watts", **NAMED, scope="") is None
    assert shown(metrics, "kwatt_service_measured_units_per_second", **NAMED) is None
    assert shown(metrics, "kwatt_service_energy_joules_total", **NAMED) is None
    assert shown(metrics, "kwatt_measurements_timestamp_seconds") == NOW.timestamp()
    assert shown(Metrics(), "kwatt_measurements_timestamp_seconds") is None


def test_no_units_per_joule_where_nothing_is_drawn() -> None:
    metrics = with_service(replace(MEASURED, power=Power(0)))

    assert shown(metrics, "kwatt_service_measured_watts", **NAMED, scope="Device") == 0
    assert shown(metrics, "kwatt_service_measured_units_per_joule", **NAMED) is None


def test_a_service_that_is_gone_leaves_no_series() -> None:
    metrics = with_service(MEASURED)

    metrics.measured(Measurements(), NOW)

    assert shown(metrics, "kwatt_service_energy_joules_total", **NAMED) is None


def test_where_nothing_is_read_any_more_no_old_figure_stays_nor_looks_stalled() -> None:
    metrics = with_service(MEASURED)

    metrics.unmeasured()

    assert shown(metrics, "kwatt_service_measured_watts", **NAMED, scope="Device") is None
    assert shown(metrics, "kwatt_measurements_timestamp_seconds") is None


def test_budgets_classes_demands_and_points_are_shown() -> None:
    metrics = Metrics()

    metrics.measured(
        Measurements(
            budgets={"rack": MEASURED},
            classes={"atom": MEASURED},
            demands={KEY: Demand(Throughput(1_500_000), 7, 60)},
            points={POINT: PointMeasured(Energy(1000), Energy(1250), 600)},
            targets={"atom": 12},
        ),
        NOW,
    )

    assert shown(metrics, "kwatt_power_budget_measured_watts", budget="rack", scope="Device") == 50
    assert shown(metrics, "kwatt_npu_class_energy_joules_total", npu_class="atom") == 7000.5
    assert shown(metrics, "kwatt_service_demand_units_per_second", **NAMED) == 1.5
    assert shown(metrics, "kwatt_service_waiting_requests", **NAMED) == 7
    assert shown(metrics, "kwatt_operating_point_drift_ratio", **POINT_LABELS) == 1.25
    assert shown(metrics, "kwatt_npu_class_targets_read", npu_class="atom") == 12


def test_feedback_is_shown() -> None:
    metrics = Metrics()

    metrics.fed_back(
        Feedback({POINT: Power.of_watts(66)}, {KEY: b.rate(90)}, {"rack": Power.of_watts(120)})
    )

    assert shown(metrics, "kwatt_operating_point_corrected_watts", **POINT_LABELS) == 66
    assert shown(metrics, "kwatt_service_followed_units_per_second", **NAMED) == 90
    assert shown(metrics, "kwatt_power_budget_withheld_watts", budget="rack") == 120


@pytest.mark.parametrize("reason", Refusal)
def test_refusals_count_samples_from_zero(reason: Refusal) -> None:
    metrics, labels = Metrics(), {"source": "Exporter", "reason": str(reason)}
    before = shown(metrics, "kwatt_reader_refused_samples_total", **labels)

    metrics.refused([Refused(Source.EXPORTER, "atom on n1", reason, "why", count=3)])

    assert before == 0
    assert shown(metrics, "kwatt_reader_refused_samples_total", **labels) == 3


def test_a_plan_shows_services_classes_and_why_something_is_short() -> None:
    metrics = Metrics()

    metrics.planned(PLAN, {})

    rows = [one for one in PLAN.placements if one.service == TRAFFIC]
    planned = sum(one.planned.milliwatts for one in rows) / 1000
    named = dict(zip(("service_namespace", "service_name"), TRAFFIC, strict=True))
    assert shown(metrics, "kwatt_service_planned_watts", **named) == pytest.approx(planned)
    rate = shown(metrics, "kwatt_service_planned_units_per_second", **named) or 0
    per_joule = shown(metrics, "kwatt_service_planned_units_per_joule", **named) or 0
    assert per_joule == pytest.approx(rate / planned)
    short = [
        sample.labels
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == "kwatt_service_shortfall_units_per_second"
    ]
    assert {(one["service_namespace"], one["service_name"]) for one in short} == {
        tuple(one.service) for one in PLAN.unplaced
    }
    assert HAZARD in {one.service for one in PLAN.unplaced}
