"""A cluster in memory: objects with their history, and the controllers of Kubernetes.

Objects are the operator's own parsed values, so that `observe`, `plan` and `diff` run on them as they do in
production. Nothing here knows of budgets: what holds the caps is the shares that nodes advertise.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import builders as b
from kwatt import names
from kwatt.observation.values import ParsedDeployment, ParsedNode, ParsedPod, ParsedService

NAMESPACE: Final = "city"
STEP: Final = timedelta(seconds=20)
HASH: Final = "pod-template-hash"


class Logged(NamedTuple):
    """One change of one object, as a watch would tell it; `value` None: it was deleted."""

    version: int
    kind: type
    key: str
    value: Any


class Cluster:
    """What the API server holds, with the history that watches replay."""

    def __init__(self) -> None:
        self.now: datetime = b.NOW
        self.version = 0
        self.log: list[Logged] = []
        self.leaving: dict[str, int] = {}  # rounds until a terminating pod is gone
        self._objects: defaultdict[type, dict[str, Any]] = defaultdict(dict)

    def __repr__(self) -> str:
        return "\n".join(str(one) for kind in self._objects for one in self.all(kind).values())

    def all(self, kind: type) -> dict[str, Any]:
        """Return the objects of a kind in the order of their keys."""
        return dict(sorted(self._objects[kind].items()))

    def get(self, kind: type, key: str) -> Any:
        """Return one object, None if there is none."""
        return self._objects[kind].get(key)

    def put(self, key: str, value: Any) -> Any:
        """Write an object and return it with its new version."""
        self.version += 1
        if hasattr(value, "resource_version"):
            value = replace(value, resource_version=str(self.version))
        self._objects[type(value)][key] = value
        self.log.append(Logged(self.version, type(value), key, value))
        return value

    def drop(self, kind: type, key: str) -> None:
        """Delete an object."""
        if self._objects[kind].pop(key, None) is not None:
            self.version += 1
            self.log.append(Logged(self.version, kind, key, None))

    def end(self, pod: ParsedPod, rounds: int = 2) -> None:
        """Delete a pod: at once where it never ran, else it lingers for some rounds."""
        if pod.node is None:
            self.drop(ParsedPod, pod.uid)
        elif not pod.terminating:
            self.leaving[pod.uid] = rounds
            self.put(pod.uid, replace(pod, terminating=True, ready=False))

    def control(self) -> Iterator[None]:
        """Let the controllers of Kubernetes act once, one write at a time."""
        self.now += STEP
        for part in (self._collect, self._reconcile, self._schedule, self._run):
            for _ in part():
                yield

    def _collect(self) -> Iterator[None]:
        """Garbage: Deployments without service, pods without Deployment, pods that have ended."""
        owners = {one.uid for one in self.all(ParsedService).values()}
        for name, deployment in self.all(ParsedDeployment).items():
            if deployment.owner_uid not in owners:
                yield self.drop(ParsedDeployment, name)
        for pod in self.all(ParsedPod).values():
            made_by = pod.labels.get(names.VARIANT_LABEL)
            if made_by and not self.get(ParsedDeployment, made_by) and not pod.terminating:
                yield self.end(pod)
            node = self.get(ParsedNode, pod.node or "")
            if pod.terminating and (node is None or node.ready):
                self.leaving[pod.uid] = self.leaving.get(pod.uid, 1) - 1
                if self.leaving[pod.uid] < 0:
                    yield self.drop(ParsedPod, pod.uid)
            elif pod.node and node is None:
                yield self.end(pod)

    def _reconcile(self) -> Iterator[None]:
        """Deployments and ReplicaSets: at most one outdated pod leaves per round, no surge."""
        for name, deployment in self.all(ParsedDeployment).items():
            pods = [p for p in self.pods_of(name) if not p.terminating]
            outdated = [p for p in pods if p.labels[HASH] != template_hash(deployment)]
            surplus = sorted(pods, key=_deletion_order)[: max(0, len(pods) - deployment.replicas)]
            for pod in surplus or sorted(outdated, key=_deletion_order)[:1]:
                yield self.end(pod)
            for _ in range(deployment.replicas - len(self.pods_of(name))):
                yield self._make_pod(deployment)

    def pods_of(self, deployment: str) -> list[ParsedPod]:
        """Return a Deployment's pods; terminating ones are counted by its ReplicaSet's successor only."""
        return [
            pod
            for pod in self.all(ParsedPod).values()
            if pod.labels.get(names.VARIANT_LABEL) == deployment and not pod.terminating
        ]

    def _make_pod(self, deployment: ParsedDeployment) -> None:
        uid = f"p{self.version:05d}"
        digest = template_hash(deployment)
        self.put(
            uid,
            ParsedPod(
                uid=uid,
                namespace=NAMESPACE,
                name=uid,
                labels=dict(deployment.labels) | {HASH: digest},
                replica_set=f"{deployment.name}-{digest}",
                gated=True,
                asked=deployment.asked,
                created=self.now,
            ),
        )

    def _schedule(self) -> Iterator[None]:
        """The kube-scheduler: pods without a gate go to the first node that admits them."""
        for pod in self.all(ParsedPod).values():
            if pod.gated or pod.node or pod.terminating:
                continue
            for name, node in self.all(ParsedNode).items():
                if pod.hostname in (None, name) and self._admits(node, pod):
                    yield self.put(pod.uid, replace(pod, node=name))
                    break

    def _admits(self, node: ParsedNode, pod: ParsedPod) -> bool:
        held: defaultdict[str, int] = defaultdict(int)
        for other in self.all(ParsedPod).values():
            for resource, amount in other.asked.items() if other.node == node.name else ():
                held[resource] += amount
        free = {key: node.allocatable.get(key, 0) - held[key] for key in pod.asked}
        fits = all(amount <= free[key] for key, amount in pod.asked.items())
        return fits and node.ready and not node.unschedulable

    def _run(self) -> Iterator[None]:
        """The kubelet: bound pods become ready."""
        for pod in self.all(ParsedPod).values():
            node = self.get(ParsedNode, pod.node or "")
            if node is not None and node.ready and not pod.terminating and not pod.ready:
                yield self.put(pod.uid, replace(pod, ready=True))


def template_hash(deployment: ParsedDeployment) -> str:
    """Name the pod template by the watts in it."""
    return f"w{deployment.asked[names.WATTS]}"


def _deletion_order(pod: ParsedPod) -> tuple[bool, bool, int, float]:
    """Rank as a ReplicaSet does: unassigned, not ready, cheap to delete, newest first."""
    created = pod.created.timestamp() if pod.created else 0.0
    return (pod.node is not None, pod.ready, pod.deletion_cost, -created)


def with_share(node: ParsedNode, watts: int | None) -> ParsedNode:
    """Return the node advertising other watts, None: none at all."""
    share = {} if watts is None else {names.WATTS: watts}
    rest = {key: n for key, n in node.capacity.items() if key != names.WATTS}
    usable = {key: n for key, n in node.allocatable.items() if key != names.WATTS}
    return replace(node, capacity=rest | share, allocatable=usable | share)
