"""`diff(Snapshot, Plan) -> Changes`: what separates the cluster from the plan, decreases of power first.

Pods are never given to a node before its share of kwatt.dev/watts and its NPUs are really free: a pod that
is released too early would make the kube-scheduler preempt others (design 3.5).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from kwatt.changes.costs import cost_below, costs_to_lose
from kwatt.changes.lingering import Lingering, lingering
from kwatt.changes.room import Room
from kwatt.changes.shares import Headroom, held_on, planned_watts, share_changes, target_shares
from kwatt.changes.splits import splits
from kwatt.changes.values import (
    Changes,
    Cost,
    Eviction,
    Group,
    Release,
    Removal,
    Scale,
    ShareChange,
)
from kwatt.changes.wanted import Wanted, active_pods, keep_order, surplus_of, wanted_groups
from kwatt.model.keys import PodKey
from kwatt.model.plan import Plan
from kwatt.model.snapshot import Deployment, Node, Pod, Snapshot

RELEASE_DEADLINE = timedelta(seconds=60)  # a released pod that is not bound by then is evicted


def diff(snapshot: Snapshot, plan: Plan, advertised: Mapping[str, int]) -> Changes:
    """Compute the changes that bring the cluster to `plan`, as far as caps allow it now.

    `advertised` is the share of each node as last known, not less than any write still in the air.
    """
    wanted = wanted_groups(snapshot, plan)
    pod_watts = {group: one.pod_watts for group, one in wanted.items()}
    held = held_on(snapshot, pod_watts)
    targets = target_shares(snapshot, planned_watts(plan, pod_watts))
    reach, now = Headroom(snapshot, advertised, held), Headroom(snapshot, {}, held)
    left = now.left
    lower, rise = share_changes(snapshot, targets, reach)
    pods = active_pods(snapshot.pods)
    staying = lingering(snapshot, wanted, pods)
    scaling = _scaling(snapshot.deployments, wanted, staying)
    costs, evict = _leaving(snapshot, wanted, pods, scaling, staying)
    shares = _shares_after(snapshot, lower + rise)
    gone = {eviction.pod for eviction in evict}
    return Changes(
        lower=lower,
        remove=_removals(snapshot, wanted),
        costs=costs,
        shrink=(
            *(scale for scale, before in scaling.values() if scale.replicas < before),
            *_emptied(snapshot, wanted, staying),
        ),
        evict=evict,
        grow=tuple(scale for scale, before in scaling.values() if scale.replicas >= before),
        raise_=rise,
        release=_releases(Room(snapshot, shares, (reach, now)), wanted, pods, gone),
        left=left,
        lingering=staying.by_service,
        sustained=staying.sustained,
        wake=_wake(snapshot, gone),
        splits=splits(snapshot, plan),
    )


def _scaling(
    deployments: Iterable[Deployment], wanted: Mapping[Group, Wanted], staying: Lingering
) -> dict[Group, tuple[Scale, int]]:
    """Pair what each wanted Deployment should be with the replicas it has; whether it differs is for apply."""
    have = {Group(d.service, d.variant): d for d in deployments}
    return {
        group: (
            Scale(
                group.service,
                group.variant,
                staying.most.get(group, one.replicas),
                one.pod_watts,
                one.operating_point,
            ),
            have[group].replicas if group in have else 0,
        )
        for group, one in wanted.items()
    }


def _removals(snapshot: Snapshot, wanted: Mapping[Group, Wanted]) -> tuple[Removal, ...]:
    """Return the Deployments to delete; one that has pods is emptied first.

    Pods whose Deployment is gone are foreign: they would count at their class's maximum until they end.
    """
    unwanted = _unwanted(snapshot, wanted)
    if not unwanted:
        return ()
    present = {service.key for service in snapshot.services}
    holding = _holding(snapshot)
    return tuple(
        Removal(d.namespace, d.name, d.uid)
        for d in unwanted
        if d.service not in present or (d.namespace, d.name) not in holding
    )


def _emptied(
    snapshot: Snapshot, wanted: Mapping[Group, Wanted], staying: Lingering
) -> tuple[Scale, ...]:
    """Return the Deployments to empty, as far as none of their pods serves on for now."""
    unwanted = _unwanted(snapshot, wanted)
    if not unwanted:
        return ()
    present = {service.key for service in snapshot.services}
    holding = _holding(snapshot)
    emptied = []
    for d in unwanted:
        left = len(staying.pods.get(Group(d.service, d.variant), ()))
        if d.service in present and d.replicas > left and (d.namespace, d.name) in holding:
            watts = holding[d.namespace, d.name]
            emptied.append(Scale(d.service, d.variant, left, watts, "", only_resized=left > 0))
    return tuple(emptied)


def _unwanted(snapshot: Snapshot, wanted: Mapping[Group, Wanted]) -> list[Deployment]:
    unwanted = (d for d in snapshot.deployments if Group(d.service, d.variant) not in wanted)
    return sorted(unwanted, key=lambda d: (d.namespace, d.name))


def _holding(snapshot: Snapshot) -> dict[tuple[str, str], int]:
    """Return the watts per pod of the Deployments that have pods, terminating ones included."""
    return {
        (pod.key.namespace, pod.deployment): pod.watts for pod in snapshot.pods if not pod.finished
    }


def _leaving(
    snapshot: Snapshot,
    wanted: Mapping[Group, Wanted],
    pods: Mapping[Group, list[Pod]],
    scaling: Mapping[Group, tuple[Scale, int]],
    staying: Lingering,
) -> tuple[tuple[Cost, ...], tuple[Eviction, ...]]:
    """Name the pods that a shrinking Deployment should lose, and those that have to be evicted."""
    costs: list[Cost] = []
    evict = {one.pod: one for one in (*_overdue(snapshot), *staying.evict)}
    for group, one in wanted.items():
        if group in staying.pods:
            continue
        surplus = surplus_of(one.nodes, pods.get(group, []))
        if len(pods.get(group, ())) > one.replicas or scaling[group][1] > one.replicas:
            costs += costs_to_lose(pods.get(group, []), surplus)
        else:
            for pod in surplus:
                evict.setdefault(pod.key, Eviction(pod.key, pod.uid, "planned on another node"))
    return tuple(costs), tuple(evict[key] for key in sorted(evict))


def _overdue(snapshot: Snapshot) -> Iterable[Eviction]:
    """Yield pods without a gate that are bound nowhere: released too long ago, or not by KWatt."""
    for pod in snapshot.pods:
        if pod.gated or pod.node or pod.terminating or pod.finished:
            continue
        if pod.pin is None:
            yield Eviction(pod.key, pod.uid, "its scheduling gate was removed by somebody else")
        elif _deadline(pod, snapshot.now) <= snapshot.now:
            yield Eviction(pod.key, pod.uid, f"not bound to {pod.pin} in time")


def _deadline(pod: Pod, now: datetime) -> datetime:
    since = pod.released or pod.created or now
    return since + RELEASE_DEADLINE


def _wake(snapshot: Snapshot, gone: set[PodKey]) -> datetime | None:
    waiting = [
        _deadline(pod, snapshot.now)
        for pod in snapshot.pods
        if pod.pin and not pod.node and not pod.terminating and pod.key not in gone
    ]
    return min(waiting, default=None)


def _shares_after(snapshot: Snapshot, changes: Iterable[ShareChange]) -> dict[str, int]:
    shares = {node.name: node.advertised_watts or 0 for node in snapshot.nodes}
    return shares | {change.node: change.after for change in changes}


def _releases(
    room: Room,
    wanted: Mapping[Group, Wanted],
    pods: Mapping[Group, list[Pod]],
    gone: set[PodKey],
) -> tuple[Release, ...]:
    releases: list[Release] = []
    for group, one in wanted.items():
        mine = [pod for pod in pods.get(group, []) if pod.key not in gone]
        gated = [
            pod for pod in mine if pod.gated and pod.watts == one.pod_watts and not pod.other_gates
        ]
        if not gated:
            continue
        missing = Counter(one.nodes)
        missing.subtract(pod.assigned for pod in mine if pod.assigned is not None)
        found = _release_group(room, missing, sorted(gated, key=keep_order))
        below = cost_below(mine)
        releases += [replace(one, cost=below - number) for number, one in enumerate(found)]
    return tuple(releases)


def _release_group(room: Room, missing: Counter[str], gated: list[Pod]) -> list[Release]:
    releases = []
    for node in sorted(missing):
        for _ in range(missing[node]):
            if not gated or not room.admit(node, gated[0]):
                break
            pod = gated.pop(0)
            releases.append(_release(pod, room.node(node)))
    return releases


def _release(pod: Pod, node: Node) -> Release:
    hostname = None if node.pin_by_name else node.labels.get("kubernetes.io/hostname")
    return Release(
        pod=pod.key,
        uid=pod.uid,
        resource_version=pod.resource_version,
        node=node.name,
        hostname=hostname,
        has_node_selector=pod.has_node_selector,
        affinity_terms=pod.affinity_terms,
    )
