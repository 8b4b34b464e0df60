"""What has to be done in the cluster, as values. Decreases of power stand before increases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from kwatt.changes.splits import Split
from kwatt.model.keys import PodKey, ServiceKey, Variant
from kwatt.model.selectors import AffinityGap
from kwatt.units import Power


class Group(NamedTuple):
    """The alike replicas of one service: what one Deployment holds."""

    service: ServiceKey
    variant: Variant


@dataclass(frozen=True, slots=True)
class ShareChange:
    """A node's share of kwatt.dev/watts, in whole watts above idle; `before` None: not advertised yet."""

    node: str
    before: int | None
    after: int
    resource_version: str


@dataclass(frozen=True, slots=True)
class Scale:
    """The Deployment of one variant of a service and the replicas and watts per replica it is to have.

    `only_resized`: its template stays as it is, because the plan has nothing of it any more.
    """

    service: ServiceKey
    variant: Variant
    replicas: int
    pod_watts: int
    operating_point: str
    only_resized: bool = False


@dataclass(frozen=True, slots=True)
class Removal:
    """A Deployment that is no longer planned."""

    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Cost:
    """The pod-deletion-cost of a pod; the lowest goes first when its Deployment shrinks."""

    pod: PodKey
    uid: str
    cost: int


@dataclass(frozen=True, slots=True)
class Eviction:
    """A pod that has to leave where it is, with the reason in words."""

    pod: PodKey
    uid: str
    why: str


@dataclass(frozen=True, slots=True)
class Release:
    """A gated pod that may start: pin it to `node` and remove the gate; `cost` is its deletion cost."""

    pod: PodKey
    uid: str
    resource_version: str
    node: str
    hostname: str | None  # value of the hostname label to pin by; None: pin by metadata.name
    has_node_selector: bool
    affinity_terms: int | AffinityGap | None  # as in the observed pod: what of the path exists
    cost: int = 0


@dataclass(frozen=True, slots=True)
class Changes:
    """All changes of one cycle. Apply the tuples from top to bottom; `wake` is when to look again."""

    lower: tuple[ShareChange, ...] = ()
    remove: tuple[Removal, ...] = ()
    costs: tuple[Cost, ...] = ()
    shrink: tuple[Scale, ...] = ()
    evict: tuple[Eviction, ...] = ()
    grow: tuple[Scale, ...] = ()  # new Deployments, more replicas, another template
    raise_: tuple[ShareChange, ...] = ()
    release: tuple[Release, ...] = ()
    left: Mapping[str, Power] = field(default_factory=dict)  # of each cap beside what pods hold now
    lingering: Mapping[ServiceKey, int] = field(default_factory=dict)  # replicas that serve on
    sustained: frozenset[ServiceKey] = frozenset()  # of those: ready old and new ones do the rate
    wake: datetime | None = None
    splits: tuple[Split, ...] = ()  # of services whose route carries weights
