"""How a status differs from the one seen, and how soon that should be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel

from kwatt.reconciler.store import Written

_WAVERING: Final = ("Ready", "ThroughputMet")


@dataclass(frozen=True, slots=True)
class StatusChange:
    """A status that differs from the one seen; `urgent` when a condition flipped or changed its reason.

    It is `wavering` when the only news is that replicas of a service that was ready are not so yet, and
    `edited` when that is because its spec changed: no fewer are ready than before.
    """

    written: Written
    status: dict[str, Any]
    urgent: bool
    wavering: bool = False
    edited: bool = False


def change_of(written: Written, described: BaseModel) -> StatusChange | None:
    """Compare a status with the one seen; None where it says the same."""
    seen = written.status
    status = described.model_dump(mode="json", by_alias=True, exclude_none=True)
    if status == seen:
        return None
    before, after = _verdicts(seen), _verdicts(status)
    wavers = _wavers(before, after)
    is_edit = seen.get("observedGeneration") != written.generation
    edited = wavers and is_edit and _ready_in(status) >= _ready_in(seen)
    return StatusChange(written, status, before != after, wavers, edited)


def _ready_in(status: Mapping[str, Any]) -> int:
    return sum(int(one.get("readyReplicas") or 0) for one in status.get("placements") or ())


def _wavers(before: list[tuple[str, str, str]], after: list[tuple[str, str, str]]) -> bool:
    steady = [[one for one in side if one[0] not in _WAVERING] for side in (before, after)]
    was_ready = any(one[:2] == ("Ready", "True") for one in before)
    return was_ready and ("Ready", "False", "ReplicasNotReady") in after and steady[0] == steady[1]


def _verdicts(status: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    conditions = status.get("conditions") or []
    return [(str(c.get("type")), str(c.get("status")), str(c.get("reason"))) for c in conditions]
