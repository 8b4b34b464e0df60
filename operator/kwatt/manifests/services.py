"""The one Service over all replicas of an InferenceService, and those over one variant each.

The latter are made only where a route tells variants apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kwatt import names
from kwatt.manifests.deployments import Owner, deployment_name, owner_reference, stamped
from kwatt.model.keys import Variant

Json = Mapping[str, Any]


def build_service(owner: Owner, template: Json) -> dict[str, Any]:
    """Build the Service over all; its ports are those of the template, headless where it has none."""
    return _service(owner, owner.name, {names.SERVICE_LABEL: owner.name}, template)


def build_variant_service(owner: Owner, variant: Variant, template: Json) -> dict[str, Any]:
    """Build the Service over the pods of one variant, named like its Deployment."""
    name = deployment_name(owner.name, variant)
    labels = {names.SERVICE_LABEL: owner.name, names.VARIANT_LABEL: name}
    return _service(owner, name, labels, template)


def _service(owner: Owner, name: str, labels: dict[str, str], template: Json) -> dict[str, Any]:
    """Build a Service whose labels are also its selector."""
    ports = _ports(template)
    spec: dict[str, Any] = {"selector": labels}
    spec |= {"ports": ports} if ports else {"clusterIP": "None"}
    return stamped(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {
                "namespace": owner.namespace,
                "name": name,
                "labels": dict(labels),
                "ownerReferences": [owner_reference(owner)],
            },
            "spec": spec,
        }
    )


def _ports(template: Json) -> list[dict[str, Any]]:
    """Return each port once; a name that two containers use belongs to the first, names are unique here."""
    containers = (template.get("spec") or {}).get("containers") or []
    found: dict[tuple[int, str], dict[str, Any]] = {}
    taken: set[str] = set()
    for port in (port for container in containers for port in container.get("ports") or []):
        number, protocol = int(port.get("containerPort") or 0), str(port.get("protocol", "TCP"))
        if not number or (number, protocol) in found:
            continue
        name = str(port.get("name") or "")
        if not name or name in taken:
            name = f"port-{number}-{protocol.lower()}"
        taken.add(name)
        found[number, protocol] = {
            "name": name,
            "port": number,
            "targetPort": number,
            "protocol": protocol,
        }
    return [found[key] for key in sorted(found)]


@dataclass(frozen=True, slots=True)
class OwnedService:
    """A Service with KWatt's label as observed; `variant` is "" of the one over all replicas."""

    namespace: str
    name: str
    uid: str
    owner_uid: str
    desired: str
    variant: str = ""


def read_service(body: Json) -> OwnedService:
    """Read what tells whether a Service is KWatt's and current."""
    metadata = body["metadata"]
    owners = metadata.get("ownerReferences") or []
    controllers = [owner for owner in owners if owner.get("controller")]
    return OwnedService(
        namespace=str(metadata["namespace"]),
        name=str(metadata["name"]),
        uid=str(metadata["uid"]),
        owner_uid=str(controllers[0]["uid"]) if controllers else "",
        desired=str((metadata.get("annotations") or {}).get(names.DESIRED_ANNOTATION, "")),
        variant=str((metadata.get("labels") or {}).get(names.VARIANT_LABEL, "")),
    )
