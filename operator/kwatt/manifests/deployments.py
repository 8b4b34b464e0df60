"""The Deployment of one variant of a service, with gate, watts and NPUs in its pod template."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kwatt import names
from kwatt.api.merging import merged
from kwatt.changes.values import Scale
from kwatt.model.keys import Variant
from kwatt.model.selectors import Toleration

Json = Mapping[str, Any]
_NAME_LIMIT = 46  # leaves room for the suffixes of ReplicaSet and pod (17) within 63 characters


@dataclass(frozen=True, slots=True)
class Owner:
    """The InferenceService that owns what is built."""

    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Workload:
    """What a Deployment is built from besides its scale: the user's template and the class's demands."""

    owner: Owner
    template: Json
    override: Json | None
    env: tuple[tuple[str, str], ...]
    tolerations: tuple[Toleration, ...]
    priority_class: str | None


def deployment_name(service: str, variant: Variant) -> str:
    """Name the Deployment of `variant`: readable, and unique by a hash of what makes replicas alike."""
    digest = hashlib.sha256("\n".join(map(str, (service, *variant))).encode()).hexdigest()[:5]
    return f"{service}-{variant.npu_class}"[: _NAME_LIMIT - 6].rstrip("-.") + f"-{digest}"


def build_deployment(workload: Workload, scale: Scale) -> dict[str, Any]:
    """Build the Deployment; its `kwatt.dev/desired` annotation is a hash of all the rest.

    No surge: a new pod needs watts that only a leaving one frees, so at least one may be unavailable.
    """
    owner, variant = workload.owner, scale.variant
    name = deployment_name(owner.name, variant)
    labels = _labels(owner.name, name, variant)
    deployment: dict[str, Any] = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "namespace": owner.namespace,
            "name": name,
            "labels": labels,
            "ownerReferences": [owner_reference(owner)],
        },
        "spec": {
            "replicas": scale.replicas,
            "revisionHistoryLimit": 2,
            "selector": {"matchLabels": {names.VARIANT_LABEL: name}},
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": 0, "maxUnavailable": "25%"},
            },
            "template": _pod_template(workload, scale, labels),
        },
    }
    return stamped(deployment)


def owner_reference(owner: Owner) -> dict[str, Any]:
    """Refer to the owner, so that deleting it deletes what it owns also when no operator runs."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": "InferenceService",
        "name": owner.name,
        "uid": owner.uid,
        "controller": True,
    }


def stamped(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return `manifest` with the hash of its content in the desired annotation."""
    canonical = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(canonical.encode()).hexdigest()[:16]
    metadata = {**manifest["metadata"], "annotations": {names.DESIRED_ANNOTATION: digest}}
    return {**manifest, "metadata": metadata}


def desired_hash(manifest: Json) -> str:
    """Read the hash that `stamped` wrote."""
    return str(manifest["metadata"]["annotations"][names.DESIRED_ANNOTATION])


def _labels(service: str, name: str, variant: Variant) -> dict[str, str]:
    labels = {
        names.SERVICE_LABEL: service,
        names.VARIANT_LABEL: name,
        names.CLASS_LABEL: variant.npu_class,
        names.NPUS_LABEL: str(variant.npus),
    }
    return {**labels, names.SETTING_LABEL: variant.setting} if variant.setting else labels


def _pod_template(workload: Workload, scale: Scale, labels: dict[str, str]) -> dict[str, Any]:
    template = merged(workload.template, workload.override or {})
    metadata = template.get("metadata") or {}
    spec = template.get("spec") or {}
    first, *others = spec["containers"]
    pod_spec = {
        **spec,
        "containers": [_serving_container(first, workload, scale), *others],
        "schedulingGates": [{"name": names.GATE}],
    }
    if workload.tolerations:
        extra = [_toleration(toleration) for toleration in workload.tolerations]
        pod_spec["tolerations"] = [*(spec.get("tolerations") or []), *extra]
    if workload.priority_class:
        pod_spec["priorityClassName"] = workload.priority_class
    # The annotation also makes sure that there is a map to which releasing a pod can add its own.
    annotations = {"kubectl.kubernetes.io/default-container": first.get("name") or ""}
    return {
        "metadata": {
            **metadata,
            "labels": {**(metadata.get("labels") or {}), **labels},
            "annotations": annotations | (metadata.get("annotations") or {}),
        },
        "spec": pod_spec,
    }


def _serving_container(container: Json, workload: Workload, scale: Scale) -> dict[str, Any]:
    """Add NPUs, watts and the operating point's environment to the first container."""
    resources = container.get("resources") or {}
    demand = {scale.variant.resource: str(scale.variant.npus), names.WATTS: str(scale.pod_watts)}
    both = {kind: {**(resources.get(kind) or {}), **demand} for kind in ("requests", "limits")}
    added = {**container, "resources": {**resources, **both}}
    if workload.env:
        names_set = {name for name, _ in workload.env}
        kept = [one for one in container.get("env") or [] if one.get("name") not in names_set]
        added["env"] = kept + [{"name": name, "value": value} for name, value in workload.env]
    return added


def _toleration(toleration: Toleration) -> dict[str, str]:
    pairs = {
        "key": toleration.key,
        "operator": toleration.operator,
        "value": toleration.value,
        "effect": toleration.effect,
    }
    return {key: value for key, value in pairs.items() if value}
