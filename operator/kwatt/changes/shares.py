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


@dataclass(frozen=True, slots=True)
class Held:
    """What pods hold on one node now, terminating ones included.

    `watts` are whole watts above idle, `npus` those of the node's own class, and `idle` the idle
    milliwatts of NPUs of any other class: the node's label may be gone while its pods run on.
    """

    watts: int = 0
    npus: int = 0
    idle: int = 0
    pods: int = 0


def node_watts(node: Node, classes: Mapping[str, NpuClass], held_npus: int = 0) -> NodeWatts:
    """Compute what `node` draws whatever is planned; all 0 where no class, or more than one, matches.

    Pods may hold more NPUs than the node says to have, when its device plugin lost some.
    """
    npu_class = classes.get(node.npu_class or "")
    if npu_class is None:
        return NodeWatts(0, 0, 0)
    above_idle = max(0, npu_class.max.milliwatts - npu_class.idle.milliwatts)
    per_npu = ceiling(above_idle, 1000) * 1000
    own = max(0, node.npus_capacity - node.foreign_npus)
    npus = max(node.npus_capacity, node.foreign_npus + held_npus)
    return NodeWatts(
        idle=npu_class.idle.milliwatts * npus,
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


def held_on(snapshot: Snapshot, pod_watts: Mapping[Group, int]) -> dict[str, Held]:
    """Sum what pods hold on each node of the snapshot.

    A pod counts what it asked for or what its variant draws by today's profile, whichever is more.
    """
    held = {node.name: Held(watts=node.foreign_watts) for node in snapshot.nodes}
    class_of = {node.name: node.npu_class for node in snapshot.nodes}
    for pod in snapshot.pods:
        if pod.assigned in held and not pod.finished:
            before, npus = held[pod.assigned], pod.variant.npus
            npu_class = snapshot.classes.get(pod.variant.npu_class)
            is_own = pod.variant.npu_class == class_of[pod.assigned]
            strange_idle = npu_class.idle.milliwatts * npus if npu_class and not is_own else 0
            most = max(pod.watts, pod_watts.get(Group(pod.service, pod.variant), 0))
            held[pod.assigned] = Held(
                watts=before.watts + most,
                npus=before.npus + (npus if is_own else 0),
                idle=before.idle + strange_idle,
                pods=before.pods + 1,
            )
    return held


def target_shares(snapshot: Snapshot, planned: Mapping[str, int]) -> dict[str, int]:
    """Return the share that each node with NPUs should advertise, in whole watts above idle."""
    watts = {node.name: node_watts(node, snapshot.classes) for node in snapshot.nodes}
    binding = _binding_nodes(snapshot.budgets, watts, planned)
    targets = {}
    for node in snapshot.nodes:
        need = planned.get(node.name, 0) + node.foreign_watts
        if node.name not in binding and node.npu_class is not None:
            need = max(need, watts[node.name].most // 1000)
        if need or node.npu_class is not None or node.advertised_watts:
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
        self, snapshot: Snapshot, advertised: Mapping[str, int], held: Mapping[str, Held]
    ) -> None:
        self._over: defaultdict[str, list[Budget]] = defaultdict(list)
        self._left: dict[str, int] = {}
        self._reach = {name: max(advertised.get(name, 0), held[name].watts) for name in held}
        watts = {n.name: node_watts(n, snapshot.classes, held[n.name].npus) for n in snapshot.nodes}
        self._idle = {name: node.idle for name, node in watts.items()}
        self._dark = {  # nodes that nothing holds and that advertise nothing
            n.name
            for n in snapshot.nodes
            if not (n.foreign_npus or held[n.name].pods or self._reach[n.name])
        }
        for budget in snapshot.budgets:
            left = budget.cap.milliwatts - budget.host.milliwatts
            for name in budget.nodes:
                self._over[name].append(budget)
                idle = 0 if budget.empty_off and name in self._dark else self._idle[name]
                left -= idle + held[name].idle + watts[name].foreign + self._reach[name] * 1000
            self._left[budget.name] = left

    @property
    def left(self) -> dict[str, Power]:
        """Return what each budget has left of its cap, negative where it is exceeded."""
        return {name: Power(milliwatts) for name, milliwatts in self._left.items()}

    def grant(self, node: str, share: int) -> int:
        """Return how much of `share` whole watts `node` may advertise, and count it.

        Nothing while a budget over it is exceeded. That its watts count already is no reason: the pods
        that hold them may be about to end, and a write in the air may not have raised it after all.
        """
        if not self.keeps(node):
            return 0
        reach = self._reach[node]
        left = min((self._left_for(budget, node) for budget in self._over[node]), default=None)
        granted = share if left is None else max(0, min(share, reach + left // 1000))
        if granted > reach:
            self.take(node, granted - reach)
            self._reach[node] = granted
        return granted

    def keeps(self, node: str) -> bool:
        """Tell whether every budget over `node` is kept."""
        return all(self._left[budget.name] >= 0 for budget in self._over[node])

    def take(self, node: str, watts: int) -> bool:
        """Take whole watts on `node`, and its idle watts if it was empty; False where a cap has not so much."""
        over = self._over[node]
        if any(self._left_for(budget, node) < watts * 1000 for budget in over):
            return False
        for budget in over:
            self._left[budget.name] -= watts * 1000 + self._wake_watts(budget, node)
        self._dark.discard(node)
        return True

    def _left_for(self, budget: Budget, node: str) -> int:
        return self._left[budget.name] - self._wake_watts(budget, node)

    def _wake_watts(self, budget: Budget, node: str) -> int:
        return self._idle[node] if budget.empty_off and node in self._dark else 0


def share_changes(
    snapshot: Snapshot, targets: Mapping[str, int], headroom: Headroom
) -> tuple[tuple[ShareChange, ...], tuple[ShareChange, ...]]:
    """Return the shares to lower and those to raise now; a raise waits until the watts are really free.

    `headroom` counts what each node may advertise at most; what it does advertise is in the snapshot.
    """
    lower, rise = [], []
    for node in snapshot.nodes:
        target, now = targets.get(node.name), node.advertised_watts
        if target is None:
            continue
        if now is not None and target < now:
            lower.append(ShareChange(node.name, now, target, node.resource_version))
        elif now is None or target > now:
            after = headroom.grant(node.name, target)
            if after > (now or 0):
                rise.append(ShareChange(node.name, now, after, node.resource_version))
    return tuple(lower), tuple(rise)
