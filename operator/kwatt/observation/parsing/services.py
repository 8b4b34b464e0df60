"""InferenceServices."""

from __future__ import annotations

import re
from collections.abc import Mapping

from kwatt.api.merging import merged
from kwatt.api.ports import routed_port
from kwatt.api.v1alpha1.inference_service import InferenceServiceSpec
from kwatt.api.v1alpha1.throughput import RequiredThroughput
from kwatt.errors import InvalidInput
from kwatt.model.feedback import DemandRange
from kwatt.model.snapshot import PodShape
from kwatt.observation.parsing.counters import counters_of
from kwatt.observation.parsing.demands import grace_of
from kwatt.observation.parsing.reading import (
    Body,
    Identity,
    read_identity,
    read_integer,
    read_mapping,
)
from kwatt.observation.parsing.remembered import remembered_demand
from kwatt.observation.parsing.templates import (
    asked_resources,
    checked_shape,
    refuse_large,
)
from kwatt.observation.parsing.validation import validated
from kwatt.observation.values import ParsedService
from kwatt.units import Power, Throughput, parse_scaled

HEADROOM_PERCENT = 20  # assumed, where a service that follows its demand names none
_NAME = re.compile(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?")


def parse_inference_service(body: Body) -> ParsedService:
    """Parse an InferenceService. Raises InvalidInput."""
    identity = read_identity(body, "InferenceService", namespaced=True)
    if not _NAME.fullmatch(identity.name):
        raise InvalidInput(
            "metadata.name",
            "becomes the name of a Service: use at most 40 lower-case letters, digits and '-', "
            "starting with a letter",
        )
    spec = validated(InferenceServiceSpec, body)
    shapes, asked = _templates(spec)
    _check_route(spec)
    return _parsed(identity, body, spec, shapes, asked)


def _parsed(
    identity: Identity,
    body: Body,
    spec: InferenceServiceSpec,
    shapes: Mapping[str, PodShape],
    asked: Mapping[str, str],
) -> ParsedService:
    metadata = read_mapping(body, "metadata")
    return ParsedService(
        uid=identity.uid,
        namespace=identity.namespace,
        name=identity.name,
        generation=read_integer(metadata, "generation", "metadata."),
        model=spec.model,
        target=_most(spec.throughput),
        latency_micros=_micros(spec),
        power_limit=Power.parse(spec.power.watts, "spec.power.watts") if spec.power else None,
        allowed=tuple(sorted(set(spec.npu_classes))) if spec.npu_classes else None,
        routed=spec.route is not None,
        min_replicas=spec.replicas.min,
        max_replicas=spec.replicas.max,
        priority_class=spec.priority_class_name,
        shape=shapes[""],
        shapes={name: shapes[name] for name in sorted(shapes) if name},
        asked=asked,
        grace_seconds=_longest_grace(spec),
        deleting=metadata.get("deletionTimestamp") is not None,
        demand_range=_demand_range(spec.throughput),
        counters=counters_of(spec.counters),
        demanded=remembered_demand(body),
    )


def _most(wanted: RequiredThroughput) -> Throughput:
    """Return the fixed rate, or the most that a rate which follows the demand may be."""
    if wanted.per_second is None:
        return Throughput.parse(wanted.max, "spec.throughput.max")
    return Throughput.parse(wanted.per_second, "spec.throughput.perSecond")


def _demand_range(wanted: RequiredThroughput) -> DemandRange | None:
    if wanted.per_second is not None:
        return None
    percent = wanted.headroom_percent
    return DemandRange(
        least=Throughput.parse(wanted.min, "spec.throughput.min"),
        most=Throughput.parse(wanted.max, "spec.throughput.max"),
        headroom_percent=HEADROOM_PERCENT if percent is None else percent,
    )


def _longest_grace(spec: InferenceServiceSpec) -> int:
    """Return the longest grace period of the template and of the variants that have one of their own."""
    path = "spec.template.spec."
    longest = grace_of(read_mapping(spec.template, "spec", "spec.template."), path)
    for index, variant in enumerate(spec.variants):
        path = f"spec.variants[{index}].template."
        pods = read_mapping(variant.template, "spec", path)
        if "terminationGracePeriodSeconds" in pods:
            longest = max(longest, grace_of(pods, f"{path}spec."))
    return longest


def _micros(spec: InferenceServiceSpec) -> int | None:
    if spec.latency is None:
        return None
    field = "spec.latency.p99Milliseconds"
    return parse_scaled(spec.latency.p99_milliseconds, 1000, field)


def _templates(spec: InferenceServiceSpec) -> tuple[dict[str, PodShape], dict[str, str]]:
    """Check all templates; return the pod shape by NPU class ("" is every other class), and who asks what."""
    refuse_large(spec.template, "spec.template")
    shapes = {"": checked_shape(spec.template, "spec.template")}
    asked = asked_resources(spec.template, "spec.template")
    for index, variant in enumerate(spec.variants):
        path = f"spec.variants[{index}].template"
        refuse_large(variant.template, path)
        if variant.npu_class in shapes:
            raise InvalidInput(
                f"spec.variants[{index}].npuClass",
                f"{variant.npu_class} is there twice; keep one variant per NPU class",
            )
        template = _merged(spec.template, variant.template, path)
        shapes[variant.npu_class] = checked_shape(template, path)
        asked = asked_resources(template, path) | asked
    return shapes, asked


def _merged(base: Body, override: Body, path: str) -> Body:
    try:
        both: Body = merged(base, override)
    except RecursionError as error:
        raise InvalidInput(path, "is nested too deeply; make it flatter") from error
    return both


def _check_route(spec: InferenceServiceSpec) -> None:
    """Refuse a route that leads to no port of the pods. Raises InvalidInput."""
    if spec.route is None or routed_port(spec.template, spec.route.port) is not None:
        return
    if spec.route.port is None:
        raise InvalidInput(
            "spec.route", "needs a port to go to; add a containerPort with TCP to spec.template"
        )
    raise InvalidInput(
        "spec.route.port",
        f"is {spec.route.port}, which is no containerPort with TCP in spec.template; add it there "
        "or name another",
    )
