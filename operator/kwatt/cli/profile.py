"""`kwatt profile suggest`: the ModelProfile as it would be with what was measured. Writes nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import yaml

from kwatt.cli.arguments import Parser, add_manifests, parse_now
from kwatt.cli.manifests import by_key, key_of, read_each
from kwatt.errors import InvalidInput
from kwatt.model.feedback import Confidence, Drift, DriftDirection
from kwatt.model.measurements import PointKey
from kwatt.observation.parsing.catalogue import parse_model_profile
from kwatt.observation.parsing.reading import Body
from kwatt.units import Power, plain

_SOURCE_LENGTH: Final = 1024
_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
ReadCluster = Callable[[str | None], Iterable[Body]]


def main(argv: Sequence[str], read_cluster: ReadCluster) -> int:
    """Run `kwatt profile` and return its exit status. Raises KWattError for unusable input."""
    arguments = build_parser().parse_args(argv)
    now = parse_now(arguments.now) if arguments.now else datetime.now(UTC)
    files: list[str] = arguments.filename
    bodies = _read(files) if files else read_cluster(arguments.context)
    profiles = by_key(
        (key, body) for body in bodies if (key := key_of(body)) and key[0] == "ModelProfile"
    )
    found = {name: body for (_, _, name), body in sorted(profiles.items())}
    wanted: str | None = arguments.name
    if wanted is not None and wanted not in found:
        there = ", ".join(list(found)[:8]) or "none at all"
        raise InvalidInput("NAME", f"there is no ModelProfile {wanted}; there is {there}")
    _print(found if wanted is None else {wanted: found[wanted]}, now, always=wanted is not None)
    return 0


def _read(files: Sequence[str]) -> Iterable[Body]:
    return read_each(files, sys.stdin, lambda body: body)


def _print(profiles: Mapping[str, Body], now: datetime, *, always: bool) -> None:
    """Print those that have a point to correct, or all; standard error says how many points."""
    corrected = {name: suggestion(body, now) for name, body in profiles.items()}
    for name, (_, points) in corrected.items():
        sys.stderr.write(f"kwatt profile: {name}: points corrected: {points}\n")
    shown = [body for body, points in corrected.values() if points or always]
    if shown:
        yaml.dump_all(shown, sys.stdout, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def suggestion(body: Body, now: datetime) -> tuple[dict[str, Any], int]:
    """Return the manifest with the watts that were measured, and how many points that changed.

    Only points of which enough was measured, and which differ from it, are changed. Raises InvalidInput.
    """
    parsed = parse_model_profile(body)
    spec: Any = body["spec"]
    points = [_corrected(point, parsed.name, parsed.drifts, now) for point in spec["points"]]
    changed = sum(new is not old for new, old in zip(points, spec["points"], strict=True))
    manifest = {
        "apiVersion": body.get("apiVersion", "kwatt.dev/v1alpha1"),
        "kind": "ModelProfile",
        "metadata": _metadata(body),
        "spec": {**spec, "points": points},
    }
    return manifest, changed


def _metadata(body: Body) -> dict[str, Any]:
    """Return what people wrote of the metadata."""
    written: Any = body["metadata"]
    kept = {key: dict(written[key]) for key in ("labels", "annotations") if written.get(key)}
    kept.get("annotations", {}).pop(_LAST_APPLIED, None)
    return {"name": written["name"], **{key: value for key, value in kept.items() if value}}


def _corrected(
    point: dict[str, Any], profile: str, drifts: Mapping[PointKey, Drift], now: datetime
) -> dict[str, Any]:
    key = PointKey(profile, point["npuClass"], point["npus"], point["operatingPoint"])
    drift = drifts.get(key)
    if drift is None or not _is_worth_it(drift, point):
        return point
    watts = plain(drift.measured.milliwatts, 1000)
    return {**point, "watts": watts, "basis": "Measured", "source": _source(point, drift, now)}


def _is_worth_it(drift: Drift, point: dict[str, Any]) -> bool:
    """Tell whether enough was measured of this very point, and something else than is declared."""
    is_of_point = Power.parse(point["watts"]) == drift.declared
    sure = drift.confidence is Confidence.HIGH
    return is_of_point and sure and drift.direction is not DriftDirection.NONE


def _source(point: dict[str, Any], drift: Drift, now: datetime) -> str:
    hours = plain(drift.seconds * 10 // 3600, 10)
    text = (
        f"Watts: the cards' exporters in this cluster, read by KWatt over {hours} hours of replicas "
        f"until {now:%Y-%m-%d}, {plain(drift.ratio, 1000)} times the {drift.declared} declared before. "
        f"Rate and latency: {point['source']}"
    )
    return text[:_SOURCE_LENGTH]


def build_parser() -> Parser:
    """Make the parser of `kwatt profile`."""
    parser = Parser(
        prog="kwatt profile",
        description="Print ModelProfiles with the watts that were measured in place of those declared, "
        "where enough was measured. Nothing is written; review it, then kubectl apply it.",
    )
    add = parser.add_argument
    add("verb", choices=["suggest"], help="print the corrected ModelProfile as YAML")
    add("name", nargs="?", metavar="NAME", help="one ModelProfile; all that differ when absent")
    add_manifests(
        parser,
        "manifests with their status, as kubectl get modelprofiles -o yaml prints them",
    )
    add("--now", metavar="TIME", help="date of the suggestion, RFC 3339 (default: now)")
    add("--context", metavar="NAME", help="kubeconfig context of the live cluster")
    return parser
