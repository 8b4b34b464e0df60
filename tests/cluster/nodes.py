"""Manifests of simulated nodes with NPUs, for KWOK. Values only: nothing here talks to a cluster."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

FAKE = "kwok.x-k8s.io/node"
TWO_LABELS = MappingProxyType({"kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux"})
FOUR_ATOMS = MappingProxyType({"rebellions.ai/ATOM": 4})
SIMULATED = MappingProxyType({"type": "kwok"})  # KWOK's own example has it: what is real has not
NO_LABELS: Mapping[str, str] = MappingProxyType({})


def node(
    name: str,
    labels: Mapping[str, str] = NO_LABELS,
    resources: Mapping[str, int] = FOUR_ATOMS,
    *,
    cpu: str = "64",
    memory: str = "256Gi",
    pods: int = 110,
    taints: Sequence[Mapping[str, str]] = (),
) -> dict[str, Any]:
    """Return a Node that KWOK keeps Ready, with these extended resources free."""
    amounts = {key: str(count) for key, count in sorted(resources.items())}
    amounts |= {"cpu": cpu, "memory": memory, "pods": str(pods)}
    every_label = {"kubernetes.io/hostname": name, **TWO_LABELS, **SIMULATED, **labels}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": every_label, "annotations": {FAKE: "fake"}},
        "spec": {"taints": [dict(taint) for taint in taints]},
        "status": {"capacity": dict(amounts), "allocatable": dict(amounts)},
    }
