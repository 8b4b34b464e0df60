"""From what was observed and planned to who holds which NPUs: what readings are attributed by."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from kwatt.energy.holdings import Curve, Holder, Holdings, Pool, PoolKey, Served
from kwatt.model.keys import PodKey, ServiceKey
from kwatt.model.measurements import PointKey
from kwatt.model.npu import NpuClass, Profile, Scope
from kwatt.model.plan import Placement, Plan
from kwatt.model.snapshot import Node, Pod, Snapshot
from kwatt.observation.values import ParsedPod
from kwatt.observation.world import World
from kwatt.planning.curves import curves_of
from kwatt.units import NO_THROUGHPUT, Power

ROUNDS: Final = 3  # a sample holds until the third round after it


@dataclass(frozen=True, slots=True)
class Existing:
    """All objects that there are, whether they can be used or not: what they used is never forgotten."""

    services: frozenset[ServiceKey] = frozenset()
    budgets: frozenset[str] = frozenset()
    classes: frozenset[str] = frozenset()


def holdings_of(
    snapshot: Snapshot,
    planned: Plan,
    world: World,
    existing: Existing,
) -> Holdings:
    """Return who holds which NPUs now."""
    nodes = {node.name: node for node in snapshot.nodes if node.npu_class}
    holders = _holders(snapshot, planned, world.pods, nodes)
    models = {service.key: service.model for service in snapshot.services}
    profiles = snapshot.profiles
    return Holdings(
        pools={
            PoolKey(name, node.npu_class): _pool(node, snapshot, holders.get(name, ()))
            for name, node in nodes.items()
            if node.npu_class
        },
        budgets=dict.fromkeys(existing.budgets, ())
        | {budget.name: budget.nodes for budget in snapshot.budgets},
        classes=existing.classes,
        services={key: _served(profiles.get(models.get(key, ""))) for key in existing.services},
        curves=dict(_curves(world)),
        meters={one.name: Scope.WALL for one in world.budgets if one.meter and one.meter.query},
        freshness={
            one.name: ROUNDS * one.telemetry.interval_ms for one in world.classes if one.telemetry
        },
    )


def _pool(node: Node, snapshot: Snapshot, holders: Iterable[Holder]) -> Pool:
    """Return the NPUs of a node: those that can be had or are held; a broken one has no watts to miss."""
    own = tuple(sorted(holders, key=lambda holder: holder.pod))
    held = sum(holder.npus for holder in own)
    idle = snapshot.classes[node.npu_class or ""].idle
    return Pool(max(node.npus_allocatable, held), idle, own)


def _holders(
    snapshot: Snapshot,
    planned: Plan,
    pods: Iterable[ParsedPod],
    nodes: Mapping[str, Node],
) -> dict[str, list[Holder]]:
    rows = {(row.service, row.variant, row.node): row for row in planned.placements}
    models = {service.key: service.model for service in snapshot.services}
    found: defaultdict[str, list[Holder]] = defaultdict(list)
    own = set()
    for pod in snapshot.pods:
        own.add(pod.key)
        node = nodes.get(pod.node or "")
        if node is not None and not pod.finished and node.npu_class == pod.variant.npu_class:
            row = rows.get((pod.service, pod.variant, node.name))
            found[node.name].append(
                _holder(pod, row, models.get(pod.service), _class(snapshot, node))
            )
    for other in pods:
        node = nodes.get(other.node or "")
        npus = other.asked.get(node.resource, 0) if node and node.resource else 0
        key = PodKey(other.namespace, other.name)
        if node is not None and npus and not other.finished and key not in own:
            most = _class(snapshot, node).max * npus
            found[node.name].append(Holder(key, npus, most))
    return found


def _class(snapshot: Snapshot, node: Node) -> NpuClass:
    return snapshot.classes[node.npu_class or ""]


def _holder(pod: Pod, row: Placement | None, model: str | None, npu_class: NpuClass) -> Holder:
    npus = pod.variant.npus
    if row is None:
        share = npu_class.idle * npus + Power.of_watts(pod.watts)
        return Holder(pod.key, npus, share, pod.service, ready=pod.ready)
    point = None
    if model and row.operating_point:
        point = PointKey(model, row.variant.npu_class, npus, row.operating_point)
    share = Power(row.planned.milliwatts // max(1, row.replicas))
    return Holder(pod.key, npus, share, pod.service, point, ready=pod.ready)


def _served(profile: Profile | None) -> Served | None:
    if profile is None:
        return None
    rates = [point.rate for point in profile.points]
    return Served(profile.unit, max(rates, default=NO_THROUGHPUT))


def _curves(world: World) -> Iterable[tuple[PointKey, Curve]]:
    """Yield curves as they are declared; those of a snapshot may have measured watts already."""
    for one in world.profiles:
        for curve in curves_of(one.profile):
            values = tuple(zip(curve.rates, curve.powers, strict=True))
            for point in curve.points:
                yield PointKey(one.name, point.npu_class, point.npus, point.name), values
