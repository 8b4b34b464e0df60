"""The one Service over all replicas of an InferenceService, whatever class they run on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kwatt import names
from kwatt.manifests.deployments import Owner, owner_reference, stamped

Json = Mapping[str, Any]


def build_service(owner: Owner, template: Json) -> dict[str, Any]:
    """Build the Service; its ports are the container ports of the template, headless where it has none."""
    ports = _ports(template)
    spec: dict[str, Any] = {"selector": {names.SERVICE_LABEL: owner.name}}
    spec |= {"ports": ports} if ports else {"clusterIP": "None"}
    return stamped(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {
                "namespace": owner.namespace,
                "name": owner.name,
                "labels": {names.SERVICE_LABEL: owner.name},
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
        number, protocol = int(port["containerPort"]), str(port.get("protocol", "TCP"))
        if (number, protocol) in found:
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
    """A Service with KWatt's label as observed."""

    namespace: str
    name: str
    uid: str
    owner_uid: str
    desired: str


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
    )
