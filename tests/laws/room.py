"""What a small cluster has left beside placements that stay, counted by the words of design 5 and 6."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from kwatt.model.keys import Variant
from kwatt.model.plan import Placement
from kwatt.model.snapshot import Node, Service, Snapshot
from kwatt.names import WATTS
from laws.audit import counted

Amounts = tuple[int, ...]


class Room(NamedTuple):
    """What is left: NPUs, millicores, bytes and pods per node; milliwatts per budget; quotas; who is empty."""

    npus: Amounts
    cpu: Amounts
    memory: Amounts
    pods: Amounts
    budgets: Amounts
    quotas: Amounts
    empty: tuple[bool, ...]


def room_beside(snapshot: Snapshot, fixed: Sequence[Placement]) -> Room:
    """Return what placements leave."""
    here = [[p for p in fixed if p.node == node.name] for node in snapshot.nodes]
    both = list(zip(snapshot.nodes, here, strict=True))

    def held(placements: Sequence[Placement], key: str) -> int:
        return sum(p.replicas * _taken(snapshot, p)[key] for p in placements)

    return Room(
        npus=tuple(_free(n) - sum(p.replicas * p.variant.npus for p in on) for n, on in both),
        cpu=tuple(n.cpu_milli - n.other_cpu_milli - held(on, "cpu") for n, on in both),
        memory=tuple(n.memory_bytes - n.other_memory_bytes - held(on, "memory") for n, on in both),
        pods=tuple(n.pods - n.other_pods - held(on, "pods") for n, on in both),
        budgets=tuple(b.cap.milliwatts - counted(snapshot, b, fixed) for b in snapshot.budgets),
        quotas=_quotas(snapshot, fixed),
        empty=tuple(not on and not n.foreign_npus + n.stuck_npus for n, on in both),
    )


def limits_of(snapshot: Snapshot) -> list[tuple[str, str]]:
    """Return namespace and resource of each quota, in the order of `Room.quotas`."""
    return [(quota.namespace, key) for quota in snapshot.quotas for key in sorted(quota.hard)]


def needs_of(service: Service, variant: Variant, watts: int) -> dict[str, int]:
    """Return what one replica asks for, by resource."""
    shape = service.shapes.get(variant.npu_class, service.shape)
    needs = {WATTS: watts, "cpu": shape.cpu_milli, "memory": shape.memory_bytes, "pods": 1}
    return needs | {variant.resource: variant.npus}


def _quotas(snapshot: Snapshot, fixed: Sequence[Placement]) -> Amounts:
    left = {
        (quota.namespace, key): hard - quota.used_by_others.get(key, 0)
        for quota in snapshot.quotas
        for key, hard in quota.hard.items()
    }
    for p in fixed:
        for key, need in _taken(snapshot, p).items():
            if (p.service.namespace, key) in left:
                left[p.service.namespace, key] -= need * p.replicas
    return tuple(left[limit] for limit in limits_of(snapshot))


def _taken(snapshot: Snapshot, p: Placement) -> dict[str, int]:
    """Return what one replica of a placement takes."""
    (service,) = (service for service in snapshot.services if service.key == p.service)
    npu_class = snapshot.classes.get(p.variant.npu_class)
    idle = npu_class.idle.milliwatts * p.variant.npus if npu_class else 0
    watts = (p.reserved.milliwatts // p.replicas - idle) // 1000
    return needs_of(service, p.variant, watts)


def _free(node: Node) -> int:
    usable = min(node.npus_allocatable, node.npus_capacity)
    return usable - node.foreign_npus - node.stuck_npus
