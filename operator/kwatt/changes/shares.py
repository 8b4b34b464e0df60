"""Shares of kwatt.dev/watts: how many watts above idle each node may advertise to the kube-scheduler.

Where the physical maximum of all NPUs under every budget over a node fits its cap, the node advertises its
own physical maximum, which never changes. Where a budget binds, a node advertises exactly what is planned
on it. So the sum of shares, idle, foreign and host watts never exceeds a cap (design 3.4), and a cluster
without tight budgets sees no writes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kwatt.changes.values import Group, ShareChange
from kwatt.model.npu import NpuClass
from kwatt.model.plan import Plan
from kwatt.model.snapshot import Budget, Node, Snapshot
from kwatt.units import Power, ceiling


@dataclass(frozen=True, slots=True)
class NodeWatts:
    """Milliwatts of one node: `idle` of all its NPUs, `foreign` above idle, `most` above idle physically."""

    idle: int
    foreign: int
    most: int


def node_watts(node: Node, classes: Mapping[str, NpuClass]) -> NodeWatts:
    """Compute what `node` draws whatever is planned; all 0 where no class, or more than one, matches."""
    npu_class = classes.get(node.npu_class or "")
    if npu_class is None:
        return NodeWatts(0, 0, 0)
    above_idle = max(0, npu_class.max.milliwatts - npu_class.idle.milliwatts)
    per_npu = ceiling(above_idle, 1000) * 1000
    own = max(0, node.npus_capacity - node.foreign_npus)
    return NodeWatts(
        idle=npu_class.idle.milliwatts * node.npus_capacity,
        foreign=above_idle * node.foreign_npus,
        most=per_npu * own,
    )


def planned_watts(plan: Plan, pod_watts: Mapping[Group, int]) -> dict[str, int]:
    """Sum the whole watts above idle that the plan puts on each node."""
    planned: defaultdict[str, int] = defaultdict(int)
    for placement in plan.placements:
        watts = pod_watts[Group(placement.service, placement.variant)]
        planned[placement.node] += watts * placement.replicas
    return dict(planned)


def held_watts(snapshot: Snapshot, pod_watts: Mapping[Group, int]) -> dict[str, int]:
    """Sum the whole watts above idle that pods hold on each node now, terminating ones included.

    A pod counts what it asked for or what its variant draws by today's profile, whichever is more.
    """
    held: defaultdict[str, int] = defaultdict(int)
    for pod in snapshot.pods:
        if pod.assigned is not None and not pod.finished:
            group = Group(pod.service, pod.variant)
            held[pod.assigned] += max(pod.watts, pod_watts.get(group, 0))
    for node in snapshot.nodes:
        held[node.name] += node.foreign_watts
    return dict(held)


def target_shares(
    snapshot: Snapshot, planned: Mapping[str, int], advertised: Mapping[str, int]
) -> dict[str, int]:
    """Return the share that each node with NPUs should advertise, in whole watts above idle."""
    watts = {node.name: node_watts(node, snapshot.classes) for node in snapshot.nodes}
    binding = _binding_nodes(snapshot.budgets, watts, planned)
    targets = {}
    for node in snapshot.nodes:
        need = planned.get(node.name, 0) + node.foreign_watts
        if node.name not in binding and node.npu_class is not None:
            need = max(need, watts[node.name].most // 1000)
        if need or node.npu_class is not None or advertised.get(node.name):
            targets[node.name] = need
    return targets


def _binding_nodes(
    budgets: Iterable[Budget], watts: Mapping[str, NodeWatts], planned: Mapping[str, int]
) -> set[str]:
    binding: set[str] = set()
    for budget in budgets:
        most = budget.host.milliwatts
        for name in budget.nodes:
            node = watts[name]
            most += node.idle + node.foreign + max(node.most, planned.get(name, 0) * 1000)
        if most > budget.cap.milliwatts:
            binding.update(budget.nodes)
    return binding


class Headroom:
    """Running worst case of every budget: what nodes advertise or hold, whichever is more. Milliwatts."""

    def __init__(
        self, snapshot: Snapshot, advertised: Mapping[str, int], held: Mapping[str, int]
    ) -> None:
        self._over: defaultdict[str, list[Budget]] = defaultdict(list)
        self._left: dict[str, int] = {}
        self._idle: dict[str, int] = {}
        self._dark: set[str] = set()  # nodes that nothing holds and that advertise nothing
        self._reach = {
            node.name: max(advertised.get(node.name, 0), held.get(node.name, 0))
            for node in snapshot.nodes
        }
        watts = {node.name: node_watts(node, snapshot.classes) for node in snapshot.nodes}
        busy = {n.name for n in snapshot.nodes if n.foreign_npus or self._reach[n.name]}
        for budget in snapshot.budgets:
            left = budget.cap.milliwatts - budget.host.milliwatts
            for name in budget.nodes:
                self._over[name].append(budget)
                node = watts[name]
                idle = 0 if budget.empty_off and name not in busy else node.idle
                left -= idle + node.foreign + self._reach[name] * 1000
            self._left[budget.name] = left
        self._idle = {name: node.idle for name, node in watts.items()}
        self._dark = {node.name for node in snapshot.nodes} - busy

    @property
    def left(self) -> dict[str, Power]:
        """Return what each budget has left of its cap, negative where it is exceeded."""
        return {name: Power(milliwatts) for name, milliwatts in self._left.items()}

    def grant(self, node: str, share: int) -> int:
        """Take as much of `share` whole watts for `node` as every budget over it has left; return it."""
        reach = self._reach[node]
        more = share - reach
        if more <= 0:
            return share
        for budget in self._over[node]:
            left = self._left[budget.name] - self._wake_watts(budget, node)
            more = min(more, left // 1000)
        if more <= 0:
            return reach
        for budget in self._over[node]:
            self._left[budget.name] -= more * 1000 + self._wake_watts(budget, node)
        self._dark.discard(node)
        self._reach[node] = reach + more
        return reach + more

    def _wake_watts(self, budget: Budget, node: str) -> int:
        return self._idle[node] if budget.empty_off and node in self._dark else 0


def share_changes(
    snapshot: Snapshot,
    targets: Mapping[str, int],
    advertised: Mapping[str, int],
    held: Mapping[str, int],
) -> tuple[tuple[ShareChange, ...], tuple[ShareChange, ...]]:
    """Return the shares to lower and those to raise now; a raise waits until the watts are really free."""
    headroom = Headroom(snapshot, advertised, held)
    lower, rise = [], []
    for node in snapshot.nodes:
        target = targets.get(node.name)
        if target is None:
            continue
        now = advertised.get(node.name)
        if now is not None and target < now:
            lower.append(ShareChange(node.name, now, target, node.resource_version))
        elif now is None or target > now:
            granted = headroom.grant(node.name, target)
            after = min(target, granted)
            if after > (now or 0):
                rise.append(ShareChange(node.name, now, after, node.resource_version))
    return tuple(lower), tuple(rise)
