"""Nodes of the snapshot: the class that each belongs to and what pods besides incumbents hold there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from kwatt import names
from kwatt.model.npu import NpuClass
from kwatt.model.snapshot import Node, Pod
from kwatt.observation.matching import NodeIndex
from kwatt.observation.memory import Memory
from kwatt.observation.ownership import Owned, shared_hostnames
from kwatt.observation.values import Notice, NoticeReason, ParsedNode, ParsedPod


@dataclass(frozen=True, slots=True)
class Match:
    """The classes that match a node, and of a single one the resource that the node offers."""

    names: tuple[str, ...]
    npu_class: NpuClass | None = None
    resource: str | None = None


class Held(NamedTuple):
    """The unfinished pods on a node that are not KWatt's, and those of KWatt's that draw but serve nothing."""

    foreign: Sequence[ParsedPod]
    stuck: Sequence[Pod]


class Occupancy:
    """The pods on each node that are not incumbents: foreign ones, and own ones that are stuck.

    Own pods are stuck that terminate on a node that is not ready, because they may still draw there, and
    those whose InferenceService is gone (`retired`, by uid) until the garbage collector has taken them.
    """

    def __init__(
        self, nodes: Iterable[ParsedNode], owned: Owned, retired: frozenset[str] = frozenset()
    ) -> None:
        self._foreign: defaultdict[str, list[ParsedPod]] = defaultdict(list)
        self._stuck: defaultdict[str, list[Pod]] = defaultdict(list)
        ready = {node.name for node in nodes if node.ready}
        for foreign in owned.foreign:
            if foreign.node and not foreign.finished:
                self._foreign[foreign.node].append(foreign)
        for pod in owned.pods:
            lingers = pod.terminating and pod.assigned not in ready
            if pod.assigned and not pod.finished and (lingers or pod.uid in retired):
                self._stuck[pod.assigned].append(pod)

    def on(self, node: str) -> Held:
        """Return what is held on `node` besides incumbents."""
        return Held(self._foreign.get(node, ()), self._stuck.get(node, ()))


def resolve_nodes(
    index: NodeIndex, classes: Mapping[str, NpuClass], occupancy: Occupancy, memory: Memory
) -> tuple[tuple[Node, ...], tuple[Notice, ...]]:
    """Give each node its class and its sums, sorted by name; notices say which nodes are not used."""
    shared = shared_hostnames(index.nodes)
    matching = _matching_classes(index, classes)
    memory.nodes.open(classes)
    resolved: list[Node] = []
    notices: list[Notice] = []
    for number, node in enumerate(index.nodes):
        match = _match(node, tuple(matching.get(number, ())), classes)
        hostname = node.labels.get(names.HOSTNAME_LABEL, "")
        pin_by_name = not hostname or hostname in shared
        held = occupancy.on(node.name)
        resolved.append(memory.nodes.value(_node, node, match, held, pin_by_name))
        notices += _notices(node, match)
    return tuple(resolved), tuple(notices)


def match_classes(node: ParsedNode, classes: Mapping[str, NpuClass]) -> Match:
    """Find the classes whose selector matches; a single one gives its first resource that the node has."""
    matching = (name for name in sorted(classes) if classes[name].selector.matches(node.labels))
    return _match(node, tuple(matching), classes)


def _matching_classes(index: NodeIndex, classes: Mapping[str, NpuClass]) -> dict[int, list[str]]:
    """Return the names of the classes that match each node, sorted, by the node's number."""
    matching: defaultdict[int, list[str]] = defaultdict(list)
    for name in sorted(classes):
        for number in index.matching(classes[name].selector):
            matching[number].append(name)
    return matching


def _match(node: ParsedNode, matching: tuple[str, ...], classes: Mapping[str, NpuClass]) -> Match:
    if len(matching) != 1:
        return Match(matching)
    npu_class = classes[matching[0]]
    for offered in (node.allocatable, node.capacity):
        for resource in npu_class.resources:
            if offered.get(resource, 0) > 0:
                return Match(matching, npu_class, resource)
    return Match(matching)


def _node(node: ParsedNode, match: Match, held: Held, pin_by_name: bool) -> Node:  # noqa: FBT001 - by position
    foreign, stuck = held
    npu_names = match.npu_class.resources if match.npu_class else ()
    resource = match.resource or ""
    return Node(
        name=node.name,
        labels=node.labels,
        taints=node.taints,
        ready=node.ready,
        unschedulable=node.unschedulable,
        npu_class=match.npu_class.name if match.npu_class else None,
        conflict=match.names if len(match.names) > 1 else (),
        resource=match.resource,
        npus_capacity=node.capacity.get(resource, 0),
        npus_allocatable=node.allocatable.get(resource, 0),
        cpu_milli=node.cpu_milli,
        memory_bytes=node.memory_bytes,
        pods=node.pods,
        other_cpu_milli=sum(pod.cpu_milli for pod in foreign),
        other_memory_bytes=sum(pod.memory_bytes for pod in foreign),
        other_pods=len(foreign),
        foreign_npus=sum(pod.asked.get(name, 0) for pod in foreign for name in npu_names),
        foreign_watts=sum(pod.asked.get(names.WATTS, 0) for pod in foreign),
        stuck_npus=sum(pod.variant.npus for pod in stuck),
        stuck_watts=sum(pod.watts for pod in stuck),
        advertised_watts=node.allocatable.get(names.WATTS, node.capacity.get(names.WATTS)),
        resource_version=node.resource_version,
        pin_by_name=pin_by_name,
    )


def _notices(node: ParsedNode, match: Match) -> list[Notice]:
    if len(match.names) > 1:
        return [
            _notice(
                node,
                NoticeReason.NODE_CONFLICT,
                f"node {node.name} matches the NPUClasses {' and '.join(match.names)} and is used for "
                "neither; narrow a nodeSelector",
            )
        ]
    if match.names and match.npu_class is None:
        return [
            _notice(
                node,
                NoticeReason.NODE_WITHOUT_RESOURCE,
                f"node {node.name} matches NPUClass {match.names[0]} but offers none of its resources; "
                "is the device plugin running?",
            )
        ]
    return []


def _notice(node: ParsedNode, reason: NoticeReason, message: str) -> Notice:
    return Notice("Node", "", node.name, reason, message)
