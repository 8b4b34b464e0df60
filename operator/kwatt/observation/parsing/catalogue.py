"""The catalogue: NPUClasses and the ModelProfiles measured on them."""

from __future__ import annotations

import re

from kwatt.api.v1alpha1.meta import NodeSelector, PodToleration
from kwatt.api.v1alpha1.model_profile import ModelProfileSpec, Point, ProfileBaseline
from kwatt.api.v1alpha1.npu_class import NPUClassSpec, NpuWatts
from kwatt.errors import InvalidInput
from kwatt.model.npu import Baseline, NpuClass, OperatingPoint, Profile
from kwatt.model.selectors import LabelSelector, Requirement, Toleration
from kwatt.observation.parsing.reading import Body, read_identity, read_integer, read_mapping
from kwatt.observation.parsing.remembered import remembered_drifts
from kwatt.observation.parsing.telemetry import telemetry_of
from kwatt.observation.parsing.validation import validated
from kwatt.observation.values import ParsedClass, ParsedProfile
from kwatt.units import Energy, Power, Throughput, ceiling, parse_quantity, parse_scaled

_CLASS_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def parse_npu_class(body: Body) -> ParsedClass:
    """Parse an NPUClass. Raises InvalidInput. One with figures missing is valid, but not schedulable."""
    identity = read_identity(body, "NPUClass", namespaced=False)
    if not _CLASS_NAME.fullmatch(identity.name):
        raise InvalidInput(
            "metadata.name",
            "becomes a label: use at most 63 lower-case letters, digits and '-'",
        )
    spec = validated(NPUClassSpec, body)
    missing = _missing(spec)
    resources = (spec.resource_name, *spec.alternative_resource_names)
    npu_class = None if missing else _npu_class(identity.name, spec)
    return ParsedClass(
        uid=identity.uid,
        name=identity.name,
        resources=tuple(name for name in resources if name),
        npu_class=npu_class,
        missing=missing,
        generation=read_integer(read_mapping(body, "metadata"), "generation", "metadata."),
        telemetry=telemetry_of(spec, npu_class) if npu_class else None,
    )


def _missing(spec: NPUClassSpec) -> tuple[str, ...]:
    watts = spec.watts or NpuWatts()
    figures = {
        "spec.nodeSelector": spec.node_selector,
        "spec.resourceName": spec.resource_name,
        "spec.memory": spec.memory,
        "spec.watts.idle": watts.idle,
        "spec.watts.max": watts.max,
    }
    return tuple(field for field, value in figures.items() if value is None)


def _npu_class(name: str, spec: NPUClassSpec) -> NpuClass:
    watts = spec.watts or NpuWatts()
    resources = (spec.resource_name or "", *spec.alternative_resource_names)
    memory = parse_quantity(spec.memory, "spec.memory")
    return NpuClass(
        name=name,
        resources=tuple(dict.fromkeys(resources)),
        selector=selector_of(spec.node_selector),
        memory_bytes=memory.numerator // memory.denominator,
        idle=Power.parse(watts.idle, "spec.watts.idle"),
        max=Power.parse(watts.max, "spec.watts.max"),
        tolerations=tuple(_toleration(toleration) for toleration in spec.tolerations),
        basis=spec.basis,
    )


def selector_of(selector: NodeSelector | None) -> LabelSelector:
    """Translate a node selector into requirements, sorted."""
    if selector is None:
        return LabelSelector()
    labels = [Requirement(key, "In", (value,)) for key, value in selector.match_labels.items()]
    expressions = [
        Requirement(one.key, one.operator.value, tuple(one.values))
        for one in selector.match_expressions
    ]
    return LabelSelector(tuple(sorted(labels + expressions, key=_requirement_order)))


def _requirement_order(requirement: Requirement) -> tuple[str, str, tuple[str, ...]]:
    return requirement.key, requirement.operator, requirement.values


def _toleration(toleration: PodToleration) -> Toleration:
    effect = toleration.effect.value if toleration.effect else ""
    return Toleration(toleration.key, toleration.operator.value, toleration.value, effect)


def parse_model_profile(body: Body) -> ParsedProfile:
    """Parse a ModelProfile. Raises InvalidInput."""
    identity = read_identity(body, "ModelProfile", namespaced=False)
    spec = validated(ModelProfileSpec, body)
    points = (_point(point, f"spec.points[{index}].") for index, point in enumerate(spec.points))
    memory = parse_quantity(spec.memory, "spec.memory")
    profile = Profile(
        name=identity.name,
        unit=spec.unit,
        memory_bytes=ceiling(memory.numerator, memory.denominator),
        points=tuple(sorted(points, key=_point_order)),
        baseline=_baseline(spec.baseline) if spec.baseline else None,
        start_energy=Energy.parse(spec.start.joules, "spec.start.joules") if spec.start else None,
    )
    generation = read_integer(read_mapping(body, "metadata"), "generation", "metadata.")
    drifts = remembered_drifts(identity.name, body)
    return ParsedProfile(identity.uid, identity.name, profile, generation, drifts)


def _point_order(point: OperatingPoint) -> tuple[str, int, str]:
    return point.npu_class, point.npus, point.name


def _point(point: Point, path: str) -> OperatingPoint:
    p99 = point.p99_milliseconds
    return OperatingPoint(
        npu_class=point.npu_class,
        npus=point.npus,
        name=point.operating_point,
        rate=Throughput.parse(point.per_second, path + "perSecond"),
        power=Power.parse(point.watts, path + "watts"),
        p99_micros=None if p99 is None else parse_scaled(p99, 1000, path),
        env=tuple(sorted(point.env.items())),
        scope=point.scope,
        basis=point.basis,
        source=point.source,
    )


def _baseline(baseline: ProfileBaseline) -> Baseline:
    return Baseline(
        device=baseline.device,
        rate=Throughput.parse(baseline.per_second, "spec.baseline.perSecond"),
        power=Power.parse(baseline.watts, "spec.baseline.watts"),
        scope=baseline.scope,
        basis=baseline.basis,
    )
