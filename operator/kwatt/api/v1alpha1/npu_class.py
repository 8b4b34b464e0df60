"""NPUClass: an NPU product, how its nodes are found, asked for, and what one NPU draws."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from kwatt.api.v1alpha1.fields import (
    ATOMIC,
    Bytes,
    Keyed,
    Label,
    Part,
    Pattern,
    PositiveWatts,
    Rule,
    Text,
    Watts,
    ruled,
)
from kwatt.api.v1alpha1.measuring import EnergyUsed, Measured
from kwatt.api.v1alpha1.meta import (
    Conditions,
    NodeSelector,
    ObjectMeta,
    ObservedGeneration,
    PodToleration,
)
from kwatt.api.v1alpha1.telemetry import ClassTelemetry
from kwatt.model.npu import Basis
from kwatt.units import parse_quantity

_NAME_PATTERN = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_NAME = Rule(
    f"self.metadata.name.matches('^{_NAME_PATTERN}$')",
    "metadata.name of an NPUClass becomes a label: use at most 63 lower-case letters, digits and '-'",
)
_IDLE_BELOW_MAX = Rule(
    "!has(self.idle) || !has(self.max) || !isQuantity(string(self.idle)) "
    "|| !isQuantity(string(self.max)) "
    "|| quantity(string(self.idle)).compareTo(quantity(string(self.max))) <= 0",
    "watts.idle is above watts.max; lower idle or raise max",
)

ResourceName = Annotated[
    str,
    Field(min_length=3, max_length=317),
    Pattern(
        r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?",
        "must be the extended resource that the vendor's device plugin advertises, "
        "such as rebellions.ai/ATOM",
        refused=("kwatt.dev/", "kubernetes.io/"),
    ),
]


class NpuWatts(Part):
    """What one NPU draws, in watts."""

    model_config = ruled(_IDLE_BELOW_MAX)

    idle: Watts | None = Field(default=None, description="Watts of one NPU that no pod uses.")
    max: PositiveWatts | None = Field(
        default=None,
        description="The most watts that one NPU can draw; foreign pods count at this.",
    )

    @model_validator(mode="after")
    def _idle_below_max(self) -> Self:
        if self.idle is not None and self.max is not None:
            _IDLE_BELOW_MAX.require(
                parse_quantity(self.idle, "idle") <= parse_quantity(self.max, "max")
            )
        return self


class NPUClassSpec(Part):
    """An NPU product. A class without resourceName, nodeSelector, memory or watts is not schedulable."""

    vendor: Label = Field(description="Who makes it.")
    product: Annotated[str, Field(min_length=1, max_length=128)] = Field(
        description="Product and model number."
    )
    stage: Annotated[int, Field(ge=1, le=3)] = Field(
        default=1,
        description="Stage of the K-Cloud programme: 1 NPU, 2 processing in DRAM, "
        "3 in non-volatile memory.",
    )
    node_selector: NodeSelector | None = Field(
        default=None, description="Nodes that carry this product, by the vendor's labels."
    )
    resource_name: ResourceName | None = Field(
        default=None, description="Extended resource that pods ask for; one unit is one NPU."
    )
    alternative_resource_names: Annotated[tuple[ResourceName, ...], Keyed()] = Field(
        default=(),
        max_length=8,
        description="Other names of the same resource; a node uses the first that it offers, "
        "resourceName before these.",
    )
    devices_per_card: Annotated[int, Field(ge=1, le=64)] = Field(
        default=1, description="How many NPUs (units of the resource) one card has."
    )
    tolerations: tuple[PodToleration, ...] = Field(
        default=(), max_length=16, description="Tolerations added to the pods of this class."
    )
    memory: Bytes | None = Field(
        default=None, description="Memory of one NPU in bytes, as in 16Gi."
    )
    watts: NpuWatts | None = Field(default=None, description="What one NPU draws, in watts.")
    telemetry: ClassTelemetry | None = Field(
        default=None, description="How the watts of its cards are read; without it nothing is."
    )
    basis: Basis = Field(
        default=Basis.ASSUMPTION,
        description="The weakest basis of the figures: Measured, Vendor or Assumption.",
    )
    source: Annotated[str, Field(min_length=1, max_length=2048)] = Field(
        description="Where each figure comes from."
    )
    note: Annotated[str, Field(max_length=2048)] = Field(
        default="",
        description="What an administrator should know, such as what is missing and why.",
    )


class NPUClassStatus(Part):
    """What the operator found out about the class."""

    observed_generation: ObservedGeneration = None
    conditions: Conditions = ()
    missing_fields: tuple[Label, ...] = Field(
        default=(),
        max_length=16,
        description="Fields of the spec to fill in before the class is schedulable.",
        json_schema_extra=ATOMIC,
    )
    nodes: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="Number of nodes that this class alone matches."
    )
    npus: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="Number of NPUs on those nodes, by capacity."
    )
    conflicts: tuple[Text, ...] = Field(
        default=(),
        max_length=16,
        description="Nodes (at most 16) that another class matches too; they are used for neither.",
        json_schema_extra=ATOMIC,
    )
    measured: Measured | None = Field(
        default=None, description="What all its NPUs drew lately; absent where that is not known."
    )
    energy: EnergyUsed | None = Field(
        default=None, description="Energy used by all its NPUs, held or idle, in joules."
    )


class NPUClass(Part):
    """An NPU product: how its nodes are found, how it is asked for, and what one NPU draws in watts."""

    model_config = ruled(_NAME)

    api_version: Literal["kwatt.dev/v1alpha1"]
    kind: Literal["NPUClass"]
    metadata: ObjectMeta
    spec: NPUClassSpec = Field(description="The product, as its administrator declares it.")
    status: NPUClassStatus | None = Field(
        default=None, description="What the operator found; written by the operator only."
    )

    @model_validator(mode="after")
    def _named(self) -> Self:
        _NAME.require(re.fullmatch(_NAME_PATTERN, self.metadata.name) is not None)
        return self
