"""What a plan uses, counted again from its placements alone, by the words of design 6."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from math import ceil

import builders as b
from kwatt.model.npu import OperatingPoint
from kwatt.model.plan import Placement
from kwatt.model.selectors import tolerated
from kwatt.model.snapshot import Budget, Node, Service, Snapshot
from kwatt.planning.curves import setting_of

Curve = list[OperatingPoint]


def counted(snapshot: Snapshot, budget: Budget, placements: Iterable[Placement]) -> int:
    """Return the milliwatts that a budget counts: host + idle + reserved + foreign."""
    total = budget.host.milliwatts
    for node in (node for node in snapshot.nodes if node.name in budget.nodes):
        here = [p for p in placements if p.node == node.name]
        npu_class = snapshot.classes.get(node.npu_class or "")
        idle = npu_class.idle.milliwatts if npu_class else 0
        held = sum(p.replicas * p.variant.npus for p in here) + node.foreign_npus + node.stuck_npus
        empty = not here and not node.foreign_npus and not node.stuck_npus
        if not (empty and budget.empty_off):
            total += idle * max(0, node.npus_capacity - held)
        total += sum(p.reserved.milliwatts for p in here)
        total += node.foreign_npus * npu_class.max.milliwatts if npu_class else 0
        total += node.stuck_npus * idle + 1000 * node.stuck_watts
    return total


def floor_of(snapshot: Snapshot, budget: Budget) -> int:
    """Return the milliwatts that a budget counts without any replica."""
    return counted(snapshot, budget, ())


def is_kept(service: Service, placement: Placement) -> bool:
    """Tell whether all replicas of a placement ran there before."""
    return placement.replicas <= ran_on(service, placement)


def ran_on(service: Service, placement: Placement) -> int:
    """Return how many replicas of the placement's variant ran on its node before."""
    return sum(
        i.replicas
        for i in service.incumbents
        if (i.variant, i.node) == (placement.variant, placement.node)
    )


def curves(snapshot: Snapshot, service: Service) -> dict[tuple[str, int, str], Curve]:
    """Return the measured curves that a service may use, points ascending."""
    found: dict[tuple[str, int, str], Curve] = {}
    profile = snapshot.profiles.get(service.model)
    for point in sorted(profile.points, key=lambda p: p.rate) if profile else ():
        npu_class = snapshot.classes.get(point.npu_class)
        is_allowed = service.allowed is None or point.npu_class in service.allowed
        if npu_class and is_allowed and point.npus * npu_class.memory_bytes >= profile.memory_bytes:
            key = (point.npu_class, point.npus, setting_of(point.env))
            found.setdefault(key, []).append(point)
    return found


def meets(service: Service, point: OperatingPoint) -> bool:
    """Tell whether a point is within the service's latency limit."""
    limit = service.latency_micros
    return limit is None or (point.p99_micros is not None and point.p99_micros <= limit)


def covering(curve: Curve, micros: int, replicas: int) -> OperatingPoint | None:
    """Return the lowest point that covers a replica's share."""
    return next((p for p in curve if p.rate.micros * replicas >= micros), None)


def above_idle(snapshot: Snapshot, curve: Curve) -> int:
    """Return the whole watts above idle of one replica."""
    idle = snapshot.classes[curve[0].npu_class].idle.milliwatts * curve[0].npus
    return max(0, ceil((max(p.power.milliwatts for p in curve) - idle) / 1000))


def can_be_whole(snapshot: Snapshot, service: Service, others: list[Placement]) -> bool:
    """Try every assignment: can the service be served in full beside the others, with new replicas only?"""
    return can_serve(snapshot, service, others, service.target.micros)


def can_serve(snapshot: Snapshot, service: Service, others: list[Placement], micros: int) -> bool:
    """Try every assignment: can so much of the service be served beside the others, with new replicas?"""
    return any(
        _fits_somewhere(snapshot, service, others, curve, replicas)
        for curve in curves(snapshot, service).values()
        for replicas in range(max(1, service.min_replicas), (service.max_replicas or 8) + 1)
        if _sustained(snapshot, service, curve, replicas) >= micros
    )


