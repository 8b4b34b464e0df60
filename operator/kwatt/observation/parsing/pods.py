"""Pods: what they hold on which node, and for those that may be KWatt's who made them and what for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

from kwatt import names
from kwatt.model.selectors import AffinityGap, NodeTerm
from kwatt.observation.parsing.demands import demand_of, grace_of, node_terms
from kwatt.observation.parsing.reading import (
    Body,
    condition,
    controller,
    read_identity,
    read_integer,
    read_items,
    read_mapping,
    read_pairs,
    read_text,
    read_time,
)
from kwatt.observation.sources import PodReach
from kwatt.observation.values import ParsedPod

TEMPLATE_HASH = "pod-template-hash"
OWN_LABELS = (
    names.SERVICE_LABEL,
    names.VARIANT_LABEL,
    names.CLASS_LABEL,
    names.NPUS_LABEL,
    names.SETTING_LABEL,
    TEMPLATE_HASH,
)


_OF_ONE_POD = frozenset(
    (
        TEMPLATE_HASH,
        "controller-revision-hash",
        "pod-template-generation",
        "statefulset.kubernetes.io/pod-name",
        "apps.kubernetes.io/pod-index",
        "batch.kubernetes.io/job-completion-index",
    )
)


def parse_pod(body: Body) -> ParsedPod:
    """Parse a Pod. Raises InvalidInput.

    Of a pod without KWatt's label only what it holds is kept, so that its readiness wakes nobody.
    """
    identity = read_identity(body, "Pod", namespaced=True)
    metadata, spec = read_mapping(body, "metadata"), read_mapping(body, "spec")
    labels = read_pairs(metadata, "labels", "metadata.")
    demand = demand_of(spec)
    phase = read_text(read_mapping(body, "status"), "phase", "status.")
    pod = ParsedPod(
        uid=identity.uid,
        namespace=identity.namespace,
        name=identity.name,
        node=read_text(spec, "nodeName", "spec.") or None,
        terminating=metadata.get("deletionTimestamp") is not None,
        finished=phase in ("Succeeded", "Failed"),
        cpu_milli=demand.of("cpu"),
        memory_bytes=demand.of("memory"),
        asked=demand.extended,
        resource_version=read_text(metadata, "resourceVersion", "metadata."),
        reach=_reach(body, labels),
    )
    return _labelled(pod, body, labels) if names.SERVICE_LABEL in labels else pod


def _labelled(pod: ParsedPod, body: Body, labels: Mapping[str, str]) -> ParsedPod:
    metadata, spec = read_mapping(body, "metadata"), read_mapping(body, "spec")
    annotations = read_pairs(metadata, "annotations", "metadata.")
    selector = read_pairs(spec, "nodeSelector", "spec.")
    gates = [
        read_text(gate, "name", "spec.schedulingGates.")
        for gate in read_items(spec, "schedulingGates", "spec.")
    ]
    terms = node_terms(spec, "spec.")
    ready = condition(body, "Ready")
    return replace(
        pod,
        labels={key: labels[key] for key in OWN_LABELS if key in labels},
        replica_set=_replica_set(body),
        hostname=selector.get(names.HOSTNAME_LABEL),
        node_name=_pinned_name(terms),
        gated=names.GATE in gates,
        other_gates=sum(gate != names.GATE for gate in gates),
        ready=ready is not None and ready.get("status") == "True",
        deletion_cost=_integer(annotations.get(names.DELETION_COST, "")),
        priority=read_integer(spec, "priority", "spec."),
        created=read_time(str(metadata.get("creationTimestamp") or "")),
        released=read_time(annotations.get(names.RELEASED_ANNOTATION, "")),
        has_node_selector=bool(selector),
        affinity_terms=_affinity_gap(spec) if terms is None else len(terms),
        grace_seconds=grace_of(spec, "spec."),
    )


def _reach(body: Body, labels: Mapping[str, str]) -> PodReach | None:
    """Return where the pod answers, None before it has an address."""
    address = read_text(read_mapping(body, "status"), "podIP", "status.")
    if not address:
        return None
    ready = condition(body, "Ready")
    kept = () if names.SERVICE_LABEL in labels else _shared_labels(labels)
    is_ready = ready is not None and ready.get("status") == "True"
    of_host = read_mapping(body, "spec").get("hostNetwork") is True
    return PodReach(address, is_ready, kept, of_host)


def _shared_labels(labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    pairs = labels.items()
    return _once(tuple(sorted(pair for pair in pairs if pair[0] not in _OF_ONE_POD)))


@lru_cache(maxsize=4096)
def _once(labels: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Return the one copy of equal labels: the pods of one workload have the same."""
    return labels


def _affinity_gap(spec: Body) -> AffinityGap | None:
    """Tell how far the path to required node affinity exists; None where not even spec.affinity does."""
    if spec.get("affinity") is None:
        return None
    affinity = read_mapping(spec, "affinity", "spec.")
    has_node_affinity = affinity.get("nodeAffinity") is not None
    return AffinityGap.REQUIRED if has_node_affinity else AffinityGap.NODE_AFFINITY


def _replica_set(body: Body) -> str:
    owner = controller(body)
    if owner is None or owner.get("kind") != "ReplicaSet":
        return ""
    return read_text(owner, "name", "metadata.ownerReferences.")


def _pinned_name(terms: tuple[NodeTerm, ...] | None) -> str | None:
    """Return the one node to whose metadata.name every term narrows the pod."""
    pins = {
        requirement.values
        for term in terms or ()
        for requirement in term.fields
        if requirement.key == "metadata.name" and requirement.operator == "In"
    }
    narrowed = all(term.fields for term in terms or ())
    values = next(iter(pins)) if narrowed and len(pins) == 1 else ()
    return values[0] if len(values) == 1 else None


def _integer(text: str) -> int:
    """Read an annotation's whole number, 0 where it is none (the API server does the same)."""
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) <= 10 else 0
