"""Names that KWatt writes into the cluster: labels, annotations, gate, resource, field manager."""

from __future__ import annotations

from typing import Final

GROUP: Final = "kwatt.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"

GATEWAY_GROUP: Final = "gateway.networking.k8s.io"
GATEWAY_API_VERSION: Final = f"{GATEWAY_GROUP}/v1"

FIELD_MANAGER: Final = "kwatt"
GATE: Final = "kwatt.dev/placement"
WATTS: Final = "kwatt.dev/watts"  # extended resource: whole watts above idle

SERVICE_LABEL: Final = "kwatt.dev/service"  # name of the InferenceService, on all that it owns
CLASS_LABEL: Final = "kwatt.dev/npu-class"
NPUS_LABEL: Final = "kwatt.dev/npus"
SETTING_LABEL: Final = "kwatt.dev/setting"  # hash of the operating point's env, absent without env
VARIANT_LABEL: Final = "kwatt.dev/variant"  # the Deployment's own name, its selector
DESIRED_ANNOTATION: Final = "kwatt.dev/desired"  # hash of the manifest that KWatt applied

HOSTNAME_LABEL: Final = "kubernetes.io/hostname"
RELEASED_ANNOTATION: Final = "kwatt.dev/released"  # when KWatt removed the gate, RFC 3339
DELETION_COST: Final = "controller.kubernetes.io/pod-deletion-cost"