def _sustained(snapshot: Snapshot, service: Service, curve: Curve, replicas: int) -> int:
    """Return what so many replicas serve of the target, -1 where they are beyond the service's watts."""
    npu_class = snapshot.classes[curve[0].npu_class]
    reserved = npu_class.idle.milliwatts * curve[0].npus + 1000 * above_idle(snapshot, curve)
    limit = service.power_limit
    if limit is not None and replicas * reserved > limit.milliwatts:
        return -1
    point, target = covering(curve, service.target.micros, replicas), service.target.micros
    if point is not None and meets(service, point):
        return target
    parts = (p.rate.micros * replicas for p in curve if meets(service, p))
    return max((part for part in parts if part <= target), default=0)


def _fits_somewhere(
    snapshot: Snapshot,
    service: Service,
    others: list[Placement],
    curve: Curve,
    replicas: int,
) -> bool:
    slots = [range(_slots(snapshot, service, others, curve, n) + 1) for n in snapshot.nodes]
    return any(
        _within_limits(snapshot, service, others, curve, counts)
        for counts in product(*slots)
        if sum(counts) == replicas
    )


def _slots(
    snapshot: Snapshot, service: Service, others: list[Placement], curve: Curve, node: Node
) -> int:
    """Return how many new replicas NPUs, cpu and pods of a node allow."""
    npu_class = snapshot.classes[curve[0].npu_class]
    shape = service.shape
    admits = (
        node.npu_class == npu_class.name
        and node.ready
        and not node.unschedulable
        and tolerated(node.taints, shape.tolerations + npu_class.tolerations)
        and (
            shape.affinity is None or any(t.matches(node.name, node.labels) for t in shape.affinity)
        )
    )
    here = [p for p in others if p.node == node.name]
    pods = sum(p.replicas for p in here)
    held = sum(p.replicas * p.variant.npus for p in here)
    free = node.npus_allocatable - node.foreign_npus - node.stuck_npus - held
    by_cpu = (node.cpu_milli - pods * 1000) // 1000
    return max(0, min(free // curve[0].npus, by_cpu, node.pods - pods)) if admits else 0


def _within_limits(
    snapshot: Snapshot,
    service: Service,
    others: list[Placement],
    curve: Curve,
    counts: tuple[int, ...],
) -> bool:
    mine = [
        _placement(snapshot, service, curve, node.name, count)
        for node, count in zip(snapshot.nodes, counts, strict=True)
        if count
    ]
    placements = others + mine
    touched = {p.node for p in mine}
    return all(
        counted(snapshot, budget, placements) <= budget.cap.milliwatts
        for budget in snapshot.budgets
        if touched & set(budget.nodes)
    ) and not quota_excess(snapshot, placements, service.key.namespace)


def _placement(
    snapshot: Snapshot, service: Service, curve: Curve, node: str, count: int
) -> Placement:
    point = curve[0]
    npu_class = snapshot.classes[point.npu_class]
    reserved = npu_class.idle * point.npus + b.watts(above_idle(snapshot, curve))
    variant = b.variant(point.npu_class, point.npus, dict(point.env))
    power = b.watts(0)
    return Placement(service.key, variant, "", node, count, b.rate(0), reserved * count, power)


def quota_excess(snapshot: Snapshot, placements: Iterable[Placement], namespace: str) -> set[str]:
    """Return the quota keys of a namespace that placements exceed."""
    here = [p for p in placements if p.service.namespace == namespace]
    use = {"cpu": 0, "pods": 0, "kwatt.dev/watts": 0}
    for p in here:
        npu_class = snapshot.classes.get(p.variant.npu_class)
        idle = npu_class.idle.milliwatts * p.variant.npus if npu_class else 0
        above = (p.reserved.milliwatts - idle * p.replicas) // 1000
        use["kwatt.dev/watts"] += above
        use["cpu"] += 1000 * p.replicas
        use["pods"] += p.replicas
        npus = use.get(p.variant.resource, 0)
        use[p.variant.resource] = npus + p.replicas * p.variant.npus
    return {
        key
        for quota in snapshot.quotas
        if quota.namespace == namespace
        for key, hard in quota.hard.items()
        if use.get(key, 0) > hard - quota.used_by_others.get(key, 0) and use.get(key, 0) > 0
    }
