"""What is known from measurements at one time: rates, watts and joules by service, budget, class and point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, TypeVar

from kwatt.model.keys import ServiceKey
from kwatt.model.npu import Scope
from kwatt.units import NO_ENERGY, Energy, Power, Throughput

Key = TypeVar("Key")


class PointKey(NamedTuple):
    """An operating point of a ModelProfile."""

    profile: str
    npu_class: str
    npus: int
    operating_point: str


class Loss(StrEnum):
    """Why there is no fresh figure of an object; the closed set of reasons of Measured=False."""

    STALE = "Stale"
    PARTLY_READ = "PartlyRead"
    NEVER_READ = "NeverRead"
    SCOPES_DIFFER = "ScopesDiffer"


@dataclass(frozen=True, slots=True)
class Counted:
    """Energy since `since`, a wall time; it only grows. Seconds in which power was unknown are not in it.

    `at` is the wall time until which it is counted, None while there is nothing to measure. `scope` is what
    all of it covers, None where nothing was counted.
    """

    energy: Energy = NO_ENERGY
    since: datetime | None = None
    unmeasured_seconds: int = 0
    at: datetime | None = None
    scope: Scope | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of one object over the window that ended `at` (wall time).

    None is unknown, never 0. `power` is the mean over the window, `latest` what the last samples show.
    `estimated`: a part of the watts was shared out by plan, not told by labels.
    `lost` says why there is no fresh figure (with its age) and `loss` in one word, None while there is one.
    `doubt` says what is implausible about what was read, None where nothing is.
    """

    counted: Counted = Counted()
    power: Power | None = None
    latest: Power | None = None
    rate: Throughput | None = None
    window_seconds: int = 0
    at: datetime | None = None
    scope: Scope | None = None
    estimated: bool = False
    lost: str | None = None
    loss: Loss | None = None
    doubt: str | None = None


@dataclass(frozen=True, slots=True)
class Demand:
    """What was asked of a service lately: arrivals per second, and requests that wait."""

    arrivals: Throughput | None = None
    waiting: int | None = None
    window_seconds: int = 0


@dataclass(frozen=True, slots=True)
class PointMeasured:
    """Watts of replicas at one operating point: what was declared at the rates served, and what was measured.

    Both are sums over the same replica-seconds, so that their ratio is that of means.
    """

    declared: Energy
    measured: Energy
    replica_seconds: int


def _but(measured: Mapping[Key, Measured], gone: Key) -> dict[Key, Measured]:
    return {key: one for key, one in measured.items() if key != gone}


@dataclass(frozen=True, slots=True)
class Measurements:
    """All of it. Objects of which nothing was ever read are absent."""

    services: Mapping[ServiceKey, Measured] = field(default_factory=dict)
    demands: Mapping[ServiceKey, Demand] = field(default_factory=dict)
    budgets: Mapping[str, Measured] = field(default_factory=dict)
    classes: Mapping[str, Measured] = field(default_factory=dict)
    points: Mapping[PointKey, PointMeasured] = field(default_factory=dict)
    targets: Mapping[str, int] = field(default_factory=dict)  # exporters by class, read lately

    def without(self, kind: str, namespace: str, name: str) -> Measurements:
        """Return all but what is known of one object."""
        if kind == "InferenceService":
            return replace(self, services=_but(self.services, ServiceKey(namespace, name)))
        if kind == "PowerBudget":
            return replace(self, budgets=_but(self.budgets, name))
        return replace(self, classes=_but(self.classes, name)) if kind == "NPUClass" else self
