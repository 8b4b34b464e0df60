"""Metrics of services, budgets, classes and operating points, as planned and as measured. No I/O.

Labels of services are `service_namespace` and `service_name`: a Prometheus that finds its targets in
Kubernetes sets `namespace` and `service` itself.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from kwatt.metrics.family import Family, counter, gauge

_SERVICE: Final = ("service_namespace", "service_name")
_BUDGET: Final = ("budget",)
_CLASS: Final = ("npu_class",)
_POINT: Final = ("profile", "npu_class", "npus", "operating_point")
_SERVICES: Final = "one per InferenceService"
_BUDGETS: Final = "one per PowerBudget"
_CLASSES: Final = "one per NPUClass in use"
_POINTS: Final = "one per operating point in use"

BUDGET_PARTS: Final = gauge(
    "kwatt_power_budget_watts",
    ("budget", "part"),
    "watts",
    "Watts of a PowerBudget: its cap, what counts against it (host, idle, reserved, foreign), what is left "
    "(headroom), what replicas draw as planned (planned), and what a meter should show (draw).",
    "8 per PowerBudget",
)
SERVICE_PLANNED_WATTS: Final = gauge(
    "kwatt_service_planned_watts", _SERVICE, "watts", "Watts at the planned rate.", _SERVICES
)
SERVICE_RESERVED_WATTS: Final = gauge(
    "kwatt_service_reserved_watts",
    _SERVICE,
    "watts",
    "The most watts that its replicas can draw; what budgets count.",
    _SERVICES,
)
SERVICE_PLANNED_RATE: Final = gauge(
    "kwatt_service_planned_units_per_second",
    _SERVICE,
    "units of the profile per second",
    "The rate that its replicas sustain as planned.",
    _SERVICES,
)
SERVICE_PLANNED_PER_JOULE: Final = gauge(
    "kwatt_service_planned_units_per_joule",
    _SERVICE,
    "units of the profile per joule",
    "Planned rate over planned watts.",
    _SERVICES,
)
SHORTFALL: Final = gauge(
    "kwatt_service_shortfall_units_per_second",
    (*_SERVICE, "reason"),
    "units of the profile per second",
    "The part of the rate that is not served, with the reason of the class that came furthest; absent "
    "where all is served.",
    _SERVICES,
)
CLASS_PLANNED_WATTS: Final = gauge(
    "kwatt_npu_class_planned_watts",
    _CLASS,
    "watts",
    "Planned watts of the replicas on the class.",
    _CLASSES,
)
CLASS_PLANNED_NPUS: Final = gauge(
    "kwatt_npu_class_planned_npus",
    _CLASS,
    "NPUs",
    "NPUs that the plan gives to replicas.",
    _CLASSES,
)


class Subject(NamedTuple):
    """Metrics of what was measured of one sort of object."""

    watts: Family
    joules: Family
    unmeasured: Family
    timestamp: Family
    lost: Family


def _subject(prefix: str, labels: tuple[str, ...], what: str, series: str) -> Subject:
    return Subject(
        gauge(
            f"{prefix}_measured_watts",
            (*labels, "scope"),
            "watts",
            f"Mean watts of {what} as measured, with the scope of the meter (Device, Node, Wall); absent "
            "while not measured. Never add figures of different scopes.",
            series,
        ),
        counter(
            f"{prefix}_energy_joules_total",
            labels,
            "joules",
            f"Energy of {what}, integrated from power; goes on after a restart where it was.",
            series,
        ),
        counter(
            f"{prefix}_unmeasured_seconds_total",
            labels,
            "seconds",
            "Seconds whose energy is not in the joules, because power was unknown.",
            series,
        ),
        gauge(
            f"{prefix}_measurement_timestamp_seconds",
            labels,
            "seconds since 1970",
            "End of the window of the last measurement: its age is time() less this.",
            series,
        ),
        gauge(
            f"{prefix}_measurement_lost",
            labels,
            "0 or 1",
            "1 while there is no fresh measurement of what was measured before.",
            series,
        ),
    )


OF_SERVICES: Final = _subject("kwatt_service", _SERVICE, "the service", _SERVICES)
OF_BUDGETS: Final = _subject("kwatt_power_budget", _BUDGET, "all under the budget", _BUDGETS)
OF_CLASSES: Final = _subject("kwatt_npu_class", _CLASS, "all cards of the class", _CLASSES)

SERVICE_RATE: Final = gauge(
    "kwatt_service_measured_units_per_second",
    _SERVICE,
    "units of the profile per second",
    "Rate by the counters of the serving runtime; absent while not measured.",
    _SERVICES,
)
SERVICE_PER_JOULE: Final = gauge(
    "kwatt_service_measured_units_per_joule",
    _SERVICE,
    "units of the profile per joule",
    "Measured rate over measured watts; absent unless both are measured.",
    _SERVICES,
)
ESTIMATED: Final = gauge(
    "kwatt_service_measurement_estimated",
    _SERVICE,
    "0 or 1",
    "1 where part of the watts was shared out by plan and not told by the exporter's labels.",
    _SERVICES,
)
DOUBTFUL: Final = gauge(
    "kwatt_service_measurement_doubtful",
    _SERVICE,
    "0 or 1",
    "1 where what its runtime tells is implausible against its profile.",
    _SERVICES,
)
DEMAND: Final = gauge(
    "kwatt_service_demand_units_per_second",
    _SERVICE,
    "units of the profile per second",
    "What was asked of the service lately.",
    _SERVICES,
)
WAITING: Final = gauge(
    "kwatt_service_waiting_requests", _SERVICE, "requests", "Requests in its queues.", _SERVICES
)
FOLLOWED: Final = gauge(
    "kwatt_service_followed_units_per_second",
    _SERVICE,
    "units of the profile per second",
    "The rate planned for, of a service that follows its demand.",
    _SERVICES,
)
WITHHELD: Final = gauge(
    "kwatt_power_budget_withheld_watts",
    _BUDGET,
    "watts",
    "What is planned below the cap because the meter shows more than the plan.",
    _BUDGETS,
)
TARGETS: Final = gauge(
    "kwatt_npu_class_targets_read",
    _CLASS,
    "exporters",
    "Exporters of the class that were read lately.",
    _CLASSES,
)
DRIFT: Final = gauge(
    "kwatt_operating_point_drift_ratio",
    _POINT,
    "1 as declared",
    "Measured over declared energy of the replicas at an operating point.",
    _POINTS,
)
POINT_SECONDS: Final = gauge(
    "kwatt_operating_point_measured_replica_seconds",
    _POINT,
    "replica seconds",
    "How long replicas were measured at the point: how far the drift ratio can be trusted.",
    _POINTS,
)
POINT_WATTS: Final = gauge(
    "kwatt_operating_point_corrected_watts",
    _POINT,
    "watts",
    "Watts of one replica that are planned with, where more was measured than declared.",
    _POINTS,
)
ROUND: Final = gauge(
    "kwatt_measurements_timestamp_seconds",
    (),
    "seconds since 1970",
    "When measurements were last brought up to date; absent without telemetry.",
    "1",
)

OBJECTS: Final = (
    *(SERVICE_PLANNED_WATTS, SERVICE_RESERVED_WATTS, SERVICE_PLANNED_RATE),
    *(SERVICE_PLANNED_PER_JOULE, SHORTFALL, *OF_SERVICES, SERVICE_RATE, SERVICE_PER_JOULE),
    *(ESTIMATED, DOUBTFUL, DEMAND, WAITING, FOLLOWED),
    *(BUDGET_PARTS, *OF_BUDGETS, WITHHELD),
    *(CLASS_PLANNED_WATTS, CLASS_PLANNED_NPUS, *OF_CLASSES, TARGETS),
    *(DRIFT, POINT_SECONDS, POINT_WATTS, ROUND),
)
