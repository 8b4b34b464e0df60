"""Classes and profiles of the snapshot: the schedulable ones, and of each profile the usable points."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, replace

from kwatt.model.measurements import PointKey
from kwatt.model.npu import NpuClass, OperatingPoint, Profile, Unusable
from kwatt.observation.values import Invalid, Notice, NoticeReason, ParsedClass, ParsedProfile
from kwatt.planning.curves import falling_latency
from kwatt.units import Power


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Schedulable classes, and profiles with points on those only.

    `known` are all classes that can be read, `existing` the names of those that can't as well; `measured` are
    the classes by profile whether they exist or not.
    """

    classes: dict[str, NpuClass]
    profiles: dict[str, Profile]
    known: dict[str, ParsedClass]
    existing: frozenset[str]
    measured: dict[str, frozenset[str]]
    notices: tuple[Notice, ...]

    def owner_of(self, resource: str) -> str | None:
        """Return the first class that is asked for by `resource`, None if it is no NPU resource."""
        return next((name for name, one in self.known.items() if resource in one.resources), None)


def resolve_catalogue(
    classes: Iterable[ParsedClass],
    profiles: Iterable[ParsedProfile],
    measured: Mapping[PointKey, Power],
    invalid: Iterable[Invalid] = (),
) -> Catalogue:
    """Leave out what can't be scheduled, with a notice for each.

    `invalid` are objects that can't be read, classes among them. `measured` are watts of one replica by
    point, planned with where they are more than declared.
    """
    known = {one.name: one for one in sorted(classes, key=lambda one: one.name)}
    ordered = sorted(profiles, key=lambda one: one.name)
    schedulable = {name: one.npu_class for name, one in known.items() if one.npu_class}
    unusable = {
        one.name: f"can't be used: {one.field} {one.message}"
        for one in invalid
        if one.kind == "NPUClass"
    }
    existing = known.keys() | unusable.keys()
    unusable |= {one.name: _until_filled_in(one) for one in known.values() if one.missing}
    notices = [_not_schedulable(one) for one in known.values() if one.missing]
    notices += [notice for one in ordered for notice in _unknown_classes(one.profile, existing)]
    notices += [notice for one in ordered for notice in _falling_latencies(one.profile)]
    return Catalogue(
        classes=schedulable,
        profiles={
            one.name: _corrected(_usable(one.profile, schedulable, unusable), measured)
            for one in ordered
        },
        known=known,
        existing=frozenset(existing),
        measured={one.name: _measured_on(one.profile) for one in ordered},
        notices=tuple(notices),
    )


def _usable(
    profile: Profile, schedulable: dict[str, NpuClass], unusable: Mapping[str, str]
) -> Profile:
    points = tuple(point for point in profile.points if point.npu_class in schedulable)
    if len(points) == len(profile.points):
        return profile
    names = sorted(_measured_on(profile) - schedulable.keys())
    left_out = tuple(Unusable(name, unusable.get(name, "does not exist")) for name in names)
    return replace(profile, points=points, unusable=left_out)


def _corrected(profile: Profile, measured: Mapping[PointKey, Power]) -> Profile:
    points = tuple(_with_measured(profile.name, point, measured) for point in profile.points)
    return profile if points == profile.points else replace(profile, points=points)


def _with_measured(
    profile: str, point: OperatingPoint, measured: Mapping[PointKey, Power]
) -> OperatingPoint:
    key = PointKey(profile, point.npu_class, point.npus, point.name)
    power = measured.get(key, point.power)
    return replace(point, power=power) if power > point.power else point


def _measured_on(profile: Profile) -> frozenset[str]:
    return frozenset(point.npu_class for point in profile.points)


def _not_schedulable(one: ParsedClass) -> Notice:
    message = f"NPUClass {one.name} {_until_filled_in(one)}"
    return Notice("NPUClass", "", one.name, NoticeReason.CLASS_NOT_SCHEDULABLE, message)


def _until_filled_in(one: ParsedClass) -> str:
    verb = "is" if len(one.missing) == 1 else "are"
    return f"is not schedulable until {', '.join(one.missing)} {verb} filled in"


def _unknown_classes(profile: Profile, existing: Set[str]) -> list[Notice]:
    unknown = sorted(_measured_on(profile) - existing)
    return [
        Notice(
            "ModelProfile",
            "",
            profile.name,
            NoticeReason.UNKNOWN_CLASS,
            f"ModelProfile {profile.name} has points for NPUClass {name}, which does not exist",
        )
        for name in unknown
    ]


def _falling_latencies(profile: Profile) -> list[Notice]:
    falls = falling_latency(profile)
    message = f"ModelProfile {profile.name}: {falls}"
    notice = Notice("ModelProfile", "", profile.name, NoticeReason.LATENCY_FALLS, message)
    return [notice] if falls else []
