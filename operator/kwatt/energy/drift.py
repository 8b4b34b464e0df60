"""Watts measured at an operating point against those declared; planning uses whichever is more.

    ratio = measured energy / declared energy, over the same replica-seconds of the last WINDOW_MS

The declared energy is that at the rates really served, by the spec of the ModelProfile: by the watts that are
planned it would always come to 1. What is told are sums over the last quarter to half of an hour; they are
taken every SPAN_MS, so that nothing counts twice. What is planned changes only with enough confidence, in steps
far enough apart that noise never goes back and forth: a change of a point's watts is a change of its pods'
request, hence a rollout of its replicas.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from kwatt.model.feedback import Confidence, DeclaredPoint, Drift, DriftDirection
from kwatt.model.measurements import PointMeasured
from kwatt.units import NO_ENERGY, Power, ceiling

# assumptions; ratios are in thousandths
WINDOW_MS: Final = 24 * 3600_000
SPAN_MS: Final = 1_800_000  # as long as what is told goes back at most
ENOUGH_SECONDS: Final = 3600  # of replicas
ENOUGH_SPANS: Final = 2
MOST_SPREAD: Final = 50  # mean deviation of the spans from the whole
ENTER: Final = 50
LEAVE: Final = 20
FALL: Final = 100  # a raised point is lowered again only if so much less is measured
STEP: Final = 10
_ONE: Final = 1000
_SHOWN_HOURS: Final = (0, 1, 4, 12, 24, 100, 1000)


class Span(NamedTuple):
    """What was observed until an instant: millijoules declared and measured, and replica-seconds."""

    at: int
    declared: int
    measured: int
    seconds: int

    @property
    def ratio(self) -> int:
        """Measured over declared in thousandths."""
        return self.measured * _ONE // self.declared


@dataclass(frozen=True, slots=True)
class Tracked:
    """What is known of one point: the spans of the window, what is planned and what is shown.

    `taken` is when the last span was taken; `trusted`: a status had enough confidence in what it remembered.
    """

    declared: Power
    taken: int
    spans: tuple[Span, ...] = ()
    planned: int = _ONE
    direction: DriftDirection = DriftDirection.NONE
    shown: Drift | None = None
    trusted: bool = False


def tracked_from(shown: Drift, now_ms: int) -> Tracked:
    """Go on from what a status shows."""
    declared = shown.declared.milliwatts * max(1, shown.seconds)
    span = Span(now_ms, declared, ceiling(declared * shown.ratio, _ONE), shown.seconds)
    return Tracked(
        declared=shown.declared,
        taken=now_ms,
        spans=(span,) if shown.seconds else (),
        planned=max(_ONE, _ratio_planned(shown)),
        direction=shown.direction,
        shown=shown,
        trusted=shown.confidence is Confidence.HIGH,
    )


def _ratio_planned(shown: Drift) -> int:
    """Return the ratio that gives exactly the watts that are planned, or the most that the class allows."""
    ratio = shown.planned.milliwatts * _ONE // max(1, shown.declared.milliwatts)
    return ratio if _times(shown.declared, ratio) == shown.planned else ratio + 1


def track(
    before: Tracked | None, measured: PointMeasured | None, point: DeclaredPoint, now_ms: int
) -> Tracked:
    """Add what was measured since; a point that is declared anew is observed anew."""
    if before is None or before.declared != point.power:
        return Tracked(point.power, taken=now_ms)
    if measured is None or now_ms - before.taken < SPAN_MS or measured.declared <= NO_ENERGY:
        return before
    kept = tuple(span for span in before.spans if span.at > now_ms - WINDOW_MS)
    span = Span(
        now_ms,
        measured.declared.millijoules,
        max(0, measured.measured.millijoules),
        measured.replica_seconds,
    )
    return replace(before, taken=now_ms, spans=(*kept, span))


def decide(tracked: Tracked, point: DeclaredPoint, *, may_raise: bool) -> Tracked:
    """Decide what to plan with and what to show; nothing is raised unless it `may_raise` now."""
    total = _total(tracked.spans)
    if total is None:
        return tracked
    confidence = _confidence(tracked, total)
    if confidence is Confidence.HIGH:
        planned = _planned(tracked.planned, total.ratio)
        if planned > tracked.planned and not may_raise:
            planned = tracked.planned
        direction = _direction(tracked.direction, total.ratio)
        tracked = replace(tracked, planned=planned, direction=direction)
    drift = _drift(tracked, total, confidence, point)
    return replace(tracked, shown=drift) if _is_news(tracked.shown, drift) else tracked


def wants_raise(tracked: Tracked, point: DeclaredPoint) -> bool:
    """Tell whether more than is planned was measured, with confidence."""
    return planned_power(decide(tracked, point, may_raise=True), point) > planned_power(
        tracked, point
    )


def planned_power(tracked: Tracked, point: DeclaredPoint) -> Power:
    """Return the watts to plan with: never less than declared, and more only up to what the class can draw."""
    return max(point.power, min(_times(point.power, tracked.planned), point.most))


def _total(spans: tuple[Span, ...]) -> Span | None:
    if not spans:
        return None
    return Span(
        spans[0].at,
        sum(span.declared for span in spans),
        sum(span.measured for span in spans),
        sum(span.seconds for span in spans),
    )


def _confidence(tracked: Tracked, total: Span) -> Confidence:
    """Return High where enough replica-seconds agree; the spread is the spans' mean deviation by weight."""
    spread = sum(abs(span.ratio - total.ratio) * span.seconds for span in tracked.spans)
    agree = spread <= MOST_SPREAD * total.seconds
    spans_enough = tracked.trusted or len(tracked.spans) >= ENOUGH_SPANS
    enough = spans_enough and total.seconds >= ENOUGH_SECONDS
    return Confidence.HIGH if enough and agree else Confidence.LOW


def _planned(planned: int, ratio: int) -> int:
    """Return the ratio to plan with: up by ENTER or more, back below LEAVE, down by FALL or more."""
    if ratio >= planned + ENTER or LEAVE <= ratio - _ONE <= planned - _ONE - FALL:
        return ceiling(ratio, STEP) * STEP
    return _ONE if ratio < _ONE + LEAVE else planned


def _direction(before: DriftDirection, ratio: int) -> DriftDirection:
    apart = abs(ratio - _ONE)
    towards = DriftDirection.MORE if ratio > _ONE else DriftDirection.LESS
    if apart >= ENTER or (apart > LEAVE and towards is before):
        return towards
    return DriftDirection.NONE


def _drift(tracked: Tracked, total: Span, confidence: Confidence, point: DeclaredPoint) -> Drift:
    measured = _times(point.power, total.ratio)
    return Drift(
        declared=point.power,
        measured=measured,
        planned=planned_power(tracked, point),
        ratio=total.ratio,
        seconds=total.seconds,
        confidence=confidence,
        direction=tracked.direction,
        beyond=measured > point.most,
    )


def _is_news(shown: Drift | None, drift: Drift) -> bool:
    """Tell whether a status is worth writing: what is decided changed, or figures moved by a step."""
    if shown is None or abs(shown.ratio - drift.ratio) >= STEP:
        return True
    return _decided(shown) != _decided(drift)


def _decided(drift: Drift) -> tuple[object, ...]:
    hours = bisect_right(_SHOWN_HOURS, drift.seconds // 3600)
    return (
        drift.declared,
        drift.planned,
        drift.confidence,
        drift.direction,
        drift.beyond,
        hours,
    )


def _times(power: Power, ratio: int) -> Power:
    return Power(ceiling(power.milliwatts * ratio, _ONE))
