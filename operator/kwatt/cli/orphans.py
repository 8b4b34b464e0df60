"""Pods of KWatt's in files that lack their Deployments: they would be planned around, and not with. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from kwatt import names
from kwatt.observation.values import ParsedDeployment, ParsedPod

_KINDS: Final = "nodes,pods,deployments,priorityclasses,resourcequotas,kwatt"


def about_orphans(entries: Iterable[object]) -> str:
    """Say in one line that pods come without their Deployments and what to do, "" where none does.

    A pod that ends may outlive its Deployment; of those nothing is said.
    """
    pods: list[ParsedPod] = []
    there: set[tuple[str, str]] = set()
    for one in entries:
        if isinstance(one, ParsedPod) and one.labels.get(names.SERVICE_LABEL):
            pods.append(one)
        elif isinstance(one, ParsedDeployment) and one.service:
            there.add((one.namespace, one.name))
    orphans = sorted(
        f"{pod.namespace}/{pod.name}"
        for pod in pods
        if not (pod.finished or pod.terminating)
        and (pod.namespace, pod.labels.get(names.VARIANT_LABEL, "")) not in there
    )
    if not orphans:
        return ""
    more = f" and {len(orphans) - 1} more" if len(orphans) > 1 else ""
    return (
        f"without their Deployments {orphans[0]}{more} count as pods of somebody else: at the most watts of "
        "their class, and their services are planned as if nothing of them ran; save Deployments too: "
        f"kubectl get {_KINDS} -A -o json"
    )
