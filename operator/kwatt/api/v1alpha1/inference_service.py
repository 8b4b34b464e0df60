"""InferenceService: a model, the rate that it must sustain, its limits and its pods."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import Field, WithJsonSchema, model_validator

from kwatt.api.v1alpha1.counters import Counters
from kwatt.api.v1alpha1.fields import (
    ATOMIC,
    Decimal,
    Keyed,
    Label,
    Milliseconds,
    Name,
    Part,
    PositiveWatts,
    Rule,
    Text,
    ruled,
)
from kwatt.api.v1alpha1.measuring import Comparison, EnergyUsed, Measured
from kwatt.api.v1alpha1.meta import Conditions, ObjectMeta, ObservedGeneration
from kwatt.api.v1alpha1.route import Route
from kwatt.api.v1alpha1.throughput import FollowedDemand, RequiredThroughput
from kwatt.model.npu import Basis, Scope

_NAME_PATTERN = "[a-z]([-a-z0-9]{0,38}[a-z0-9])?"
_NAME = Rule(
    f"self.metadata.name.matches('^{_NAME_PATTERN}$')",
    "metadata.name of an InferenceService becomes the name of a Service: use at most 40 lower-case "
    "letters, digits and '-', starting with a letter",
)
_BOUNDS = Rule(
    "!has(self.max) || self.min <= self.max",
    "replicas.min is above replicas.max; lower min or raise max",
)

PodTemplate = Annotated[
    dict[str, Any],
    WithJsonSchema({"type": "object", "x-kubernetes-preserve-unknown-fields": True}),
]
AllowedClasses = Annotated[tuple[Label, ...], Field(min_length=1, max_length=64), Keyed()]
Count = Annotated[int, Field(ge=0)]


class LatencyLimit(Part):
    """The latency that must be kept."""

    p99_milliseconds: Milliseconds = Field(
        description="Milliseconds that 99 % of the requests must keep."
    )


class PowerLimit(Part):
    """The power that the service may draw."""

    watts: PositiveWatts = Field(description="Watts reserved for all replicas together, at most.")


class ReplicaBounds(Part):
    """How few and how many replicas the planner may choose."""

    model_config = ruled(_BOUNDS)

    min: Annotated[int, Field(ge=1, le=10000)] = Field(default=1, description="Least replicas.")
    max: Annotated[int, Field(ge=1, le=10000)] | None = Field(
        default=None, description="Most replicas; no limit when absent."
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        _BOUNDS.require(self.max is None or self.min <= self.max)
        return self


class ClassVariant(Part):
    """What differs in the pods on one NPU class."""

    npu_class: Label = Field(description="NPUClass on which this differs.")
    template: PodTemplate = Field(
        description="Part of a pod template, merged into spec.template; containers by name."
    )


class InferenceServiceSpec(Part):
    """What is served, how fast, within which limits, and by which pods."""

    model: Name = Field(description="Name of the ModelProfile.")
    throughput: RequiredThroughput = Field(description="The rate that must be sustained.")
    latency: LatencyLimit | None = Field(default=None, description="The latency to keep.")
    power: PowerLimit | None = Field(default=None, description="The power that it may draw.")
    npu_classes: AllowedClasses | None = Field(
        default=None,
        description="NPU classes that may be used; every class in the profile when absent.",
    )
    replicas: ReplicaBounds = Field(
        default=ReplicaBounds(), description="How few and how many replicas."
    )
    priority_class_name: Name | None = Field(
        default=None, description="PriorityClass; services of higher priority are admitted first."
    )
    template: PodTemplate = Field(
        description="Pod template, preserved as written; KWatt adds NPUs, watts, gate and labels."
    )
    variants: Annotated[tuple[ClassVariant, ...], Keyed(("npuClass",))] = Field(
        default=(),
        max_length=32,
        description="What differs on one NPU class, such as image, arguments or environment.",
    )
    route: Route | None = Field(
        default=None,
        description="Gateway that splits requests by weights; only with it may variants be mixed.",
    )
    counters: Counters | None = Field(
        default=None,
        description="How the pods count what they serve; without it throughput is not measured.",
    )


class PlacedOn(Part):
    """The replicas on one NPU class."""

    npu_class: Label = Field(description="NPUClass.")
    npus: Annotated[int, Field(ge=1)] = Field(description="NPUs per replica.")
    operating_point: Label = Field(description="Operating point of every replica.")
    replicas: Count = Field(description="Replicas planned.")
    ready_replicas: Count = Field(description="Replicas that are ready.")
    per_second: Decimal = Field(description="Units per second of all of them.")
    watts: Decimal = Field(description="Planned watts of all of them.")
    basis: Basis | None = Field(
        default=None, description="The weakest basis of the figures: Measured, Vendor, Assumption."
    )


class Planned(Part):
    """What the plan gives the service."""

    per_second: Decimal = Field(description="Units per second that the replicas sustain.")
    watts: Decimal = Field(description="Watts at that rate.")
    reserved_watts: Decimal = Field(description="The most watts that the replicas can draw.")
    units_per_joule: Decimal | None = Field(
        default=None, description="Units per joule: the rate over the watts."
    )
    scope: Scope | None = Field(
        default=None, description="What the watts cover: Device, Node or Wall."
    )
    basis: Basis | None = Field(
        default=None, description="The weakest basis of the figures: Measured, Vendor, Assumption."
    )


class ClassRejection(Part):
    """Why one NPU class does not take the whole service."""

    npu_class: Label | None = Field(
        default=None, description="NPUClass; absent when no class is measured and allowed."
    )
    reason: Label = Field(description="One word from a closed set.")
    message: Text = Field(description="A sentence with the figures that decided.")


class Shortfall(Part):
    """What is not served and why."""

    shortfall_per_second: Decimal = Field(description="Units per second that are not served.")
    rejections: tuple[ClassRejection, ...] = Field(
        default=(),
        max_length=64,
        description="One reason per NPU class that was considered.",
        json_schema_extra=ATOMIC,
    )
    nearest: tuple[Text, ...] = Field(
        default=(),
        max_length=8,
        description="The nearest changes that would let the service in.",
        json_schema_extra=ATOMIC,
    )


class ServiceSummary(Part):
    """What `kubectl get` prints, ready to read."""

    npu_class: Text | None = Field(default=None, alias="class", description="NPU classes in use.")
    replicas: Label | None = Field(default=None, description="Ready and planned replicas, as 3/4.")
    rate: Label | None = Field(
        default=None, description="Units per second sustained and required, as 1200/1200."
    )
    watts: Label | None = Field(default=None, description="Planned watts.")
    per_joule: Label | None = Field(default=None, description="Units per joule as planned.")
    reason: Label | None = Field(
        default=None, description="Why it is not ready; absent when it is."
    )


class InferenceServiceStatus(Part):
    """Where the service runs, what it does and draws."""

    observed_generation: ObservedGeneration = None
    conditions: Conditions = ()
    summary: ServiceSummary | None = Field(default=None, description="What `kubectl get` prints.")
    unit: Label | None = Field(default=None, description="What is counted, from the profile.")
    placements: tuple[PlacedOn, ...] = Field(
        default=(),
        max_length=64,
        description="Replicas by NPU class.",
        json_schema_extra=ATOMIC,
    )
    planned: Planned | None = Field(default=None, description="What the plan gives the service.")
    unplaced: Shortfall | None = Field(
        default=None, description="What is not served and why; absent when all is."
    )
    demand: FollowedDemand | None = Field(
        default=None,
        description="The rate that follows the demand; absent until demand was measured.",
    )
    measured: Measured | None = Field(
        default=None, description="What was measured lately; absent until measured, never 0."
    )
    energy: EnergyUsed | None = Field(default=None, description="Energy used, in joules.")
    compared_with: Comparison | None = Field(
        default=None, description="Energy against the profile's baseline."
    )


class InferenceService(Part):
    """A model, the rate that it must sustain, its latency and watt limits, and its pod template."""

    model_config = ruled(_NAME)

    api_version: Literal["kwatt.dev/v1alpha1"]
    kind: Literal["InferenceService"]
    metadata: ObjectMeta
    spec: InferenceServiceSpec = Field(description="What the service team asks for.")
    status: InferenceServiceStatus | None = Field(
        default=None, description="What became of it; written by the operator only."
    )

    @model_validator(mode="after")
    def _named(self) -> Self:
        _NAME.require(re.fullmatch(_NAME_PATTERN, self.metadata.name) is not None)
        return self
