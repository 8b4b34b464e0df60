"""Where each kind lives below the API server's address. Pure; must not know hosts, clients or queries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from kwatt.names import API_VERSION, GATEWAY_API_VERSION


class Kind(NamedTuple):
    """One kind of object and the address of its collections."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool = True

    def everywhere(self) -> str:
        """Return the collection over all namespaces, or of a cluster-wide kind."""
        return f"{self._root}/{self.plural}"

    def within(self, namespace: str) -> str:
        """Return the collection of one namespace."""
        return f"{self._root}/namespaces/{quote(namespace, safe='')}/{self.plural}"

    def named(self, name: str, namespace: str = "") -> str:
        """Return one object; `namespace` stays empty for cluster-wide kinds."""
        if self.namespaced != bool(namespace):
            wants = "needs a" if self.namespaced else "has no"
            raise ValueError(f"{self.kind} {name!r} {wants} namespace")
        collection = self.within(namespace) if namespace else self.everywhere()
        return f"{collection}/{quote(name, safe='')}"

    @property
    def _root(self) -> str:
        return (
            f"/apis/{self.api_version}" if "/" in self.api_version else f"/api/{self.api_version}"
        )


PODS: Final = Kind("v1", "Pod", "pods")
SERVICES: Final = Kind("v1", "Service", "services")
EVENTS: Final = Kind("v1", "Event", "events")
RESOURCE_QUOTAS: Final = Kind("v1", "ResourceQuota", "resourcequotas")
NODES: Final = Kind("v1", "Node", "nodes", namespaced=False)
DEPLOYMENTS: Final = Kind("apps/v1", "Deployment", "deployments")
LEASES: Final = Kind("coordination.k8s.io/v1", "Lease", "leases")
PRIORITY_CLASSES: Final = Kind(
    "scheduling.k8s.io/v1", "PriorityClass", "priorityclasses", namespaced=False
)
HTTP_ROUTES: Final = Kind(GATEWAY_API_VERSION, "HTTPRoute", "httproutes")

INFERENCE_SERVICES: Final = Kind(API_VERSION, "InferenceService", "inferenceservices")
NPU_CLASSES: Final = Kind(API_VERSION, "NPUClass", "npuclasses", namespaced=False)
MODEL_PROFILES: Final = Kind(API_VERSION, "ModelProfile", "modelprofiles", namespaced=False)
POWER_BUDGETS: Final = Kind(API_VERSION, "PowerBudget", "powerbudgets", namespaced=False)

OWN: Final = (INFERENCE_SERVICES, NPU_CLASSES, MODEL_PROFILES, POWER_BUDGETS)
FOREIGN: Final = (
    PODS,
    SERVICES,
    EVENTS,
    RESOURCE_QUOTAS,
    NODES,
    DEPLOYMENTS,
    LEASES,
    PRIORITY_CLASSES,
    HTTP_ROUTES,
)
_BY_NAME: Final = {(k.api_version, k.kind): k for k in (*OWN, *FOREIGN)}


def status_of(path: str) -> str:
    """Return the status subresource of one object."""
    return f"{path}/status"


def eviction_of(name: str, namespace: str) -> str:
    """Return where an Eviction of the pod is created."""
    return f"{PODS.named(name, namespace)}/eviction"


def of_manifest(body: Mapping[str, Any]) -> str:
    """Return the path of the object that a manifest describes; KeyError when KWatt has no such kind."""
    kind = _BY_NAME[(body["apiVersion"], body["kind"])]
    metadata = body["metadata"]
    return kind.named(metadata["name"], metadata.get("namespace", ""))


def resource_of(path: str) -> str:
    """Return the plural, with its subresource, that a path addresses: a label of bounded variety."""
    parts = path.strip("/").split("/")
    parts = parts[3:] if parts[0] == "apis" else parts[2:]
    if len(parts) > 2 and parts[0] == "namespaces":
        parts = parts[2:]
    return f"{parts[0]}/{parts[2]}" if len(parts) > 2 else parts[0]
