"""Measured points of ModelProfile manifests, as curves. Reads parsed YAML, no files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from fakenpu.curves import Curve, Point
from fakenpu.quantities import BadInput, micro_units, milliwatts


class Setting(NamedTuple):
    """What a replica is: class, NPUs and the env that its operating point sets, sorted by name."""

    npu_class: str
    npus: int
    env: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Profile:
    """A model's unit and its curves."""

    name: str
    unit: str
    curves: Mapping[Setting, Curve]

    def curve_of(self, npu_class: str, npus: int, env: Mapping[str, str]) -> Curve | None:
        """Return the curve of a replica, None where none was measured.

        `env` is that of its containers; of the settings that it contains, the most particular one counts.
        """
        fitting = [
            setting
            for setting in self.curves
            if setting[:2] == (npu_class, npus) and set(setting.env) <= set(env.items())
        ]
        if not fitting:
            return None
        return self.curves[max(fitting, key=lambda setting: (len(setting.env), setting.env))]


def profile_of(body: Mapping[str, Any]) -> Profile:
    """Return the profile that a ModelProfile manifest declares; raise BadInput naming what is wrong."""
    try:
        return _profile(body)
    except (KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"ModelProfile {_name(body)}: not readable: {error!r}") from error


def profiles_of(bodies: Iterable[Mapping[str, Any]]) -> dict[str, Profile]:
    """Return the profiles among parsed manifests by name; other kinds are passed over."""
    profiles = [profile_of(body) for body in bodies if body.get("kind") == "ModelProfile"]
    return {profile.name: profile for profile in profiles}


def _profile(body: Mapping[str, Any]) -> Profile:
    name, spec = _name(body), body["spec"]
    points: dict[Setting, list[Point]] = {}
    for number, row in enumerate(spec["points"]):
        points.setdefault(_setting(row), []).append(_point(row, f"{name}.points[{number}]"))
    curves = {setting: Curve.through(rows) for setting, rows in points.items()}
    return Profile(name, str(spec["unit"]), curves)


def _setting(row: Mapping[str, Any]) -> Setting:
    env = tuple(sorted((str(key), str(value)) for key, value in (row.get("env") or {}).items()))
    return Setting(str(row["npuClass"]), int(row["npus"]), env)


def _point(row: Mapping[str, Any], field: str) -> Point:
    p99 = row.get("p99Milliseconds")
    return Point(
        rate=micro_units(row["perSecond"], f"{field}.perSecond"),
        milliwatts=milliwatts(row["watts"], f"{field}.watts"),
        p99_microseconds=None if p99 is None else milliwatts(p99, f"{field}.p99Milliseconds"),
    )


def _name(body: Mapping[str, Any]) -> str:
    return str((body.get("metadata") or {}).get("name", "?"))
