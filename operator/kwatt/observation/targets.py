"""What is to be read, from parsed objects: exporters of nodes, counters of the services' own pods, meters.

Only pods that the API server puts on a node, in the namespace that the administrator named, count as that
node's exporter; only a service's own pods are asked what it serves. So no tenant can speak for another.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from kwatt import names
from kwatt.model.keys import PodKey, ServiceKey
from kwatt.model.targets import (
    ClassQuery,
    CounterFormat,
    ExporterTarget,
    MeterQuery,
    RuntimeTarget,
    Targets,
    Unreadable,
)
from kwatt.model.telemetry import Refusal
from kwatt.observation.matching import NodeIndex
from kwatt.observation.memory import Memory
from kwatt.observation.ownership import sort_out
from kwatt.observation.parsing.counters import counter_format
from kwatt.observation.sources import ParsedTelemetry
from kwatt.observation.values import ParsedClass, ParsedNode, ParsedPod, ParsedService
from kwatt.observation.world import World

RUNTIME_INTERVAL_MS = 15_000
_ON_HOST: Final = Unreadable(
    Refusal.UNREACHABLE,
    "the pod is on the host's network, where a port may be somebody else's, and is not asked; leave "
    "hostNetwork out of the template",
)
Holders = Mapping[str, frozenset[PodKey]]  # pods that hold NPUs of a class, by node


def resolve_targets(
    world: World,
    *,
    meters: Sequence[MeterQuery] = (),
    via: str | None = None,
    memory: Memory | None = None,
) -> Targets:
    """Return all targets, sorted; none where nothing is configured.

    `via` is the administrator's address of a stand-in for all exporters and pods, which serves them as
    /nodes/NODE/metrics and /pods/NAMESPACE/POD/metrics; `memory` is one of the caller's for this purpose only.
    """
    read = [one for one in world.classes if one.telemetry and one.npu_class]
    exporters, queries = _class_targets(world, read, via) if read else ((), ())
    return Targets(
        exporters=tuple(sorted(exporters, key=lambda one: (one.format.npu_class, one.node))),
        runtimes=tuple(sorted(_runtimes(world, via, memory), key=lambda one: one.pod)),
        queries=tuple(sorted(queries, key=lambda one: one.format.npu_class)),
        meters=tuple(sorted(meters, key=lambda one: one.budget)),
    )


@dataclass(frozen=True, slots=True)
class _Fleet:
    """The nodes of one class, its telemetry, the pods that hold its NPUs, and pods that may be exporters."""

    telemetry: ParsedTelemetry
    nodes: Sequence[ParsedNode]
    holders: Holders
    exporting: Sequence[ParsedPod]


def _class_targets(
    world: World, read: Sequence[ParsedClass], via: str | None
) -> tuple[list[ExporterTarget], list[ClassQuery]]:
    exporters: list[ExporterTarget] = []
    queries: list[ClassQuery] = []
    for fleet in _fleets(world, read):
        if fleet.telemetry.prometheus is not None:
            queries.append(_query(fleet))
        else:
            exporters += (
                ExporterTarget(
                    node,
                    url,
                    fleet.telemetry.format,
                    fleet.telemetry.interval_ms,
                    fleet.holders.get(node, frozenset()),
                )
                for node, url in _addresses(fleet, via)
            )
    return exporters, queries


def _fleets(world: World, read: Sequence[ParsedClass]) -> Iterator[_Fleet]:
    """Yield each class that is read, with the nodes that no other class matches."""
    index = NodeIndex(world.nodes)
    matched: defaultdict[int, list[str]] = defaultdict(list)
    for one in world.classes:
        if one.npu_class is not None:
            for number in index.matching(one.npu_class.selector):
                matched[number].append(one.name)
    mine: defaultdict[str, list[ParsedNode]] = defaultdict(list)
    for number in sorted(matched):
        if len(matched[number]) == 1:
            mine[matched[number][0]].append(index.nodes[number])
    holding = [pod for pod in world.pods if pod.asked and pod.node and not pod.finished]
    namespaces = {
        one.telemetry.pods.namespace for one in read if one.telemetry and one.telemetry.pods
    }
    exporting = [pod for pod in world.pods if pod.namespace in namespaces and _answers(pod)]
    for one in read:
        if one.telemetry is not None:
            holders = _holders(holding, one.resources)
            yield _Fleet(one.telemetry, mine[one.name], holders, exporting)


def _answers(pod: ParsedPod) -> bool:
    return pod.reach is not None and pod.reach.ready and not pod.terminating and not pod.finished


def _holders(pods: Sequence[ParsedPod], resources: Sequence[str]) -> Holders:
    holders: defaultdict[str, set[PodKey]] = defaultdict(set)
    for pod in pods:
        if pod.node and not pod.asked.keys().isdisjoint(resources):
            holders[pod.node].add(PodKey(pod.namespace, pod.name))
    return {node: frozenset(keys) for node, keys in holders.items()}


def _addresses(fleet: _Fleet, via: str | None) -> Iterator[tuple[str, str]]:
    """Yield nodes and the addresses of their exporters."""
    telemetry = fleet.telemetry
    if telemetry.static:
        for node, address in telemetry.static:
            yield node, f"{telemetry.scheme}://{address}{telemetry.path}"
    elif via is not None:
        for one in fleet.nodes:
            yield one.name, f"{via.rstrip('/')}/nodes/{quote(one.name, safe='')}/metrics"
    else:
        for node, pod in _exporter_pods(fleet).items():
            yield node, _url(telemetry.scheme, pod, telemetry.port, telemetry.path)


def _exporter_pods(fleet: _Fleet) -> dict[str, ParsedPod]:
    """Return the exporter of each node of the class: of several that are ready the first by name."""
    wanted = fleet.telemetry.pods
    nodes = {node.name for node in fleet.nodes}
    found: dict[str, ParsedPod] = {}
    for pod in fleet.exporting if wanted else ():
        if wanted is None or pod.namespace != wanted.namespace or pod.node not in nodes:
            continue
        if pod.reach is not None and set(wanted.labels) <= set(pod.reach.labels):
            known = found.get(pod.node)
            found[pod.node] = pod if known is None or pod.name < known.name else known
    return found


def _url(scheme: str, pod: ParsedPod, port: int, path: str) -> str:
    address = pod.reach.address if pod.reach else ""
    host = f"[{address}]" if ":" in address else address
    return f"{scheme}://{host}:{port}{path}"


def _query(fleet: _Fleet) -> ClassQuery:
    nodes: dict[str, str] = {}
    for node in fleet.nodes:
        nodes[node.labels.get(names.HOSTNAME_LABEL, node.name)] = node.name
    nodes |= {node.name: node.name for node in fleet.nodes}
    exporters = _exporter_pods(fleet)
    addresses = {pod.reach.address: node for node, pod in exporters.items() if pod.reach}
    return ClassQuery(
        url=fleet.telemetry.prometheus or "",
        format=fleet.telemetry.format,
        interval_ms=fleet.telemetry.interval_ms,
        nodes=nodes | addresses,
        pods=fleet.holders,
    )


def _runtimes(world: World, via: str | None, memory: Memory | None) -> Iterator[RuntimeTarget]:
    """Yield the ready pods of the services that say how they count."""
    services = {ServiceKey(one.namespace, one.name): one for one in world.services if one.counters}
    if not services:
        return
    units = {one.name: one.profile.unit for one in world.profiles}
    by_uid = {pod.uid: pod for pod in world.pods if names.SERVICE_LABEL in pod.labels}
    for pod in sort_out(world, memory or Memory()).pods:
        service, parsed = services.get(pod.service), by_uid.get(pod.uid)
        if service is None or parsed is None or not pod.ready or pod.finished:
            continue
        url = _runtime_url(service, parsed, via)
        if url is not None:
            format = _ON_HOST if _is_on_host(parsed) else _counting(service, units)
            yield RuntimeTarget(pod.key, url, format, RUNTIME_INTERVAL_MS)


def _is_on_host(pod: ParsedPod) -> bool:
    return pod.reach is not None and pod.reach.of_host


def _runtime_url(service: ParsedService, pod: ParsedPod, via: str | None) -> str | None:
    counters = service.counters
    if via is not None:
        path = f"{quote(pod.namespace, safe='')}/{quote(pod.name, safe='')}"
        return f"{via.rstrip('/')}/pods/{path}/metrics"
    if counters is None or pod.reach is None:
        return None
    return _url("http", pod, counters.port, counters.path)


def _counting(service: ParsedService, units: Mapping[str, str]) -> CounterFormat | Unreadable:
    unit = units.get(service.model)
    if unit is None or service.counters is None:
        return Unreadable(Refusal.UNIT_MISMATCH, f"there is no ModelProfile {service.model}")
    return counter_format(service.counters, unit)
