"""Make before break: which replicas serve on for now although the plan has them elsewhere (design 3.5).

Where replicas may move, one that leaves waits until all replicas that the plan has of its service are ready.
Where there is no room to start them beside it, it is evicted, one replica at a time and through the Eviction
API, so that PodDisruptionBudgets hold. It waits for nobody while a cap over its node is exceeded, and never
in the way of another service.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from kwatt.changes.quotas import QuotaRoom
from kwatt.changes.room import Room
from kwatt.changes.shares import Headroom, held_on
from kwatt.changes.values import Eviction, Group
from kwatt.changes.wanted import Wanted, surplus_of
from kwatt.model.keys import ServiceKey
from kwatt.model.snapshot import Node, Pod, PodShape, Snapshot
from kwatt.planning.curves import curves_of
from kwatt.planning.horizons import horizons_of
from kwatt.planning.options import best_rate

_ANY_SHARE = 2**40  # whole watts; here caps are asked what they leave, and not what nodes advertise


@dataclass(frozen=True, slots=True)
class Lingering:
    """Pods that serve on by Deployment, what else their services' Deployments may have, and who goes first.

    `most` is the number of replicas that a planned Deployment has for now, `sustained` the services whose
    ready replicas, old and new, do the rate together.
    """

    pods: Mapping[Group, tuple[Pod, ...]] = field(default_factory=dict)
    most: Mapping[Group, int] = field(default_factory=dict)
    evict: tuple[Eviction, ...] = ()
    sustained: frozenset[ServiceKey] = frozenset()

    @property
    def by_service(self) -> dict[ServiceKey, int]:
        """Return how many replicas of each service serve on."""
        counts: Counter[ServiceKey] = Counter()
        for group, pods in self.pods.items():
            counts[group.service] += len(pods)
        return dict(counts)


@dataclass(frozen=True, slots=True)
class _Mover:
    """A service with replicas that leave while others of the plan are not ready yet.

    `missing` are the nodes to which replicas of each of its Deployments are still to be released,
    `in_place` the pods that are where the plan has them.
    """

    service: ServiceKey
    leaving: Mapping[Group, tuple[Pod, ...]]
    missing: Mapping[Group, tuple[str, ...]]
    in_place: tuple[Pod, ...]

    @property
    def is_calm(self) -> bool:
        """Tell whether nothing of it is starting."""
        return all(pod.ready for pod in self.in_place)


def lingering(
    snapshot: Snapshot, wanted: Mapping[Group, Wanted], pods: Mapping[Group, list[Pod]]
) -> Lingering:
    """Return who serves on; nobody where nothing may move."""
    horizons = horizons_of(snapshot)
    if not horizons:
        return Lingering()
    leaving = list(_movers(wanted, pods))
    if not leaving:
        return Lingering()
    view = _View(snapshot, wanted)
    movers = [mover for mover in leaving if view.may_linger(mover, horizons)]
    movers = view.out_of_the_way(movers, pods)
    most: dict[Group, int] = {}
    evict: list[Eviction] = []
    for mover, fitting in view.fitting(movers):
        most |= _most(mover, fitting, wanted)
        if not any(fitting.values()) and any(mover.missing.values()) and mover.is_calm:
            evict += view.first_to_go(mover)
    staying = {group: left for mover in movers for group, left in mover.leaving.items()}
    sustained = frozenset(mover.service for mover in movers if view.is_sustained(mover))
    return Lingering(staying, most, tuple(evict), sustained)


def _movers(wanted: Mapping[Group, Wanted], pods: Mapping[Group, list[Pod]]) -> Iterator[_Mover]:
    """Yield the services of which a ready replica leaves and a planned one is not ready."""
    groups: defaultdict[ServiceKey, set[Group]] = defaultdict(set)
    for group in (*wanted, *pods):
        groups[group.service].add(group)
    planned = {group.service for group in wanted}
    for service in sorted(planned):
        leaving: dict[Group, tuple[Pod, ...]] = {}
        missing: dict[Group, tuple[str, ...]] = {}
        in_place: list[Pod] = []
        for group in sorted(groups[service]):
            nodes = wanted[group].nodes if group in wanted else {}
            mine = pods.get(group, [])
            gone = surplus_of(nodes, mine)
            keys = {pod.key for pod in gone}
            here = [pod for pod in mine if pod.assigned and pod.key not in keys]
            leaving |= {group: tuple(gone)} if gone else {}
            missing[group] = _missing(nodes, here)
            in_place += here
        serving = any(pod.ready for left in leaving.values() for pod in left)
        mover = _Mover(service, leaving, missing, tuple(in_place))
        if serving and (any(missing.values()) or not mover.is_calm):
            yield mover


def _missing(nodes: Mapping[str, int], here: Iterable[Pod]) -> tuple[str, ...]:
    left = Counter(nodes)
    left.subtract(pod.assigned for pod in here if pod.assigned is not None)
    return tuple(node for node in sorted(left) for _ in range(left[node]))


def _most(
    mover: _Mover, fitting: Mapping[Group, int], wanted: Mapping[Group, Wanted]
) -> dict[Group, int]:
    """Return the replicas of each planned Deployment for now: those in place, leaving, and with room.

    A pod that can't start yet is not made before its time: it would count as unhealthy in a
    PodDisruptionBudget and so keep the one it waits for from being evicted.
    """
    placed = Counter(Group(pod.service, pod.variant) for pod in mover.in_place)
    most = {}
    for group in mover.missing:
        if group in wanted:
            left = len(mover.leaving.get(group, ()))
            now = placed[group] + left + fitting[group]
            most[group] = max(now, wanted[group].replicas) if left else now
    return most


class _View:
    """What caps and nodes leave at this moment, asked in several ways."""

    def __init__(self, snapshot: Snapshot, wanted: Mapping[Group, Wanted]) -> None:
        self._snapshot = snapshot
        self._wanted = wanted
        self._watts = {group: one.pod_watts for group, one in wanted.items()}
        self._services = {service.key: service for service in snapshot.services}
        self._now = self._headroom(snapshot)
        self._ready = {node.name for node in snapshot.nodes if node.ready}
        self._over: defaultdict[str, set[str]] = defaultdict(set)
        for budget in snapshot.budgets:
            for node in budget.nodes:
                self._over[node].add(budget.name)

    def may_linger(self, mover: _Mover, horizons: Mapping[str, int]) -> bool:
        """Tell whether all that leaves is where replicas may move, and no cap over it is exceeded."""
        service = self._services.get(mover.service)
        nodes = {pod.assigned or "" for left in mover.leaving.values() for pod in left}
        held = service is None or service.held is not None
        return not held and all(node in horizons and self._now.keeps(node) for node in nodes)

    def out_of_the_way(self, movers: list[_Mover], pods: Mapping[Group, list[Pod]]) -> list[_Mover]:
        """Return the movers without those that keep another service from a start."""
        if not movers:
            return movers
        moving = {mover.service for mover in movers}
        gone = {pod.key for m in movers for left in m.leaving.values() for pod in left}
        rest = tuple(pod for pod in self._snapshot.pods if pod.key not in gone)
        beside, without = self._room(self._snapshot), self._room(replace(self._snapshot, pods=rest))
        blocked = {
            node
            for group in self._wanted
            if group.service not in moving
            for node in _missing(self._wanted[group].nodes, pods.get(group, []))
            if not beside.admit(node, self._pod(group)) and without.admit(node, self._pod(group))
        }
        return [mover for mover in movers if not self._is_near(mover, blocked)]

    def fitting(self, movers: Iterable[_Mover]) -> Iterator[tuple[_Mover, dict[Group, int]]]:
        """Yield each mover with how many of its missing replicas have room beside all that runs."""
        room, quotas = self._room(self._snapshot), QuotaRoom(self._snapshot)
        for mover in movers:
            yield (
                mover,
                {
                    group: sum(self._admits(room, quotas, group, node) for node in nodes)
                    for group, nodes in mover.missing.items()
                },
            )

    def first_to_go(self, mover: _Mover) -> Iterator[Eviction]:
        """Yield the pod to evict when nothing has room, unless some pod's end is about to make room."""
        wanted = {node for nodes in mover.missing.values() for node in nodes}
        ending = any(
            pod.assigned in self._ready and self._is_near_to(wanted, pod.assigned or "")
            for pod in self._snapshot.pods
            if pod.terminating and not pod.finished
        )
        leaving = sorted(
            (pod for left in mover.leaving.values() for pod in left),
            key=lambda pod: (pod.ready, pod.assigned not in wanted, pod.key),
        )
        if not ending:
            why = "planned elsewhere, and there is no room to start its successor first"
            yield Eviction(leaving[0].key, leaving[0].uid, why)

    def is_sustained(self, mover: _Mover) -> bool:
        """Tell whether the ready replicas of a service do its rate within its latency limit."""
        service = self._services[mover.service]
        profile = self._snapshot.profiles.get(service.model)
        rates = {
            (curve.npu_class, curve.npus, curve.setting): best_rate(curve, service.latency_micros)
            for curve in (curves_of(profile) if profile else ())
        }
        pods = (*mover.in_place, *(pod for left in mover.leaving.values() for pod in left))
        variants = (pod.variant for pod in pods if pod.ready)
        done = sum(rates.get((v.npu_class, v.npus, v.setting), 0) for v in variants)
        return done >= service.target.micros

    def _admits(self, room: Room, quotas: QuotaRoom, group: Group, node: str) -> bool:
        pod = self._pod(group)
        return quotas.has_room(group, pod) and room.admit(node, pod) and quotas.take(group, pod)

    def _is_near(self, mover: _Mover, blocked: set[str]) -> bool:
        """Tell whether a replica that leaves shares a node or a budget with any of the nodes."""
        nodes = {pod.assigned or "" for left in mover.leaving.values() for pod in left}
        return any(self._is_near_to(nodes, node) for node in blocked)

    def _is_near_to(self, nodes: Iterable[str], node: str) -> bool:
        return any(node == one or self._over[node] & self._over[one] for one in nodes)

    def _pod(self, group: Group) -> Pod:
        """Return a pod as a replica of a planned Deployment would be."""
        shape = self._shape(group)
        sample = self._snapshot.pods[0]
        return replace(
            sample,
            service=group.service,
            variant=group.variant,
            watts=self._watts[group],
            cpu_milli=shape.cpu_milli,
            memory_bytes=shape.memory_bytes,
        )

    def _shape(self, group: Group) -> PodShape:
        service = self._services[group.service]
        return service.shapes.get(group.variant.npu_class, service.shape)

    def _room(self, snapshot: Snapshot) -> Room:
        shares = {node.name: _share_of(node) for node in snapshot.nodes}
        return Room(snapshot, shares, (self._headroom(snapshot), self._headroom(snapshot)))

    def _headroom(self, snapshot: Snapshot) -> Headroom:
        return Headroom(snapshot, {}, held_on(snapshot, self._watts))


def _share_of(node: Node) -> int:
    return _ANY_SHARE if node.npu_class is not None else 0
