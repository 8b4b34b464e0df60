"""NPU classes and the measured profiles of models on them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from kwatt.model.selectors import LabelSelector, Toleration
from kwatt.units import Energy, Power, Throughput


class Basis(StrEnum):
    """Where a figure comes from; an Assumption shows as such wherever it is used."""

    MEASURED = "Measured"
    VENDOR = "Vendor"
    ASSUMPTION = "Assumption"


class Scope(StrEnum):
    """What a watt figure covers; figures of different scopes are never added or compared."""

    DEVICE = "Device"
    NODE = "Node"
    WALL = "Wall"


@dataclass(frozen=True, slots=True)
class NpuClass:
    """A schedulable NPU product: how its nodes are found, asked for, and what one NPU draws.

    `resources` are the extended resource names under which plugins advertise it, the first preferred;
    a node offers the first of them that it has. `memory_bytes`, `idle` and `max` are of one NPU.
    """

    name: str
    resources: tuple[str, ...]
    selector: LabelSelector
    memory_bytes: int
    idle: Power
    max: Power
    tolerations: tuple[Toleration, ...] = ()
    basis: Basis = Basis.ASSUMPTION


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """One measured point: `rate` and `power` of one replica over all its `npus`, p99 in microseconds."""

    npu_class: str
    npus: int
    name: str
    rate: Throughput
    power: Power
    p99_micros: int | None = None
    env: tuple[tuple[str, str], ...] = ()
    scope: Scope = Scope.DEVICE
    basis: Basis = Basis.ASSUMPTION
    source: str = ""


@dataclass(frozen=True, slots=True)
class Baseline:
    """What the same model does on the device to compare with, usually a GPU."""

    device: str
    rate: Throughput
    power: Power
    scope: Scope
    basis: Basis


class Unusable(NamedTuple):
    """A class that a model is measured on and can't be placed on, and why in words: `does not exist`."""

    npu_class: str
    why: str


@dataclass(frozen=True, slots=True)
class Profile:
    """Measured operating points of a model; `memory_bytes` is what one replica needs over all its NPUs.

    `start_energy` is what the start of one replica costs, None where nobody has measured it. `unusable` are
    the classes whose points are left out.
    """

    name: str
    unit: str
    memory_bytes: int
    points: tuple[OperatingPoint, ...]
    baseline: Baseline | None = None
    start_energy: Energy | None = None
    unusable: tuple[Unusable, ...] = ()

    def unusable_of(self, allowed: tuple[str, ...] | None) -> str:
        """Say why none that `allowed` names, all where it is None, can be used; "" if it names none."""
        found = [one for one in self.unusable if allowed is None or one.npu_class in allowed]
        told = "; ".join(f"{one.npu_class} {one.why}" for one in found)
        return f"no NPUClass that it may use is there and schedulable: {told}" if told else ""
