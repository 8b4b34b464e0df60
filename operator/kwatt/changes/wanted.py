"""What the plan wants of each Deployment, and which of its pods are where the plan has none."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from kwatt.changes.values import Group
from kwatt.model.plan import Placement, Plan
from kwatt.model.snapshot import Pod, Snapshot


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the plan wants of one Deployment."""

    group: Group
    nodes: Mapping[str, int]
    pod_watts: int
    operating_point: str

    @property
    def replicas(self) -> int:
        """Replicas over all nodes."""
        return sum(self.nodes.values())


def wanted_groups(snapshot: Snapshot, plan: Plan) -> dict[Group, Wanted]:
    """Collect the plan's placements by Deployment."""
    rows: defaultdict[Group, list[Placement]] = defaultdict(list)
    for placement in plan.placements:
        rows[Group(placement.service, placement.variant)].append(placement)
    return {group: _wanted(snapshot, group, rows[group]) for group in sorted(rows)}


def _wanted(snapshot: Snapshot, group: Group, rows: list[Placement]) -> Wanted:
    nodes = {row.node: row.replicas for row in sorted(rows, key=lambda row: row.node)}
    points = Counter({row.operating_point: row.replicas for row in rows})
    point = min(points, key=lambda name: (-points[name], name))
    return Wanted(group, nodes, _pod_watts(snapshot, rows[0]), point)


def _pod_watts(snapshot: Snapshot, row: Placement) -> int:
    """Return the whole watts above idle of one replica: reserved less the idle watts of its NPUs."""
    npu_class = snapshot.classes.get(row.variant.npu_class)
    idle = npu_class.idle.milliwatts if npu_class else 0
    return (row.reserved.milliwatts // row.replicas - row.variant.npus * idle) // 1000


def active_pods(pods: Iterable[Pod]) -> dict[Group, list[Pod]]:
    """Sort the pods that neither end nor have ended by their Deployment."""
    active: defaultdict[Group, list[Pod]] = defaultdict(list)
    for pod in pods:
        if not pod.terminating and not pod.finished:
            active[Group(pod.service, pod.variant)].append(pod)
    return active


def surplus_of(nodes: Mapping[str, int], pods: Iterable[Pod]) -> list[Pod]:
    """Return the pods on each node beyond what the plan wants there: not ready, cheap to delete, newest."""
    by_node: defaultdict[str, list[Pod]] = defaultdict(list)
    for pod in pods:
        if pod.assigned is not None:
            by_node[pod.assigned].append(pod)
    surplus = []
    for node in sorted(by_node):
        order = sorted(by_node[node], key=keep_order)
        surplus += order[nodes.get(node, 0) :]
    return surplus


def keep_order(pod: Pod) -> tuple[bool, bool, int, float, str]:
    """Rank the pods on a node: who is bound, ready, dear to delete and old stays first."""
    dear = -pod.deletion_cost
    return (pod.node is None, not pod.ready, dear, _seconds(pod.created), pod.key.name)


def _seconds(time: datetime | None) -> float:
    return time.timestamp() if time else 0.0
