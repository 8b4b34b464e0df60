"""What the status of a ModelProfile says about watts that were measured against those declared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kwatt.api.v1alpha1.model_profile import MeasuredPoint
from kwatt.model.feedback import Confidence, Drift, DriftDirection
from kwatt.model.measurements import PointKey
from kwatt.status.conditions import Verdict
from kwatt.units import plain

_SHOWN = 8


def measured_points(drifts: Mapping[PointKey, Drift]) -> tuple[MeasuredPoint, ...] | None:
    """Return the rows of status.measured, in the order of their keys; None where nothing was measured."""
    return tuple(_row(key, drifts[key]) for key in sorted(drifts)) or None


def _row(key: PointKey, drift: Drift) -> MeasuredPoint:
    return MeasuredPoint(
        npu_class=key.npu_class,
        npus=key.npus,
        operating_point=key.operating_point,
        ratio=plain(drift.ratio, 1000),
        declared_watts=plain(drift.declared.milliwatts, 1000),
        measured_watts=plain(drift.measured.milliwatts, 1000),
        planned_watts=plain(drift.planned.milliwatts, 1000),
        hours=plain(drift.seconds * 10 // 3600, 10),
        confidence=drift.confidence,
        drift=drift.direction,
    )


def profile_drift(drifts: Mapping[PointKey, Drift]) -> Iterator[Verdict]:
    """Yield the condition ProfileDrift where anything was measured."""
    if not drifts:
        return
    apart = {k: d for k, d in sorted(drifts.items()) if d.direction is not DriftDirection.NONE}
    if apart:
        more = any(drift.direction is DriftDirection.MORE for drift in apart.values())
        shown = [_sentence(key, apart[key]) for key in list(apart)[:_SHOWN]]
        why = "; ".join(shown) + "; kwatt profile suggest prints the corrected profile"
        yield Verdict("ProfileDrift", True, "DrawsMore" if more else "DrawsLess", why)
    elif all(drift.confidence is Confidence.LOW for drift in drifts.values()):
        why = "too little was measured, or readings disagree"
        yield Verdict("ProfileDrift", None, "NotEnoughMeasured", why)
    else:
        why = "the watts that were measured are those declared, within 5 %"
        yield Verdict("ProfileDrift", False, "AsDeclared", why)


def _sentence(key: PointKey, drift: Drift) -> str:
    declared, measured = drift.declared, drift.measured
    percent = plain(abs(drift.ratio - 1000), 10)
    less_or_more = "more" if drift.ratio > 1000 else "less"
    text = (
        f"{key.npu_class} (npus: {key.npus}) {key.operating_point} draws {measured}, {percent} % "
        f"{less_or_more} than the {declared} declared, planned with {drift.planned}"
    )
    if drift.beyond:
        text += f"; that is more than NPUClass {key.npu_class} can draw: look at its watts.max"
    return text
