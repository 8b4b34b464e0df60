"""What is really free on the nodes at this moment: a pod is released only into that.

The kube-scheduler would preempt others for a pod that is released too early (design 3.5).
"""

from __future__ import annotations

from collections.abc import Mapping

from kwatt.changes.shares import Headroom
from kwatt.model.snapshot import Node, Pod, Snapshot


class Room:
    """What is really free on the nodes now, for releasing pods: watts, NPUs, cpu, memory, pod slots.

    Of the headrooms the first counts what nodes may advertise, the second what pods hold. While a cap is
    exceeded by either, a share that is still free is no reason to release a pod.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        shares: Mapping[str, int],
        headrooms: tuple[Headroom, Headroom],
    ) -> None:
        self._reach, self._now = headrooms
        self._nodes = {node.name: node for node in snapshot.nodes}
        self._watts = {
            name: shares.get(name, 0) - n.foreign_watts for name, n in self._nodes.items()
        }
        self._npus = {n.name: n.npus_allocatable - n.foreign_npus for n in snapshot.nodes}
        self._cpu = {n.name: n.cpu_milli - n.other_cpu_milli for n in snapshot.nodes}
        self._memory = {n.name: n.memory_bytes - n.other_memory_bytes for n in snapshot.nodes}
        self._slots = {n.name: n.pods - n.other_pods for n in snapshot.nodes}
        for pod in snapshot.pods:
            if pod.assigned in self._nodes and not pod.finished:
                self._take(pod.assigned, pod)

    def _take(self, node: str, pod: Pod) -> None:
        self._watts[node] -= pod.watts
        self._npus[node] -= pod.variant.npus
        self._cpu[node] -= pod.cpu_milli
        self._memory[node] -= pod.memory_bytes
        self._slots[node] -= 1

    def admit(self, node: str, pod: Pod) -> bool:
        """Take what `pod` needs on `node`, if all of it is free."""
        if not (self._fits(node, pod) and self._reach.keeps(node)):
            return False
        admitted = self._now.take(node, pod.watts)
        if admitted:
            self._take(node, pod)
        return admitted

    def _fits(self, node: str, pod: Pod) -> bool:
        return (
            node in self._nodes
            and pod.watts <= self._watts[node]
            and pod.variant.npus <= self._npus[node]
            and pod.cpu_milli <= self._cpu[node]
            and pod.memory_bytes <= self._memory[node]
            and self._slots[node] >= 1
        )

    def node(self, name: str) -> Node:
        """Return a node by name."""
        return self._nodes[name]
