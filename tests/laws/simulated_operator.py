"""KWatt on a simulated cluster: what its informers know, and its cycles with writes that may get lost.

`observe`, `plan`, `diff` and `Shares` are the real ones; the order of writes is that of `Applier`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, NamedTuple

from kwatt import names
from kwatt.changes.diff import diff
from kwatt.changes.values import Changes, Group, Release, Scale, ShareChange
from kwatt.manifests.deployments import deployment_name
from kwatt.model.snapshot import Snapshot
from kwatt.observation.memory import Memory
from kwatt.observation.observe import observe
from kwatt.observation.values import ParsedDeployment, ParsedNode, ParsedPod, ParsedService
from kwatt.observation.world import World
from kwatt.planning.plan import plan
from kwatt.reconciler.shares import Shares
from laws.simulation import Cluster, Logged, with_share


class View:
    """What the operator's informers know: of each kind the history up to some point."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._read: defaultdict[type, int] = defaultdict(int)
        self._seen: dict[tuple[type, str], Any] = {}
        self.recognised: frozenset[str] = frozenset()
        self.catch_up({})

    def catch_up(self, lags: dict[type, int]) -> None:
        """Read each kind's history up to its last `lags` entries, never backwards."""
        by_kind: defaultdict[type, list[Logged]] = defaultdict(list)
        for entry in self._cluster.log:
            by_kind[entry.kind].append(entry)
        for kind, entries in by_kind.items():
            until = max(self._read[kind], len(entries) - lags.get(kind, 0))
            for entry in entries[self._read[kind] : until]:
                self._take(entry)
            self._read[kind] = until

    def hear(self, version: int) -> None:
        """Take all that happened after a version, whatever lags behind otherwise."""
        for entry in self._cluster.log:
            if entry.version > version:
                self._take(entry)

    def learn(self, key: str, value: Any) -> None:
        """Take the API server's answer to a write of one's own."""
        self._take(Logged(self._cluster.version, type(value), key, value))

    def _take(self, entry: Logged) -> None:
        key = (entry.kind, entry.key)
        known = self._seen.get(key)
        if entry.value is None:
            self._seen.pop(key, None)
        elif int(getattr(known, "resource_version", "") or 0) <= entry.version:
            self._seen[key] = entry.value

    def version_of(self, kind: type) -> int:
        """Return up to which version a kind's history is known."""
        unread = [e for e in self._cluster.log if e.kind is kind][self._read[kind] :]
        return unread[0].version - 1 if unread else self._cluster.version

    def world(self) -> World:
        """Return what is known as the input of an observation."""
        return World.of(self._seen.values(), recognised=self.recognised)


class Fate(NamedTuple):
    """What becomes of a write: whether it takes effect (now or rounds later), and is answered."""

    takes_effect: bool = True
    answered: bool = True
    late: bool = False


FINE: Final = Fate()


class Killed(Exception):
    """The operator's process ended between two writes."""


