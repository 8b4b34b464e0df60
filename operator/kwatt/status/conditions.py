"""Conditions in the Kubernetes shape; their transition time moves only when their status does."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from kwatt.api.v1alpha1.meta import Condition, ConditionStatus

MESSAGE_LIMIT = 4096


class Verdict(NamedTuple):
    """What one condition should say: `holds` None means Unknown."""

    type: str
    holds: bool | None
    reason: str
    message: str


def settled(
    previous: Iterable[Condition], verdicts: Iterable[Verdict], generation: int, now: datetime
) -> tuple[Condition, ...]:
    """Return the conditions for `verdicts`, keeping the transition time of those that did not flip."""
    before = {condition.type: condition for condition in previous}
    return tuple(_settled(before.get(v.type), v, generation, now) for v in verdicts)


def _settled(
    before: Condition | None, verdict: Verdict, generation: int, now: datetime
) -> Condition:
    status = _status(verdict.holds)
    kept = before is not None and before.status == status
    return Condition(
        type=verdict.type,
        status=status,
        reason=verdict.reason,
        message=verdict.message[:MESSAGE_LIMIT],
        last_transition_time=before.last_transition_time if kept and before else timestamp(now),
        observed_generation=generation,
    )


def _status(holds: bool | None) -> ConditionStatus:  # noqa: FBT001  (three-valued, from a Verdict)
    if holds is None:
        return ConditionStatus.UNKNOWN
    return ConditionStatus.TRUE if holds else ConditionStatus.FALSE


def timestamp(now: datetime) -> str:
    """Render a time as the API server does: RFC 3339, whole seconds, UTC."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_timestamp(text: str | None) -> datetime | None:
    """Read a time that `timestamp` rendered, None where it is none."""
    try:
        time = datetime.fromisoformat(text or "")
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
