"""The frozen view of the cluster that is planned: every figure parsed, every selector resolved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from kwatt.model.keys import PodKey, ServiceKey, Variant
from kwatt.model.npu import NpuClass, Profile
from kwatt.model.selectors import AffinityGap, NodeTerm, Taint, Toleration
from kwatt.units import NO_POWER, Power, Throughput


@dataclass(frozen=True, slots=True)
class Node:
    """A node as the planner sees it.

    `npu_class` and `resource` are None where no class or more than one class (`conflict`) matches, or the
    node offers none of the class's resources: such a node takes no replica and counts no watts.
    `npus_capacity` counts idle watts, `npus_allocatable` what may be asked for. The `other_*` figures are
    requests of pods that are not KWatt's, `foreign_npus` the NPUs among them. `cpu_milli`, `memory_bytes`
    and `pods` are allocatable. `advertised_watts` is the share of kwatt.dev/watts in the node's status.
    """

    name: str
    labels: Mapping[str, str]
    taints: tuple[Taint, ...] = ()
    ready: bool = True
    unschedulable: bool = False
    npu_class: str | None = None
    conflict: tuple[str, ...] = ()
    resource: str | None = None
    npus_capacity: int = 0
    npus_allocatable: int = 0
    cpu_milli: int = 0
    memory_bytes: int = 0
    pods: int = 0
    other_cpu_milli: int = 0
    other_memory_bytes: int = 0
    other_pods: int = 0
    foreign_npus: int = 0
    foreign_watts: int = 0  # kwatt.dev/watts asked for by foreign pods bound here
    stuck_npus: int = (
        0  # held by KWatt's terminating pods on a node that is not ready: they may still draw
    )
    stuck_watts: int = 0  # and their whole watts above idle
    advertised_watts: int | None = None
    resource_version: str = ""
    pin_by_name: bool = False  # hostname label missing or shared: pin by metadata.name


@dataclass(frozen=True, slots=True)
class PodShape:
    """What a replica asks of a node besides NPUs and watts."""

    cpu_milli: int = 0
    memory_bytes: int = 0
    node_selector: tuple[tuple[str, str], ...] = ()
    affinity: tuple[NodeTerm, ...] | None = None  # any term must match; None: no required affinity
    tolerations: tuple[Toleration, ...] = ()


@dataclass(frozen=True, slots=True)
class Incumbent:
    """Replicas of one variant that a service has on a node already (bound, or released to it).

    `watts` is the whole number of kwatt.dev/watts that one such pod asks for.
    """

    variant: Variant
    node: str
    replicas: int
    watts: int


@dataclass(frozen=True, slots=True)
class Service:
    """A valid InferenceService, or one that keeps what it has because `held` says why it can't be planned.

    `shapes` maps an NPU class to the pod shape there; `shape` serves every other class. `starting` counts
    its replicas that were released to a node and are not ready.
    """

    key: ServiceKey
    model: str
    target: Throughput
    priority: int = 0
    latency_micros: int | None = None
    power_limit: Power | None = None
    allowed: tuple[str, ...] | None = None
    mixes: bool = False  # may have several variants at once: its requests are split by weights
    min_replicas: int = 1
    max_replicas: int | None = None
    shape: PodShape = PodShape()
    shapes: Mapping[str, PodShape] = field(default_factory=dict)
    incumbents: tuple[Incumbent, ...] = ()
    held: str | None = None
    starting: int = 0


@dataclass(frozen=True, slots=True)
class Quota:
    """A ResourceQuota: `hard` by resource name in base units (watts, NPUs, millicores as `cpu`, bytes, pods).

    Keys are plain names: `kwatt.dev/watts`, `rebellions.ai/ATOM`, `cpu`, `memory`, `pods`.
    `used_by_others` is what pods that are not KWatt's use of each.
    """

    namespace: str
    name: str
    hard: Mapping[str, int]
    used_by_others: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Coming:
    """A lower cap that is planned with already, because taking replicas off takes its time.

    It comes `at`, when the window opens (`opens`) or closes; replicas are taken off `since`. Both are in UTC,
    `zone` is the window's. Until then `cap` is in force.
    """

    window: str
    opens: bool
    at: datetime
    since: datetime
    zone: str
    cap: Power


@dataclass(frozen=True, slots=True)
class Budget:
    """A PowerBudget at the snapshot's time: `cap` is the least of the open windows', else the spec's.

    Where a lower one is due before replicas could be taken off, `cap` is that one already and `coming` says
    what it is. `nodes` are the names of the nodes it covers, sorted. `empty_off`: an empty node draws nothing.
    `moves_horizon` is over how many seconds a move must pay, None where it lets nothing move. `withheld` was
    taken off `cap` because the budget's meter shows more than its plan.
    """

    name: str
    cap: Power
    host: Power
    nodes: tuple[str, ...]
    empty_off: bool = False
    window: str | None = None
    coming: Coming | None = None
    moves_horizon: int | None = None
    withheld: Power = NO_POWER


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod of KWatt's as observed: `pin` is the node it was released to, `node` where it is bound.

    `affinity_terms` counts the terms of its required node affinity; None: it has no affinity at all.
    """

    key: PodKey
    uid: str
    resource_version: str
    service: ServiceKey
    variant: Variant
    deployment: str
    node: str | None = None
    pin: str | None = None
    gated: bool = False
    terminating: bool = False
    finished: bool = False
    ready: bool = False
    watts: int = 0
    cpu_milli: int = 0
    memory_bytes: int = 0
    deletion_cost: int = 0
    created: datetime | None = None
    released: datetime | None = None  # when KWatt removed the gate
    has_node_selector: bool = False
    affinity_terms: int | AffinityGap | None = None
    other_gates: int = 0

    @property
    def assigned(self) -> str | None:
        """The node on which this pod draws or will draw power."""
        return self.node or self.pin


@dataclass(frozen=True, slots=True)
class Deployment:
    """A Deployment of KWatt's as observed; `desired` is the hash of what was applied."""

    namespace: str
    name: str
    uid: str
    owner_uid: str
    service: ServiceKey
    variant: Variant
    replicas: int
    desired: str
    generation: int = 0
    failure: str | None = None  # message of ReplicaFailure, for example an exceeded quota


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a plan depends on, sorted by name: equal clusters are equal values.

    `moves_horizon` is that of nodes under no budget with one of its own; None: nothing moves there.
    """

    now: datetime
    nodes: tuple[Node, ...] = ()
    classes: Mapping[str, NpuClass] = field(default_factory=dict)
    profiles: Mapping[str, Profile] = field(default_factory=dict)
    budgets: tuple[Budget, ...] = ()
    services: tuple[Service, ...] = ()
    quotas: tuple[Quota, ...] = ()
    pods: tuple[Pod, ...] = ()
    deployments: tuple[Deployment, ...] = ()
    moves_horizon: int | None = None
