"""The table of all metrics: what docs/metrics.md is written from and what /metrics serves. No I/O."""

from __future__ import annotations

from typing import Final

from kwatt.metrics.family import Family, Type, counter, gauge
from kwatt.metrics.objects import OBJECTS

_ONE: Final = "1"
_KINDS: Final = "one per kind, at most 15"

CYCLE: Final = Family(
    "kwatt_cycle_duration_seconds",
    Type.HISTOGRAM,
    ("step",),
    "seconds",
    "Time of one step of a planning cycle: observe, plan, diff, apply, describe.",
    "14 per step",
)
OUTCOMES: Final = gauge(
    "kwatt_services",
    ("outcome",),
    "services",
    "InferenceServices by outcome: placed, partly, unplaced.",
    "3",
)
REPLICAS: Final = gauge("kwatt_replicas_planned", (), "replicas", "Replicas in the plan.", _ONE)
PLANNED: Final = gauge(
    "kwatt_power_planned_watts",
    (),
    "watts",
    "Planned watts of all replicas, hosts and idle NPUs left out.",
    _ONE,
)
DRAW: Final = gauge(
    "kwatt_power_draw_watts",
    (),
    "watts",
    "What meters should show: planned, idle and foreign watts, hosts left out.",
    _ONE,
)
INVALID: Final = gauge(
    "kwatt_invalid_objects", ("kind",), "objects", "Objects that cannot be used, by kind.", _KINDS
)
REQUESTS: Final = counter(
    "kwatt_api_requests_total",
    ("verb", "resource", "outcome"),
    "requests",
    "Requests to the Kubernetes API by verb, resource and outcome (HTTP status, or what failed).",
    "about 100",
)
FAILURES: Final = counter(
    "kwatt_apply_failures_total",
    ("kind", "error"),
    "changes",
    "Changes that the API refused or that failed, by kind and error; kind Cycle is a whole cycle.",
    "at most 5 per kind",
)
STORE_DRIFT: Final = counter(
    "kwatt_store_drift_total",
    ("kind",),
    "deletions",
    "Deletions that only a re-list found; should stay 0.",
    _KINDS,
)
LEADER: Final = gauge("kwatt_leader", (), "0 or 1", "1 while this process leads.", _ONE)
STORED: Final = gauge("kwatt_store_objects", ("kind",), "objects", "Objects in the store.", _KINDS)
REFUSED: Final = counter(
    "kwatt_reader_refused_samples_total",
    ("source", "reason"),
    "samples",
    "What was read and is not used, by source (Exporter, Runtime, Prometheus) and reason.",
    "at most 57",
)

FAMILIES: Final = (
    *(LEADER, CYCLE, OUTCOMES, REPLICAS, PLANNED, DRAW, INVALID),
    *(REQUESTS, FAILURES, STORED, STORE_DRIFT),
    *OBJECTS,
    REFUSED,
)
