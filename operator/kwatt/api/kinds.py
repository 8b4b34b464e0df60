"""The four kinds: their models, names, and the columns of `kubectl get`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from kwatt.api.v1alpha1.fields import Part
from kwatt.api.v1alpha1.inference_service import InferenceService
from kwatt.api.v1alpha1.model_profile import ModelProfile
from kwatt.api.v1alpha1.npu_class import NPUClass
from kwatt.api.v1alpha1.power_budget import PowerBudget

AnyKind = InferenceService | NPUClass | ModelProfile | PowerBudget


@dataclass(frozen=True, slots=True)
class Column:
    """A column of `kubectl get`; `wide` ones show with `-o wide` only."""

    name: str
    path: str
    type: str = "string"
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of kwatt.dev."""

    model: type[Part]
    plural: str
    short: str
    namespaced: bool
    columns: tuple[Column, ...]

    @property
    def name(self) -> str:
        """The kind as written in a manifest."""
        return self.model.__name__


def condition(type_: str) -> str:
    """Return the JSONPath of the status of a condition."""
    return f'.status.conditions[?(@.type=="{type_}")].status'


AGE: Final = Column("Age", ".metadata.creationTimestamp", "date")

KINDS: Final = (
    Kind(
        InferenceService,
        "inferenceservices",
        "kis",
        True,
        (
            Column("Ready", condition("Ready")),
            Column("Class", ".status.summary.class"),
            Column("Replicas", ".status.summary.replicas"),
            Column("Rate", ".status.summary.rate"),
            Column("Watts", ".status.summary.watts"),
            Column("Per-Joule", ".status.summary.perJoule"),
            Column("Measured-Watts", ".status.measured.watts", wide=True),
            Column("Measured-Per-Joule", ".status.measured.unitsPerJoule", wide=True),
            Column("Joules", ".status.energy.joules", wide=True),
            Column("Reason", ".status.summary.reason", wide=True),
            AGE,
        ),
    ),
    Kind(
        NPUClass,
        "npuclasses",
        "npc",
        False,
        (
            Column("Vendor", ".spec.vendor"),
            Column("Product", ".spec.product"),
            Column("Resource", ".spec.resourceName"),
            Column("Idle", ".spec.watts.idle"),
            Column("Max", ".spec.watts.max"),
            Column("Nodes", ".status.nodes", "integer"),
            Column("Schedulable", condition("Schedulable")),
            Column("Basis", ".spec.basis", wide=True),
            AGE,
        ),
    ),
    Kind(
        ModelProfile,
        "modelprofiles",
        "mp",
        False,
        (
            Column("Unit", ".spec.unit"),
            Column("Points", ".status.points", "integer"),
            Column("Usable", ".status.pointsUsable", "integer"),
            Column("Accepted", condition("Accepted")),
            Column("Baseline", ".spec.baseline.device", wide=True),
            AGE,
        ),
    ),
    Kind(
        PowerBudget,
        "powerbudgets",
        "pb",
        False,
        (
            Column("Cap", ".status.capWatts"),
            Column("Planned", ".status.plannedWatts"),
            Column("Reserved", ".status.reservedWatts"),
            Column("Measured", ".status.measuredWatts"),
            Column("Headroom", ".status.headroomWatts"),
            Column("Enforced", condition("Enforced")),
            Column("Nodes", ".status.nodes", "integer", wide=True),
            Column("Window", ".status.window", wide=True),
            AGE,
        ),
    ),
)