@dataclass
class Operator:
    """Runs cycles as the reconciler does, with the same order of writes."""

    cluster: Cluster
    audit: Callable[[], None]
    fates: tuple[Fate, ...] = ()
    writes_left: int = 10**6
    late: list[Callable[[], Any]] = field(default_factory=list)
    writes: int = 0
    memory: Memory = field(default_factory=Memory)

    def __post_init__(self) -> None:
        self.view = View(self.cluster)
        self.shares = Shares(self._clock, lambda: self.view.version_of(ParsedPod))

    def cycle(self) -> int:
        """Observe, plan, apply; return how many writes were tried."""
        before = self.writes
        snapshot = observe(self.view.world(), self.cluster.now, memory=self.memory).snapshot
        self.view.recognised = frozenset(pod.uid for pod in snapshot.pods)
        changes = diff(snapshot, plan(snapshot), self.shares.advertised(snapshot))
        self._apply(changes, snapshot)
        return self.writes - before

    def _clock(self) -> float:
        return self.cluster.now.timestamp()

    def land(self) -> Iterator[None]:
        """Let the writes that were on their way arrive."""
        while self.late:
            yield self.late.pop(0)()

    def _apply(self, changes: Changes, snapshot: Snapshot) -> None:
        self._send_all(partial(self._patch_share, change) for change in changes.lower)
        self._send_all(partial(self.cluster.drop, ParsedDeployment, r.name) for r in changes.remove)
        self._send_all(partial(self._patch_pod, c.uid, deletion_cost=c.cost) for c in changes.costs)
        self._send_all(self._scales(changes.shrink, snapshot))
        self._send_all(partial(self._evict, eviction.uid) for eviction in changes.evict)
        self._send_all(self._scales(changes.grow, snapshot))
        missed = {change.node for change in changes.raise_ if not self._raise(change)}
        released = [release for release in changes.release if release.node not in missed]
        self._send_all(partial(self._release, release) for release in released)

    def _raise(self, change: ShareChange) -> bool:
        answer = self._send(partial(self._patch_share, change))
        if answer == "lost":
            self.shares.may_have_risen(change)
        return answer == "done"

    def _send_all(self, writes: Iterable[Callable[[], Any]]) -> None:
        for write in writes:
            self._send(write)

    def _send(self, write: Callable[[], Any]) -> str:
        """Carry out a write as its fate has it; the next fate is taken from the front of the list."""
        if self.writes_left <= 0:
            raise Killed
        self.writes_left -= 1
        self.writes += 1
        fate, *rest = self.fates or (FINE,)
        self.fates = tuple(rest)
        if fate.late:
            self.late.append(write)
            return "lost"
        answer = write() if fate.takes_effect else None
        self.audit()
        if not fate.answered:
            return "lost"
        if answer is None:
            return "refused"
        self.view.learn(*answer)
        return "done"

    def _patch_share(self, change: ShareChange) -> tuple[str, Any] | None:
        node = self.cluster.get(ParsedNode, change.node)
        if node is None or node.resource_version != change.resource_version:
            return None
        return node.name, self.cluster.put(node.name, with_share(node, change.after))

    def _patch_pod(self, uid: str, **values: Any) -> tuple[str, Any] | None:
        pod = self.cluster.get(ParsedPod, uid)
        return (uid, self.cluster.put(uid, replace(pod, **values))) if pod else None

    def _evict(self, uid: str) -> None:
        pod = self.cluster.get(ParsedPod, uid)
        if pod is not None:
            self.cluster.end(pod)

    def _release(self, release: Release) -> tuple[str, Any] | None:
        pod = self.cluster.get(ParsedPod, release.uid)
        if pod is None or not pod.gated or pod.resource_version != release.resource_version:
            return None
        known = {"hostname": release.node, "deletion_cost": release.cost}
        return self._patch_pod(release.uid, gated=False, released=self.cluster.now, **known)

    def _scales(self, scales: Iterable[Scale], snapshot: Snapshot) -> Iterator[Callable[[], Any]]:
        have = {Group(d.service, d.variant): d for d in snapshot.deployments}
        held = {service.key for service in snapshot.services if service.held}
        for scale in scales:
            existing = have.get(Group(scale.service, scale.variant))
            name = existing.name if existing else deployment_name(scale.service.name, scale.variant)
            known = self.cluster.get(ParsedDeployment, name)
            wanted = _deployment(self.cluster, name, scale)
            if scale.service in held or scale.only_resized or not scale.replicas:
                wanted = known and replace(known, replicas=scale.replicas)
            if wanted is not None and wanted != known:
                yield partial(self._put_deployment, wanted)

    def _put_deployment(self, wanted: ParsedDeployment) -> tuple[str, Any]:
        return wanted.name, self.cluster.put(wanted.name, wanted)


def _deployment(cluster: Cluster, name: str, scale: Scale) -> ParsedDeployment | None:
    service, variant = scale.service, scale.variant
    owner = cluster.get(ParsedService, service.name)
    labels = {
        names.SERVICE_LABEL: service.name,
        names.VARIANT_LABEL: name,
        names.CLASS_LABEL: variant.npu_class,
        names.NPUS_LABEL: str(variant.npus),
    } | ({names.SETTING_LABEL: variant.setting} if variant.setting else {})
    return owner and ParsedDeployment(
        uid=f"d-{name}",
        namespace=service.namespace,
        name=name,
        service=service.name,
        owner_uid=owner.uid,
        labels=labels,
        asked={variant.resource: variant.npus, names.WATTS: scale.pod_watts},
        replicas=scale.replicas,
        desired="applied",
    )
