"""The result of planning: placements, and for all that is not placed the reasons with their figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from kwatt.model.keys import ServiceKey, Variant
from kwatt.units import Energy, Power, Throughput

Figure = float | int | str | None | tuple[str, ...] | tuple[int, ...]


class Reason(StrEnum):
    """Why a service is not (fully) placed on a class; ordered from the first check to the last."""

    NO_MATCHING_PROFILE = "NoMatchingProfile"
    INSUFFICIENT_MEMORY = "InsufficientMemory"
    LATENCY_UNREACHABLE = "LatencyUnreachable"
    THROUGHPUT_UNREACHABLE = "ThroughputUnreachable"
    SERVICE_POWER_EXCEEDED = "ServicePowerExceeded"
    NODE_NOT_READY = "NodeNotReady"
    INSUFFICIENT_NPUS = "InsufficientNPUs"
    INSUFFICIENT_NODE_RESOURCES = "InsufficientNodeResources"
    SPREAD_IMPOSSIBLE = "SpreadImpossible"
    QUOTA_EXCEEDED = "QuotaExceeded"
    POWER_BUDGET_EXCEEDED = "PowerBudgetExceeded"
    OUTRANKED_BY_PRIORITY = "OutrankedByPriority"


_ORDER = {reason: index for index, reason in enumerate(Reason)}


class Placement(NamedTuple):
    """Alike replicas of one service on one node. Rate and watts are for all of them together.

    `reserved` is the most they can draw, `planned` the draw at their share of the rate; both include the
    idle part of the NPUs they hold. A plan has tens of thousands: a frozen dataclass takes five times as
    long to make.
    """

    service: ServiceKey
    variant: Variant
    operating_point: str
    node: str
    replicas: int
    rate: Throughput
    reserved: Power
    planned: Power


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why one class does not take the whole service; `npu_class` None when there is no class at all."""

    npu_class: str | None
    reason: Reason
    message: str
    figures: Mapping[str, Figure]


def furthest(rejections: tuple[Rejection, ...]) -> Rejection | None:
    """Return the rejection that came furthest: of the class that nearly took the service."""
    return max(rejections, key=lambda r: (_ORDER[r.reason], r.npu_class or ""), default=None)


@dataclass(frozen=True, slots=True)
class Relaxation:
    """The nearest change that would let the service in, in words and figures."""

    change: str
    figures: Mapping[str, Figure]


@dataclass(frozen=True, slots=True)
class Gain:
    """The least raise of one budget's cap that serves a service more, and how much more; tried.

    `beside` are raises of other budgets that it needs besides, where none does alone.
    """

    budget: str
    power: Power
    more: Throughput
    beside: tuple[tuple[str, Power], ...] = ()


@dataclass(frozen=True, slots=True)
class Unplaced:
    """A service with a shortfall; it may be placed in part."""

    service: ServiceKey
    shortfall: Throughput
    rejections: tuple[Rejection, ...]
    nearest: tuple[Relaxation, ...] = ()
    gains: tuple[Gain, ...] = ()


@dataclass(frozen=True, slots=True)
class Worth:
    """What more watts under a budget would do, in words and figures."""

    message: str
    figures: Mapping[str, Figure]


@dataclass(frozen=True, slots=True)
class BudgetUse:
    """What a budget counts (design 6): host + idle + reserved + foreign <= cap; headroom is what is left.

    `worth` is None where more watts would serve nobody and save nothing, as far as was looked.
    """

    name: str
    cap: Power
    host: Power
    idle: Power
    reserved: Power
    foreign: Power
    headroom: Power
    planned: Power
    draw: Power
    nodes: int
    worth: Worth | None = None


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over the cluster, each node once, hosts left out."""

    planned: Power
    reserved: Power
    idle: Power
    foreign: Power
    draw: Power
    services: int
    placed: int
    partly: int
    replicas: int
    starts: int
    moves: int
    evictions: int


@dataclass(frozen=True, slots=True)
class Bound:
    """A proven lower bound on `Totals.draw` for the set of services that the plan serves."""

    power: Power
    gap_percent: float


@dataclass(frozen=True, slots=True)
class Move:
    """Running replicas that the plan moves because it pays: what of whom, and the figures that decided.

    `saved` is drawn less from then on, `charged` what the `starts` cost, once. `emptied` is the node that
    is left without replicas by it, None where a service changes its variant or its number of replicas.
    """

    services: tuple[ServiceKey, ...]
    emptied: str | None
    starts: int
    saved: Power
    charged: Energy
    horizon_seconds: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Who runs where. `hash` is a SHA-256 over the placements: equal hashes, equal plans.

    `moves` are those that have starts to come; what was started already is no move any more.
    `unproven` says why no bound was found, "" where there is one or none was asked for.
    """

    placements: tuple[Placement, ...]
    unplaced: tuple[Unplaced, ...]
    budgets: tuple[BudgetUse, ...]
    totals: Totals
    hash: str
    bound: Bound | None = None
    unproven: str = ""
    moves: tuple[Move, ...] = ()
