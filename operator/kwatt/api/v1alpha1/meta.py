"""Parts that several kinds share: metadata, selectors, tolerations, conditions."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from kwatt.api.v1alpha1.fields import Keyed, Part, Rule, Timestamp, ruled


class ObjectMeta(Part):
    """The metadata that KWatt reads."""

    name: str
    namespace: str = ""
    uid: str = ""
    generation: int = 0
    resource_version: str = ""


class SelectorOperator(StrEnum):
    """How a key relates to the values."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


_VALUES = Rule(
    "self.operator in ['In', 'NotIn'] ? has(self.values) && size(self.values) > 0 "
    ": !has(self.values) || size(self.values) == 0",
    "In and NotIn need values, Exists and DoesNotExist must have none; "
    "add values or change the operator",
)


class LabelExpression(Part):
    """One requirement on a node's labels."""

    model_config = ruled(_VALUES)

    key: Annotated[str, Field(min_length=1, max_length=317, description="Label key.")]
    operator: SelectorOperator = Field(
        description="In or NotIn the values; Exists or DoesNotExist as a key."
    )
    values: tuple[Annotated[str, Field(max_length=63)], ...] = Field(
        default=(), max_length=64, description="Label values, for In and NotIn only."
    )

    @model_validator(mode="after")
    def _has_values_where_needed(self) -> Self:
        wanted = self.operator in (SelectorOperator.IN, SelectorOperator.NOT_IN)
        _VALUES.require(bool(self.values) == wanted)
        return self


_SELECTS = Rule(
    "(has(self.matchLabels) && size(self.matchLabels) > 0) || "
    "(has(self.matchExpressions) && size(self.matchExpressions) > 0)",
    "an empty selector would match every node; give matchLabels or matchExpressions, "
    "for all nodes write {key: kubernetes.io/hostname, operator: Exists}",
)


class NodeSelector(Part):
    """Which nodes, by their labels; all requirements must hold."""

    model_config = ruled(_SELECTS)

    match_labels: dict[str, Annotated[str, Field(max_length=63)]] = Field(
        default_factory=dict,
        max_length=32,
        description="Labels that the node must have with exactly these values.",
    )
    match_expressions: tuple[LabelExpression, ...] = Field(
        default=(), max_length=32, description="Requirements on labels beyond equality."
    )

    @model_validator(mode="after")
    def _selects_something(self) -> Self:
        _SELECTS.require(bool(self.match_labels or self.match_expressions))
        return self


class TolerationOperator(StrEnum):
    """How a toleration compares."""

    EXISTS = "Exists"
    EQUAL = "Equal"


class TaintEffect(StrEnum):
    """What a taint does."""

    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"


class PodToleration(Part):
    """A toleration as in a pod."""

    key: Annotated[str, Field(max_length=317)] = Field(
        default="", description="Taint key; empty with Exists tolerates every taint."
    )
    operator: TolerationOperator = Field(
        default=TolerationOperator.EQUAL, description="Exists ignores the value, Equal compares it."
    )
    value: Annotated[str, Field(max_length=63)] = Field(default="", description="Taint value.")
    effect: TaintEffect | None = Field(default=None, description="Taint effect; all when absent.")
    toleration_seconds: int | None = Field(
        default=None, description="Seconds for which a NoExecute taint is tolerated."
    )


class ConditionStatus(StrEnum):
    """Whether a condition holds."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(Part):
    """One aspect of the object's state, in the shape of metav1.Condition."""

    type: Annotated[str, Field(min_length=1, max_length=63, description="Name of the condition.")]
    status: ConditionStatus = Field(description="True, False or Unknown.")
    reason: Annotated[str, Field(min_length=1, max_length=63)] = Field(
        description="One PascalCase word from a closed set: why."
    )
    message: Annotated[str, Field(max_length=32768)] = Field(
        description="A sentence with the figures that decided."
    )
    last_transition_time: Timestamp = Field(description="When the status last changed.")
    observed_generation: int | None = Field(
        default=None, ge=0, description="metadata.generation that the condition speaks about."
    )


Conditions = Annotated[
    tuple[Condition, ...],
    Field(
        max_length=16,
        description="What holds and why, one entry per type.",
    ),
    Keyed(("type",)),
]
ObservedGeneration = Annotated[
    int | None, Field(ge=0, description="metadata.generation that this status speaks about.")
]
