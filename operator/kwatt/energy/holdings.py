"""Who holds which NPUs: what readings are attributed by and judged against. Made anew in every cycle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from kwatt.model.keys import PodKey, ServiceKey
from kwatt.model.measurements import PointKey
from kwatt.model.npu import Scope
from kwatt.units import Power, Throughput

FRESHNESS_MS: Final = 60_000
"""For how long a sample holds where nobody says how often it is read, as of meters and counters; assumption:
four rounds of the usual 15 s."""
LEAST_FRESHNESS_MS: Final = 30_000
"""However often it is read, a sample holds for so long: a restart of an exporter takes seconds; assumption."""


class Instant(NamedTuple):
    """Now: `ms` on the reader's monotonic clock, by which energy is counted, and the wall time for people."""

    ms: int
    wall: datetime


class PoolKey(NamedTuple):
    """The NPUs of one class on one node."""

    node: str
    npu_class: str


@dataclass(frozen=True, slots=True)
class Holder:
    """A pod that holds NPUs on a node. `planned` is its draw as planned, idle part included.

    `service` is None for a pod that is not KWatt's. `point` is the operating point that it was planned at,
    None where the plan does not say.
    """

    pod: PodKey
    npus: int
    planned: Power
    service: ServiceKey | None = None
    point: PointKey | None = None
    ready: bool = False


@dataclass(frozen=True, slots=True)
class Pool:
    """The NPUs of one class on one node; `idle` is the draw of one that nobody holds."""

    npus: int
    idle: Power
    holders: tuple[Holder, ...] = ()


@dataclass(frozen=True, slots=True)
class Served:
    """What a service counts and the most that one replica can serve by the profile."""

    unit: str
    highest: Throughput


Curve = tuple[tuple[int, int], ...]
"""W(rate) of one replica: ascending rates in millionths per second, and milliwatts (design 6)."""


@dataclass(frozen=True, slots=True)
class Holdings:
    """All pools by node and class, the nodes of each budget, and what services are judged by.

    `services` are all there are, with None where the spec can't be used. `freshness` is by class for how
    many milliseconds a sample holds; `meters` are the budgets with a meter of their own and what it covers.
    """

    pools: Mapping[PoolKey, Pool] = field(default_factory=dict)
    budgets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    classes: frozenset[str] = frozenset()
    services: Mapping[ServiceKey, Served | None] = field(default_factory=dict)
    curves: Mapping[PointKey, Curve] = field(default_factory=dict)
    freshness: Mapping[str, int] = field(default_factory=dict)
    meters: Mapping[str, Scope] = field(default_factory=dict)

    def limit(self, npu_class: str) -> int:
        """Return for how many milliseconds a sample of a class holds."""
        return max(self.freshness.get(npu_class, FRESHNESS_MS), LEAST_FRESHNESS_MS)
