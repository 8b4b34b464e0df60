"""What a pod spec asks of a node: requests by kube-scheduler's rule, selectors, affinity, tolerations."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from kwatt.errors import InvalidInput
from kwatt.model.selectors import NodeTerm, Requirement, Taint, Toleration
from kwatt.model.snapshot import PodShape
from kwatt.observation.parsing.reading import (
    Body,
    read_integer,
    read_items,
    read_mapping,
    read_pairs,
    read_text,
    read_texts,
)
from kwatt.observation.values import DEFAULT_GRACE_SECONDS
from kwatt.units import ceiling, parse_ratio

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


@dataclass(frozen=True, slots=True)
class Demand:
    """Amounts by resource: cpu in millicores, everything else in base units, both rounded up."""

    amounts: dict[str, int] = field(default_factory=dict)

    def plus(self, other: Demand) -> Demand:
        """Add both."""
        if not self.amounts or not other.amounts:
            return self if self.amounts else other
        names = self.amounts.keys() | other.amounts.keys()
        return Demand({n: self.amounts.get(n, 0) + other.amounts.get(n, 0) for n in names})

    def at_least(self, other: Demand) -> Demand:
        """Take the greater of both for each resource."""
        if not self.amounts or not other.amounts:
            return self if self.amounts else other
        names = self.amounts.keys() | other.amounts.keys()
        return Demand({n: max(self.amounts.get(n, 0), other.amounts.get(n, 0)) for n in names})

    def of(self, resource: str) -> int:
        """Return the amount of one resource, 0 if it is not asked for."""
        return self.amounts.get(resource, 0)

    @property
    def extended(self) -> dict[str, int]:
        """The extended resources that are asked for, by name."""
        return {name: self.amounts[name] for name in sorted(self.amounts) if "/" in name}


_NOTHING = Demand()


def demand_of(spec: Body, path: str = "spec.") -> Demand:
    """Sum what a pod asks for, as kube-scheduler does.

    The containers together, or the greatest init container where that is more; an init container that
    restarts Always is a sidecar and adds to everything after it. Pod-level requests, where given, replace
    the sum. The overhead comes on top.
    https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/#resource-sharing-within-containers
    """
    sidecars = peak = _NOTHING
    for container in read_items(spec, "initContainers", path):
        own = _requests(container, f"{path}initContainers.")
        if container.get("restartPolicy") == "Always":
            sidecars = sidecars.plus(own)
            peak = peak.at_least(sidecars)
        else:
            peak = peak.at_least(sidecars.plus(own))
    total = sidecars
    for container in read_items(spec, "containers", path):
        total = total.plus(_requests(container, f"{path}containers."))
    total = total.at_least(peak)
    whole = _requests(spec, path).amounts
    total = Demand({**total.amounts, **whole}) if whole else total
    return total.plus(_amounts(read_mapping(spec, "overhead", path), f"{path}overhead."))


def _requests(container: Body, path: str) -> Demand:
    """Return a container's requests; a limit counts where its request is missing."""
    resources = read_mapping(container, "resources", path)
    if not resources:
        return _NOTHING
    limits = _amounts(read_mapping(resources, "limits", path), f"{path}resources.limits.")
    requests = _amounts(read_mapping(resources, "requests", path), f"{path}resources.requests.")
    return Demand({**limits.amounts, **requests.amounts}) if limits.amounts else requests


def _amounts(pairs: Body, path: str) -> Demand:
    if not pairs:
        return _NOTHING
    return Demand({str(name): amount(str(name), pairs[name], path + str(name)) for name in pairs})


def amount(resource: str, value: object, path: str) -> int:
    """Parse one amount: cpu in millicores, all else in base units, rounded up."""
    if not isinstance(value, str | int | float):
        raise InvalidInput(path, "must be a quantity such as 4 or 500m")
    return _amount(resource, value, path)


# a cluster uses few distinct amounts
@lru_cache(maxsize=32768, typed=True)
def _amount(resource: str, value: str | float, path: str) -> int:
    numerator, denominator = parse_ratio(value, path)
    if numerator < 0:
        raise InvalidInput(path, "is negative; write 0 or more")
    return ceiling(numerator * (1000 if resource == "cpu" else 1), denominator)


def shape_of(spec: Body, path: str) -> PodShape:
    """Read what a replica with this pod spec asks of a node besides NPUs and watts."""
    demand = demand_of(spec, path)
    return PodShape(
        cpu_milli=demand.of("cpu"),
        memory_bytes=demand.of("memory"),
        node_selector=tuple(sorted(read_pairs(spec, "nodeSelector", path).items())),
        affinity=node_terms(spec, path),
        tolerations=tolerations_of(read_items(spec, "tolerations", path), f"{path}tolerations."),
    )


def grace_of(spec: Body, path: str) -> int:
    """Return how many seconds a pod may take to end, Kubernetes' default where the spec does not say."""
    key = "terminationGracePeriodSeconds"
    return DEFAULT_GRACE_SECONDS if spec.get(key) is None else max(0, read_integer(spec, key, path))


def node_terms(spec: Body, path: str) -> tuple[NodeTerm, ...] | None:
    """Return the terms of the required node affinity, None where the pod has no such affinity."""
    affinity = read_mapping(spec, "affinity", path)
    node_affinity = read_mapping(affinity, "nodeAffinity", f"{path}affinity.")
    if node_affinity.get(REQUIRED) is None:
        return None
    path = f"{path}affinity.nodeAffinity."
    required = read_mapping(node_affinity, REQUIRED, path)
    terms = read_items(required, "nodeSelectorTerms", f"{path}{REQUIRED}.")
    return tuple(_node_term(term, f"{path}{REQUIRED}.nodeSelectorTerms.") for term in terms)


def _node_term(term: Body, path: str) -> NodeTerm:
    return NodeTerm(
        labels=requirements_of(read_items(term, "matchExpressions", path), path),
        fields=requirements_of(read_items(term, "matchFields", path), path),
    )


def requirements_of(expressions: Iterable[Body], path: str) -> tuple[Requirement, ...]:
    """Read the expressions of a selector."""
    return tuple(
        Requirement(
            read_text(expression, "key", path),
            read_text(expression, "operator", path),
            read_texts(expression, "values", path),
        )
        for expression in expressions
    )


def tolerations_of(items: Iterable[Body], path: str) -> tuple[Toleration, ...]:
    """Read tolerations; the operator is Equal where none is given."""
    return tuple(
        Toleration(
            read_text(item, "key", path),
            read_text(item, "operator", path) or "Equal",
            read_text(item, "value", path),
            read_text(item, "effect", path),
        )
        for item in items
    )


def taints_of(items: Iterable[Body], path: str) -> tuple[Taint, ...]:
    """Read a node's taints, sorted."""
    taints = (
        Taint(read_text(i, "key", path), read_text(i, "value", path), read_text(i, "effect", path))
        for i in items
    )
    return tuple(sorted(taints, key=lambda taint: (taint.key, taint.value, taint.effect)))
