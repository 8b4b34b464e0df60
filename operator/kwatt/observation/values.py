"""Parsed values, one kind each: the planner's inputs of an object and nothing else of its body.

Equal values mean that nothing that matters changed: resource versions, heartbeats, status noise and
managed fields take no part in equality. A store of them stays small.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time
from enum import StrEnum

from kwatt.model.feedback import DemandRange, Drift
from kwatt.model.measurements import PointKey
from kwatt.model.npu import NpuClass, Profile
from kwatt.model.selectors import AffinityGap, LabelSelector, Taint
from kwatt.model.snapshot import PodShape
from kwatt.observation.sources import ParsedCounters, ParsedTelemetry, PodReach
from kwatt.units import NO_POWER, Power, Throughput

DEFAULT_GRACE_SECONDS = 30  # terminationGracePeriodSeconds where nobody says another


@dataclass(frozen=True, slots=True)
class Invalid:
    """An object that can't be used: which field, and a sentence with the remedy. It affects no other."""

    kind: str
    namespace: str
    name: str
    field: str
    message: str
    uid: str = ""
    generation: int = 0


class NoticeReason(StrEnum):
    """Why a valid object is not used, or not all of it."""

    NODE_CONFLICT = "NodeConflict"
    NODE_WITHOUT_RESOURCE = "NodeWithoutResource"
    CLASS_NOT_SCHEDULABLE = "ClassNotSchedulable"
    UNKNOWN_CLASS = "UnknownClass"
    LATENCY_FALLS = "LatencyFallsWithLoad"
    BUDGET_WITHOUT_NODES = "BudgetWithoutNodes"
    QUOTA_NOT_READ = "QuotaNotRead"


@dataclass(frozen=True, slots=True)
class Notice:
    """What somebody should know about a valid object, in one sentence."""

    kind: str
    namespace: str
    name: str
    reason: NoticeReason
    message: str


@dataclass(frozen=True, slots=True)
class ParsedNode:
    """A node; `capacity` and `allocatable` hold its extended resources."""

    uid: str
    name: str
    labels: Mapping[str, str]
    taints: tuple[Taint, ...] = ()
    ready: bool = True
    unschedulable: bool = False
    capacity: Mapping[str, int] = field(default_factory=dict)
    allocatable: Mapping[str, int] = field(default_factory=dict)
    cpu_milli: int = 0
    memory_bytes: int = 0
    pods: int = 0
    resource_version: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class ParsedPod:
    """A pod of anybody's; `labels` are those by which KWatt knows its own, `asked` extended resources.

    `replica_set` is the name of the ReplicaSet that controls it. `hostname` and `node_name` are what the
    pod is narrowed to by nodeSelector and by metadata.name. `reach` is for telemetry only and wakes nobody.
    """

    uid: str
    namespace: str
    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    replica_set: str = ""
    node: str | None = None
    hostname: str | None = None
    node_name: str | None = None
    gated: bool = False
    other_gates: int = 0
    terminating: bool = False
    finished: bool = False
    ready: bool = False
    cpu_milli: int = 0
    memory_bytes: int = 0
    asked: Mapping[str, int] = field(default_factory=dict)
    deletion_cost: int = 0
    priority: int = 0
    created: datetime | None = None
    released: datetime | None = None
    has_node_selector: bool = False
    affinity_terms: int | AffinityGap | None = None
    grace_seconds: int = DEFAULT_GRACE_SECONDS
    resource_version: str = field(default="", compare=False)
    reach: PodReach | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class ParsedDeployment:
    """A Deployment; `service` is "" where it does not carry KWatt's label and owner."""

    uid: str
    namespace: str
    name: str
    service: str = ""
    owner_uid: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    asked: Mapping[str, int] = field(default_factory=dict)
    replicas: int = 1
    desired: str = ""
    failure: str | None = None
    generation: int = 0  # an edit of the template by hand must wake the loop


@dataclass(frozen=True, slots=True)
class ParsedPriority:
    """A PriorityClass."""

    uid: str
    name: str
    value: int
    is_default: bool = False


@dataclass(frozen=True, slots=True)
class ParsedQuota:
    """A ResourceQuota; `unread` are keys that the planner does not know, `scoped` means not for all pods."""

    uid: str
    namespace: str
    name: str
    hard: Mapping[str, int]
    unread: tuple[str, ...] = ()
    scoped: bool = False


@dataclass(frozen=True, slots=True)
class ParsedClass:
    """An NPUClass; `npu_class` is None while fields in `missing` keep it from being scheduled."""

    uid: str
    name: str
    resources: tuple[str, ...]
    npu_class: NpuClass | None
    missing: tuple[str, ...] = ()
    generation: int = 0
    telemetry: ParsedTelemetry | None = None


@dataclass(frozen=True, slots=True)
class ParsedProfile:
    """A ModelProfile; `drifts` is what its status says was measured."""

    uid: str
    name: str
    profile: Profile
    generation: int = 0
    drifts: Mapping[PointKey, Drift] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class ParsedService:
    """An InferenceService; `asked` maps extended resources of its templates to the field that asks.

    `grace_seconds` is the longest that one of its pods may take to end. Where the rate follows the demand,
    `target` is the most it may be and `demand_range` says so; `demanded` is the rate in its status.
    """

    uid: str
    namespace: str
    name: str
    generation: int
    model: str
    target: Throughput
    latency_micros: int | None = None
    power_limit: Power | None = None
    allowed: tuple[str, ...] | None = None
    routed: bool = False  # it names a Gateway, which may split its requests by weights
    min_replicas: int = 1
    max_replicas: int | None = None
    priority_class: str | None = None
    shape: PodShape = field(default_factory=PodShape)
    shapes: Mapping[str, PodShape] = field(default_factory=dict)
    asked: Mapping[str, str] = field(default_factory=dict)
    grace_seconds: int = DEFAULT_GRACE_SECONDS
    deleting: bool = False
    demand_range: DemandRange | None = None
    demanded: Throughput | None = field(default=None, compare=False)
    counters: ParsedCounters | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """A time of day on some days (Monday is 0), by the clock on a wall in `zone`, with a cap of its own."""

    name: str
    zone: str
    days: tuple[int, ...]
    start: time
    end: time | None  # None: midnight at the end of the day
    cap: Power


@dataclass(frozen=True, slots=True)
class MeterSource:
    """Where the watts of a budget are measured: a query to a server, or (both "") the sum of its cards."""

    url: str = ""
    query: str = ""


@dataclass(frozen=True, slots=True)
class ParsedBudget:
    """A PowerBudget; with a `problem` in its windows the least of all its caps holds until it is mended.

    `shed_seconds` is how long before a lower cap replicas are taken off; None: as long as pods take to end.
    `enforced_after` is for how many seconds its meter must show too much, None where the plan alone holds the
    cap; after `calm_after` seconds with room what was taken off comes back. `withheld` is what its status says
    is withheld.
    """

    uid: str
    name: str
    selector: LabelSelector
    cap: Power
    host: Power
    empty_off: bool = False
    windows: tuple[Window, ...] = ()
    shed_seconds: int | None = None
    problem: Invalid | None = None
    generation: int = 0
    moves_horizon: int | None = None
    meter: MeterSource | None = None
    enforced_after: int | None = None
    calm_after: int = 0
    withheld: Power = field(default=NO_POWER, compare=False)


Parsed = (
    ParsedNode
    | ParsedPod
    | ParsedDeployment
    | ParsedPriority
    | ParsedQuota
    | ParsedClass
    | ParsedProfile
    | ParsedService
    | ParsedBudget
)
