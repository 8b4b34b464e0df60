"""Deployments: those that carry KWatt's label and belong to an InferenceService."""

from __future__ import annotations

from kwatt import names
from kwatt.observation.parsing.demands import demand_of
from kwatt.observation.parsing.pods import OWN_LABELS
from kwatt.observation.parsing.reading import (
    Body,
    condition,
    controller,
    read_identity,
    read_integer,
    read_mapping,
    read_pairs,
    read_text,
)
from kwatt.observation.values import ParsedDeployment


def parse_deployment(body: Body) -> ParsedDeployment:
    """Parse a Deployment. Raises InvalidInput. Of somebody else's only its name is kept."""
    identity = read_identity(body, "Deployment", namespaced=True)
    metadata, spec = read_mapping(body, "metadata"), read_mapping(body, "spec")
    labels = read_pairs(metadata, "labels", "metadata.")
    service, owner_uid = labels.get(names.SERVICE_LABEL, ""), _owner_uid(body, labels)
    if not service or not owner_uid:
        return ParsedDeployment(identity.uid, identity.namespace, identity.name)
    template = read_mapping(spec, "template", "spec.")
    template_metadata = read_mapping(template, "metadata", "spec.template.")
    labels |= read_pairs(template_metadata, "labels", "spec.template.metadata.")
    annotations = read_pairs(metadata, "annotations", "metadata.")
    return ParsedDeployment(
        uid=identity.uid,
        namespace=identity.namespace,
        name=identity.name,
        service=service,
        owner_uid=owner_uid,
        labels={key: labels[key] for key in OWN_LABELS if key in labels},
        asked=demand_of(read_mapping(template, "spec", "spec.template.")).extended,
        replicas=read_integer(spec, "replicas", "spec.") if "replicas" in spec else 1,
        desired=annotations.get(names.DESIRED_ANNOTATION, ""),
        failure=_failure(body),
        generation=read_integer(metadata, "generation", "metadata."),
    )


def _owner_uid(body: Body, labels: dict[str, str]) -> str:
    """Return the uid of the InferenceService that controls it and that its label names, else ""."""
    owner = controller(body) or {}
    group = str(owner.get("apiVersion", "")).partition("/")[0]
    is_service = group == names.GROUP and owner.get("kind") == "InferenceService"
    named = owner.get("name") == labels.get(names.SERVICE_LABEL)
    return read_text(owner, "uid", "metadata.ownerReferences.") if is_service and named else ""


def _failure(body: Body) -> str | None:
    """Return the message of a ReplicaFailure, or of a rollout that does not progress."""
    for kind, bad in (("ReplicaFailure", "True"), ("Progressing", "False")):
        found = condition(body, kind)
        if found is not None and found.get("status") == bad:
            return read_text(found, "message", "status.conditions.") or kind
    return None
