"""What the statuses remember of feedback, so that a restart or another leader goes on from there.

A status that can't be read (somebody edited it, another version wrote it) remembers nothing.
"""

from __future__ import annotations

from pydantic import ValidationError

from kwatt.api.v1alpha1.model_profile import MeasuredPoint
from kwatt.errors import InvalidInput
from kwatt.model.feedback import Drift
from kwatt.model.measurements import PointKey
from kwatt.observation.parsing.reading import Body, read_items, read_mapping
from kwatt.units import NO_POWER, Power, Throughput, parse_scaled

_MOST_SECONDS = 10**9  # of replicas; no status that KWatt wrote comes near


def remembered_demand(body: Body) -> Throughput | None:
    """Return the rate that an InferenceService followed last."""
    try:
        demand = read_mapping(read_mapping(body, "status"), "demand")
        found = Throughput.parse(demand.get("perSecond")) if demand else None
    except InvalidInput:
        return None
    return found if found and found.micros > 0 else None


def remembered_withheld(body: Body) -> Power:
    """Return what was withheld of a PowerBudget last."""
    try:
        status = read_mapping(body, "status")
        found = Power.parse(status["withheldWatts"]) if "withheldWatts" in status else NO_POWER
    except InvalidInput:
        return NO_POWER
    return max(found, NO_POWER)


def remembered_drifts(profile: str, body: Body) -> dict[PointKey, Drift]:
    """Return what was measured of the points of a ModelProfile."""
    try:
        rows = read_items(read_mapping(body, "status"), "measured", "status.")
        return dict(_drift(profile, MeasuredPoint.model_validate(row)) for row in rows)
    except (InvalidInput, ValidationError, RecursionError):
        return {}


def _drift(profile: str, row: MeasuredPoint) -> tuple[PointKey, Drift]:
    declared, planned = Power.parse(row.declared_watts), Power.parse(row.planned_watts)
    ratio, seconds = parse_scaled(row.ratio, 1000, "ratio"), parse_scaled(row.hours, 3600, "hours")
    if declared <= NO_POWER or not ratio >= 0 or not 0 <= seconds <= _MOST_SECONDS:
        raise InvalidInput("status.measured", "holds figures that KWatt never writes")
    drift = Drift(
        declared=declared,
        measured=Power.parse(row.measured_watts),
        planned=max(declared, planned),
        ratio=ratio,
        seconds=seconds,
        confidence=row.confidence,
        direction=row.drift,
    )
    return PointKey(profile, row.npu_class, row.npus, row.operating_point), drift
