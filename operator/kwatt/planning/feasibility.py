"""Node fitness: which nodes may take new replicas, as the kube-scheduler would judge. No capacity here."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from kwatt.model.keys import Variant
from kwatt.model.selectors import NodeTerm, Toleration, tolerated
from kwatt.model.snapshot import Node, PodShape
from kwatt.planning.layout import Ints, Layout

# Taints with which Kubernetes itself marks nodes that are cordoned, not ready, under pressure or new.
_CONDITION_TAINTS = "node.kubernetes.io/"


class Fitness(NamedTuple):
    """All that decides whether a node admits a pod, apart from capacity."""

    npu_class: str
    resource: str
    node_selector: tuple[tuple[str, str], ...]
    affinity: tuple[NodeTerm, ...] | None
    tolerations: tuple[Toleration, ...]


class Pools:
    """Numbers of the nodes that admit a pod, ascending; found once per distinct fitness."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._by_kind: dict[tuple[str, str], list[int]] = {}
        self._ready: dict[Fitness, Ints] = {}
        self._admitted: dict[Fitness, Ints] = {}
        for number, node in enumerate(layout.nodes):
            if node.npu_class is not None and node.resource is not None:
                self._by_kind.setdefault((node.npu_class, node.resource), []).append(number)

    def resources(self, npu_class: str) -> tuple[str, ...]:
        """Return the resource names under which nodes offer NPUs of a class, sorted."""
        return tuple(sorted(r for c, r in self._by_kind if c == npu_class))

    def of_kind(self, variant: Variant) -> Ints:
        """Return the nodes with the NPUs of a variant, whatever else they admit."""
        return _array(self._by_kind.get((variant.npu_class, variant.resource), []))

    def ready(self, fitness: Fitness) -> Ints:
        """Return the nodes that admit new replicas now."""
        if fitness not in self._ready:
            admitted = self.of_kind(_kind(fitness)).tolist()
            self._ready[fitness] = _array(
                [number for number in admitted if _admits_now(self._layout.nodes[number], fitness)]
            )
        return self._ready[fitness]

    def admitted(self, fitness: Fitness) -> Ints:
        """Return the nodes that would admit new replicas if all were ready and not cordoned."""
        if fitness not in self._admitted:
            of_kind = self.of_kind(_kind(fitness)).tolist()
            self._admitted[fitness] = _array(
                [number for number in of_kind if _admits(self._layout.nodes[number], fitness)]
            )
        return self._admitted[fitness]


def fitness_of(
    variant: Variant, shape: PodShape, class_tolerations: tuple[Toleration, ...]
) -> Fitness:
    """Return what decides on nodes for a variant's pods: their shape with the class's tolerations."""
    return Fitness(
        variant.npu_class,
        variant.resource,
        shape.node_selector,
        shape.affinity,
        shape.tolerations + class_tolerations,
    )


def admits_alike(node: Node, fitness: Fitness) -> bool:
    """Tell whether a new node would admit the pod that is like this one, which does, but for its name."""
    others = {key: value for key, value in node.labels.items() if value != node.name}
    return _selects(replace(node, name="", labels=others), fitness)


def _kind(fitness: Fitness) -> Variant:
    return Variant(fitness.npu_class, fitness.resource, 0, "")


def _admits_now(node: Node, fitness: Fitness) -> bool:
    return (
        node.ready
        and not node.unschedulable
        and tolerated(node.taints, fitness.tolerations)
        and _selects(node, fitness)
    )


def _admits(node: Node, fitness: Fitness) -> bool:
    lasting = [t for t in node.taints if not t.key.startswith(_CONDITION_TAINTS)]
    return tolerated(lasting, fitness.tolerations) and _selects(node, fitness)


def _selects(node: Node, fitness: Fitness) -> bool:
    if any(node.labels.get(key) != value for key, value in fitness.node_selector):
        return False
    if fitness.affinity is None:
        return True
    return any(term.matches(node.name, node.labels) for term in fitness.affinity)


def _array(numbers: list[int]) -> Ints:
    return np.array(numbers, dtype=np.int64)
