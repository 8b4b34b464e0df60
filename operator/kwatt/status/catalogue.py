"""The status of NPUClasses and ModelProfiles: whether they can be used, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from kwatt.api.v1alpha1 import measuring as api
from kwatt.api.v1alpha1.model_profile import ModelProfileStatus
from kwatt.api.v1alpha1.npu_class import NPUClassStatus
from kwatt.model.feedback import Drift
from kwatt.model.measurements import Measured, PointKey
from kwatt.model.npu import Profile
from kwatt.model.snapshot import Snapshot
from kwatt.planning.curves import falling_latency
from kwatt.status.conditions import Verdict, settled
from kwatt.status.drift import measured_points, profile_drift
from kwatt.status.measuring import energy_part, measured_part

_SHOWN = 16
_TEXT_LIMIT = 1024


def describe_class(  # noqa: PLR0913  (one value per fact; they come from four places)
    name: str,
    missing: tuple[str, ...],
    problem: str | None,
    snapshot: Snapshot,
    *,
    previous: NPUClassStatus | None,
    generation: int,
    now: datetime,
    measured: Measured | None = None,
    measuring: bool = False,
) -> NPUClassStatus:
    """Return the whole status; `problem` says why the spec can't be read.

    `measured` is None where none of its NPUs was ever read; until `measuring`, nobody has looked yet.
    """
    before = previous or NPUClassStatus()
    nodes = [node for node in snapshot.nodes if node.npu_class == name]
    conflicts = tuple(
        f"{node.name}: {', '.join(node.conflict)}"[:_TEXT_LIMIT]
        for node in snapshot.nodes
        if name in node.conflict
    )
    verdicts = (_readable(problem), _schedulable(missing, problem), _conflict(conflicts))
    return NPUClassStatus(
        observed_generation=generation,
        conditions=settled(before.conditions, verdicts, generation, now),
        missing_fields=missing[:_SHOWN],
        nodes=len(nodes),
        npus=sum(node.npus_capacity for node in nodes),
        conflicts=conflicts[:_SHOWN],
        measured=_fresh(measured) if measuring else before.measured,
        energy=energy_part(measured.counted if measured else None, before.energy),
    )


def _fresh(measured: Measured | None) -> api.Measured | None:
    return measured_part(measured, None) if measured and measured.power is not None else None


def _readable(problem: str | None) -> Verdict:
    if problem:
        return Verdict("Accepted", False, "InvalidSpec", problem)
    return Verdict("Accepted", True, "Valid", "the spec can be read")


def _schedulable(missing: tuple[str, ...], problem: str | None) -> Verdict:
    if problem:
        return Verdict("Schedulable", False, "InvalidSpec", problem)
    if missing:
        why = f"fill in {', '.join(missing)}: no public figure was found, see spec.note and spec.source"
        return Verdict("Schedulable", False, "MissingFields", why)
    return Verdict("Schedulable", True, "Complete", "nodes, resource, memory and watts are known")


def _conflict(conflicts: tuple[str, ...]) -> Verdict:
    if not conflicts:
        return Verdict("Conflict", False, "NoConflict", "no other class matches its nodes")
    why = (
        f"{len(conflicts)} nodes match more than one class and are used for neither "
        f"({conflicts[0]}); narrow spec.nodeSelector of one of them"
    )
    return Verdict("Conflict", True, "NodesMatchedTwice", why)


def describe_profile(  # noqa: PLR0913  (one value per fact; they come from four places)
    profile: Profile | None,
    problem: str | None,
    snapshot: Snapshot,
    previous: ModelProfileStatus | None,
    generation: int,
    now: datetime,
    *,
    drifts: Mapping[PointKey, Drift],
) -> ModelProfileStatus:
    """Return the whole status; points of classes that do not exist are counted as not usable.

    `drifts` are the points of which something was measured.

    A p99 that falls with load is doubtful: the points are used as they are, and the condition says so.
    """
    before = previous or ModelProfileStatus()
    points = profile.points if profile else ()
    unknown = sorted({p.npu_class for p in points if p.npu_class not in snapshot.classes})
    return ModelProfileStatus(
        observed_generation=generation,
        conditions=settled(
            before.conditions,
            (_accepted(problem, unknown, profile), *profile_drift(drifts)),
            generation,
            now,
        ),
        points=len(points),
        points_usable=sum(p.npu_class in snapshot.classes for p in points),
        measured=measured_points(drifts),
    )


def _accepted(problem: str | None, unknown: list[str], profile: Profile | None) -> Verdict:
    if problem:
        return Verdict("Accepted", False, "InvalidSpec", problem)
    falls = falling_latency(profile) if profile else ""
    if unknown:
        names = ", ".join(unknown)
        why = f"points on {names} are not used: no such NPUClass, or it is not schedulable"
        return Verdict("Accepted", True, "PartlyUsable", f"{why}; {falls}" if falls else why)
    if falls:
        return Verdict("Accepted", True, "LatencyFallsWithLoad", falls)
    return Verdict("Accepted", True, "Valid", "every point can be used")
