"""What ResourceQuotas leave for new pods at this moment: the API server refuses a pod beyond that."""

from __future__ import annotations

from collections import Counter, defaultdict

from kwatt.changes.values import Group
from kwatt.model.snapshot import Pod, Snapshot
from kwatt.names import WATTS


class QuotaRoom:
    """Running sums of what namespaces' quotas leave; pods that wait behind their gate have their part."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._left: defaultdict[str, list[dict[str, int]]] = defaultdict(list)
        self._waiting: Counter[Group] = Counter()
        used: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for pod in snapshot.pods:
            if not pod.finished:
                used[pod.key.namespace].update(_needs(pod))
                gated = pod.assigned is None and not pod.terminating
                self._waiting[Group(pod.service, pod.variant)] += gated
        for quota in snapshot.quotas:
            taken = used[quota.namespace]
            self._left[quota.namespace].append(
                {
                    name: hard - quota.used_by_others.get(name, 0) - taken[name]
                    for name, hard in quota.hard.items()
                }
            )

    def has_room(self, group: Group, pod: Pod) -> bool:
        """Tell whether a pod waits already, or one like `pod` may be made."""
        needs = _needs(pod)
        return self._waiting[group] > 0 or all(
            needs.get(name, 0) <= left or not needs.get(name, 0)
            for quota in self._left[group.service.namespace]
            for name, left in quota.items()
        )

    def take(self, group: Group, pod: Pod) -> bool:
        """Count one that waits, or else a new one like `pod`; always True."""
        if self._waiting[group] > 0:
            self._waiting[group] -= 1
            return True
        for quota in self._left[group.service.namespace]:
            for name in quota:
                quota[name] -= _needs(pod).get(name, 0)
        return True


def _needs(pod: Pod) -> dict[str, int]:
    return {
        WATTS: pod.watts,
        pod.variant.resource: pod.variant.npus,
        "cpu": pod.cpu_milli,
        "memory": pod.memory_bytes,
        "pods": 1,
    }
