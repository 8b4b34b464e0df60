"""ModelProfile: measured operating points of a model, and the device to compare with."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from kwatt.api.v1alpha1.fields import (
    ATOMIC,
    MARKER,
    Bytes,
    Decimal,
    Joules,
    Keyed,
    Label,
    Milliseconds,
    Part,
    Pattern,
    PositiveWatts,
    Rate,
    Rule,
)
from kwatt.api.v1alpha1.meta import Conditions, ObjectMeta, ObservedGeneration
from kwatt.model.feedback import Confidence, DriftDirection
from kwatt.model.npu import Basis, Scope
from kwatt.units import Throughput

Source = Annotated[str, Field(min_length=1, max_length=1024)]

_RATES = Rule(
    "self.all(p, self.all(q, p.operatingPoint == q.operatingPoint || p.npuClass != q.npuClass "
    "|| p.npus != q.npus || has(p.env) != has(q.env) || (has(p.env) && p.env != q.env) "
    "|| !isQuantity(string(p.perSecond)) || !isQuantity(string(q.perSecond)) "
    "|| quantity(string(p.perSecond)).compareTo(quantity(string(q.perSecond))) != 0))",
    "two points of one curve (same npuClass, npus and env) have the same perSecond; "
    "keep the one that was measured better",
)


Unit = Annotated[
    str,
    Field(max_length=32),
    Pattern("[a-z][-a-z]*", "must be a plural word in lower case, such as images or tokens"),
]
Points = Annotated[tuple["Point", ...], Keyed(("npuClass", "npus", "operatingPoint"))]


class Point(Part):
    """One measured operating point: what a replica does and draws over all its NPUs. Never extrapolated."""

    npu_class: Label = Field(description="NPUClass on which it was measured.")
    npus: Annotated[int, Field(ge=1, le=64)] = Field(description="NPUs that one replica holds.")
    operating_point: Label = Field(
        description="Name of the point, such as batch-8 or concurrency-16."
    )
    per_second: Rate = Field(description="Units (of spec.unit) per second that one replica does.")
    watts: PositiveWatts = Field(description="Watts of all NPUs of the replica at that rate.")
    p99_milliseconds: Milliseconds | None = Field(
        default=None,
        description="Latency in milliseconds that 99 % of the requests keep; "
        "a point without it meets no limit.",
    )
    scope: Scope = Field(description="What the watts cover: Device, Node or Wall.")
    basis: Basis = Field(description="Where the figures come from: Measured, Vendor or Assumption.")
    source: Source = Field(description="Document, commit and conditions of the measurement.")
    env: dict[str, Annotated[str, Field(max_length=256)]] = Field(
        default_factory=dict,
        max_length=16,
        description="Environment variables that put the server into this state; without them the "
        "point is only a level of load.",
    )


class ProfileBaseline(Part):
    """The same model on the device to compare with."""

    device: Label = Field(description="Name of the device, usually a GPU.")
    per_second: Rate = Field(description="Units (of spec.unit) per second that it does.")
    watts: PositiveWatts = Field(description="Watts that it draws at that rate.")
    scope: Scope = Field(description="What the watts cover; compared only with the same scope.")
    basis: Basis = Field(description="Where the figures come from: Measured, Vendor or Assumption.")
    source: Source = Field(description="Document, commit and conditions of the measurement.")


class ReplicaStart(Part):
    """What the start of one replica costs, from the pod's start until it is ready."""

    joules: Joules = Field(description="Joules that its NPUs draw while one replica starts.")
    basis: Basis = Field(description="Where the figure comes from: Measured, Vendor or Assumption.")
    source: Source = Field(description="Document, commit and conditions of the measurement.")


class ModelProfileSpec(Part):
    """What was measured of one model."""

    unit: Unit = Field(description="What is counted: images, tokens, samples or requests.")
    memory: Bytes = Field(description="Bytes that one replica needs over all its NPUs, as in 2Gi.")
    points: Points = Field(
        min_length=1,
        max_length=128,
        description="Measured operating points; the key of one is (npuClass, npus, operatingPoint).",
        json_schema_extra={MARKER: [_RATES.marker()]},
    )
    baseline: ProfileBaseline | None = Field(
        default=None, description="What to compare inferences per joule with."
    )
    start: ReplicaStart | None = Field(
        default=None,
        description="What a start costs; a move must save more. Without it: 60 seconds at the "
        "replica's reserved watts, an assumption.",
    )

    @model_validator(mode="after")
    def _rates_differ(self) -> Self:
        _RATES.require(len({_curve_and_rate(point) for point in self.points}) == len(self.points))
        return self


def _curve_and_rate(point: Point) -> tuple[object, ...]:
    env = tuple(sorted(point.env.items()))
    return point.npu_class, point.npus, env, Throughput.parse(point.per_second)


class MeasuredPoint(Part):
    """What was measured at one operating point, against what is declared."""

    npu_class: Label = Field(description="NPUClass.")
    npus: Annotated[int, Field(ge=1)] = Field(description="NPUs per replica.")
    operating_point: Label = Field(description="Operating point.")
    ratio: Decimal = Field(description="Measured watts over declared watts, at the rates served.")
    declared_watts: Decimal = Field(description="Watts of one replica in the spec.")
    measured_watts: Decimal = Field(description="Declared watts times the ratio.")
    planned_watts: Decimal = Field(description="Watts of one replica that are planned with.")
    hours: Decimal = Field(description="Hours for which replicas were observed, of the last day.")
    confidence: Confidence = Field(
        description="High: enough was measured to plan with it; Low: it is shown only."
    )
    drift: DriftDirection = Field(
        description="Whether it draws More or Less than declared, or AsDeclared."
    )


class ModelProfileStatus(Part):
    """What the operator makes of the profile."""

    observed_generation: ObservedGeneration = None
    conditions: Conditions = ()
    points: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="Number of points in the spec."
    )
    points_usable: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="Number of points whose NPUClass exists and is schedulable."
    )
    measured: tuple[MeasuredPoint, ...] | None = Field(
        default=None,
        max_length=128,
        description="What was measured at the operating points in use, against what is declared.",
        json_schema_extra=ATOMIC,
    )


class ModelProfile(Part):
    """Measured operating points of a model on NPU classes: units per second, watts and latency."""

    api_version: Literal["kwatt.dev/v1alpha1"]
    kind: Literal["ModelProfile"]
    metadata: ObjectMeta
    spec: ModelProfileSpec = Field(description="What was measured, with sources.")
    status: ModelProfileStatus | None = Field(
        default=None, description="What the operator found; written by the operator only."
    )
