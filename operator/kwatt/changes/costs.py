"""The pod-deletion-cost of replicas: who goes first when their Deployment shrinks.

Each pod gets one less than those before it when it is released, in the same patch. So the last to come is the
first to go, and where the plan loses that one nothing has to be written.
https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/#pod-deletion-cost
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from kwatt.changes.values import Cost
from kwatt.model.snapshot import Pod

_LEAST: Final = -(2**30)  # the annotation is a 32-bit number; releases of one cycle go below it


def cost_below(pods: Iterable[Pod]) -> int:
    """Return the cost of the next pod to be released beside `pods`: 0 of the first one."""
    costs = (pod.deletion_cost for pod in pods if pod.assigned is not None)
    return max(_LEAST, min(costs, default=1) - 1)


def costs_to_lose(pods: Iterable[Pod], surplus: Iterable[Pod]) -> tuple[Cost, ...]:
    """Return what must be written so that all of `surplus` go before all others that are assigned.

    Who is assigned nowhere goes before them whatever it costs.
    """
    leaving = {pod.key: pod for pod in surplus}
    staying = [pod for pod in pods if pod.key not in leaving and pod.assigned is not None]
    least = min((pod.deletion_cost for pod in staying), default=0)
    if least > _LEAST:
        return tuple(
            Cost(pod.key, pod.uid, least - 1)
            for pod in (leaving[key] for key in sorted(leaving) if staying)
            if pod.deletion_cost >= least
        )
    marks = [(pod, 0) for pod in staying] + [(pod, -1) for pod in leaving.values()]
    return tuple(
        Cost(pod.key, pod.uid, mark)
        for pod, mark in sorted(marks, key=lambda one: one[0].key)
        if pod.deletion_cost != mark
    )
