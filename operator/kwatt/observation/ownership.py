"""Which Deployments and pods are KWatt's own: labels alone can be forged by a tenant.

A Deployment is KWatt's if its label names the InferenceService that controls it. A pod is KWatt's if a
ReplicaSet of such a Deployment controls it, named `<deployment>-<pod-template-hash>`, or if it was KWatt's
when last seen and its Deployment has gone since. Whatever fails this is foreign, counts at its class's
maximum, and is never touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from kwatt import names
from kwatt.model.keys import PodKey, ServiceKey, Variant
from kwatt.model.snapshot import Deployment, Pod
from kwatt.observation.memory import Memory
from kwatt.observation.parsing.pods import TEMPLATE_HASH
from kwatt.observation.values import ParsedDeployment, ParsedNode, ParsedPod
from kwatt.observation.world import World

Resources = Mapping[str, tuple[str, ...]]  # the names under which plugins offer a class, by class
UNKNOWN_VARIANT = Variant(
    "", "", 0, ""
)  # like nothing that is planned, so it is put right or removed


@dataclass(frozen=True, slots=True)
class Owned:
    """KWatt's Deployments and pods, and everybody else's pods."""

    deployments: tuple[Deployment, ...]
    pods: tuple[Pod, ...]
    foreign: tuple[ParsedPod, ...]


def sort_out(world: World, memory: Memory) -> Owned:
    """Tell KWatt's own Deployments and pods from foreign ones; all sorted by name."""
    resources = {one.name: one.resources for one in world.classes}
    memory.deployments.open(resources)
    memory.pods.open(resources)
    deployment_of, pod_of = partial(_deployment, resources), partial(_pod, resources)
    deployments = {
        (one.namespace, one.name): memory.deployments.value(deployment_of, one)
        for one in world.deployments
        if one.service
    }
    pins = _Pins(world.nodes)
    own: list[Pod] = []
    foreign: list[ParsedPod] = []
    for pod in world.pods:
        deployment = _deployment_of(pod, deployments)
        if deployment is None and pod.uid in world.recognised:
            deployment = _former_deployment(pod)
        made = None
        if deployment is not None:
            made = memory.pods.value(pod_of, pod, deployment, pins.pin(pod))
        if made is None:
            foreign.append(pod)
        else:
            own.append(made)
    return Owned(
        deployments=tuple(deployments[key] for key in sorted(deployments)),
        pods=tuple(sorted(own, key=lambda pod: pod.key)),
        foreign=tuple(sorted(foreign, key=lambda pod: (pod.namespace, pod.name))),
    )


class _Pins:
    """From what a pod is narrowed to back to the node's name."""

    def __init__(self, nodes: Iterable[ParsedNode]) -> None:
        self._names: dict[str, str] = {}
        self._shared = shared_hostnames(nodes)
        for node in nodes:
            self._names[node.labels.get(names.HOSTNAME_LABEL, "")] = node.name

    def pin(self, pod: ParsedPod) -> str | None:
        """Return the node to which `pod` was released; the bare hostname if that node is gone."""
        if pod.gated:
            return None
        if pod.node_name or not pod.hostname or pod.hostname in self._shared:
            return pod.node_name
        return self._names.get(pod.hostname, pod.hostname)


def shared_hostnames(nodes: Iterable[ParsedNode]) -> frozenset[str]:
    """Return the values of the hostname label that more than one node carries."""
    seen: set[str] = set()
    shared: set[str] = set()
    for node in nodes:
        hostname = node.labels.get(names.HOSTNAME_LABEL, "")
        (shared if hostname in seen else seen).add(hostname)
    return frozenset(shared)


def _deployment_of(
    pod: ParsedPod, deployments: Mapping[tuple[str, str], Deployment]
) -> Deployment | None:
    name = pod.labels.get(names.VARIANT_LABEL, "")
    deployment = deployments.get((pod.namespace, name))
    if deployment is None or deployment.service.name != pod.labels.get(names.SERVICE_LABEL):
        return None
    template_hash = pod.labels.get(TEMPLATE_HASH)
    return deployment if template_hash and pod.replica_set == f"{name}-{template_hash}" else None


def _former_deployment(pod: ParsedPod) -> Deployment:
    """Stand in for the Deployment of a pod of KWatt's that outlives it."""
    return Deployment(
        namespace=pod.namespace,
        name=pod.labels.get(names.VARIANT_LABEL, ""),
        uid="",
        owner_uid="",
        service=ServiceKey(pod.namespace, pod.labels.get(names.SERVICE_LABEL, "")),
        variant=UNKNOWN_VARIANT,
        replicas=0,
        desired="",
    )


def _variant(
    labels: Mapping[str, str], asked: Mapping[str, int], resources: Resources
) -> Variant | None:
    """Read the variant from KWatt's labels and the NPU resource from what is asked for."""
    count = labels.get(names.NPUS_LABEL, "")
    npus = int(count) if count.isascii() and count.isdigit() and len(count) < 6 else 0
    npu_class = labels.get(names.CLASS_LABEL, "")
    names_of_class = resources.get(npu_class, ())
    candidates = sorted(
        (name for name in asked if name != names.WATTS and asked[name] == npus),
        key=lambda name: (
            name not in names_of_class,
            name,
        ),  # the class may have been renamed since
    )
    if not npu_class or not npus or not candidates:
        return None
    return Variant(npu_class, candidates[0], npus, labels.get(names.SETTING_LABEL, ""))


def _deployment(resources: Resources, one: ParsedDeployment) -> Deployment:
    return Deployment(
        namespace=one.namespace,
        name=one.name,
        uid=one.uid,
        owner_uid=one.owner_uid,
        service=ServiceKey(one.namespace, one.service),
        variant=_variant(one.labels, one.asked, resources) or UNKNOWN_VARIANT,
        replicas=one.replicas,
        desired=one.desired,
        generation=one.generation,
        failure=one.failure,
    )


def _pod(
    resources: Resources, pod: ParsedPod, deployment: Deployment, pin: str | None
) -> Pod | None:
    """Return a pod of a Deployment of KWatt's, None where it is not of any variant."""
    variant = _variant(pod.labels, pod.asked, resources)
    if variant is None:
        return None
    return Pod(
        key=PodKey(pod.namespace, pod.name),
        uid=pod.uid,
        resource_version=pod.resource_version,
        service=deployment.service,
        variant=variant,
        deployment=deployment.name,
        node=pod.node,
        pin=pin,
        gated=pod.gated,
        terminating=pod.terminating,
        finished=pod.finished,
        ready=pod.ready,
        watts=pod.asked.get(names.WATTS, 0),
        cpu_milli=pod.cpu_milli,
        memory_bytes=pod.memory_bytes,
        deletion_cost=pod.deletion_cost,
        created=pod.created,
        released=pod.released,
        has_node_selector=pod.has_node_selector,
        affinity_terms=pod.affinity_terms,
        other_gates=pod.other_gates,
    )
