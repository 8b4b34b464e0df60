"""All kinds and how each is parsed; one bad object becomes an Invalid and stops nobody."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kwatt.errors import InvalidInput
from kwatt.observation.parsing.budgets import parse_power_budget
from kwatt.observation.parsing.catalogue import parse_model_profile, parse_npu_class
from kwatt.observation.parsing.deployments import parse_deployment
from kwatt.observation.parsing.nodes import parse_node
from kwatt.observation.parsing.pods import parse_pod
from kwatt.observation.parsing.policies import parse_priority_class, parse_quota
from kwatt.observation.parsing.reading import (
    Body,
    Identity,
    read_identity,
    read_integer,
    read_mapping,
)
from kwatt.observation.parsing.services import parse_inference_service
from kwatt.observation.values import Invalid, Parsed

PARSERS: Mapping[str, Callable[[Body], Parsed]] = {
    "Node": parse_node,
    "Pod": parse_pod,
    "Deployment": parse_deployment,
    "PriorityClass": parse_priority_class,
    "ResourceQuota": parse_quota,
    "InferenceService": parse_inference_service,
    "NPUClass": parse_npu_class,
    "ModelProfile": parse_model_profile,
    "PowerBudget": parse_power_budget,
}
API_VERSIONS: Mapping[str, str] = {
    "Node": "v1",
    "Pod": "v1",
    "Deployment": "apps/v1",
    "PriorityClass": "scheduling.k8s.io/v1",
    "ResourceQuota": "v1",
    "InferenceService": "kwatt.dev/v1alpha1",
    "NPUClass": "kwatt.dev/v1alpha1",
    "ModelProfile": "kwatt.dev/v1alpha1",
    "PowerBudget": "kwatt.dev/v1alpha1",
}
NAMESPACED = frozenset({"Pod", "Deployment", "ResourceQuota", "InferenceService"})


def parse(kind: str, body: Body) -> Parsed | Invalid:
    """Parse a body of `kind`, one of PARSERS; what can't be used comes back as Invalid."""
    try:
        return PARSERS[kind](body)
    except InvalidInput as error:
        return _invalid(kind, body, error)


def _invalid(kind: str, body: Body, error: InvalidInput) -> Invalid:
    identity, generation = _identity(kind, body)
    return Invalid(
        kind=kind,
        namespace=identity.namespace,
        name=identity.name,
        field=error.field,
        message=error.message,
        uid=identity.uid,
        generation=generation,
    )


def _identity(kind: str, body: Body) -> tuple[Identity, int]:
    """Read as much of the identity as there is."""
    try:
        identity = read_identity(body, kind, namespaced=kind in NAMESPACED)
        return identity, read_integer(read_mapping(body, "metadata"), "generation", "metadata.")
    except InvalidInput:
        return Identity("", "", ""), 0
