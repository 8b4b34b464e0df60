"""What was last seen of every object: the reconciler's only memory of the cluster. Never writes.

Planner inputs are kept parsed; of KWatt's own kinds also the template and the status as last seen.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from sys import intern
from typing import Any, Final

from kwatt.cluster.ledger import version_number
from kwatt.manifests.routes import OwnedRoute, read_route
from kwatt.manifests.services import OwnedService, read_service
from kwatt.model.keys import ServiceKey
from kwatt.observation.parsing.table import parse
from kwatt.observation.values import Invalid, Parsed
from kwatt.observation.world import World
from kwatt.reconciler.trigger import Trigger

Body = dict[str, Any]
Owned = OwnedService | OwnedRoute
Entry = Parsed | Invalid | Owned

_READERS: Final[Mapping[str, Callable[[Body], Owned]]] = {
    "Service": read_service,
    "HTTPRoute": read_route,
}
OWN_KINDS: Final = ("InferenceService", "NPUClass", "ModelProfile", "PowerBudget")
_LIMITS: Final = ("NPUClass", "ModelProfile", "PowerBudget", "ResourceQuota")
_MADE: Final = (
    "Deployment",
    "Service",
    "HTTPRoute",
)  # by own writes; what others do to them shows in pods
_VERSIONED: Final = (  # equal ones may still differ in the resource version, or in what a status remembers
    "Node",
    "Pod",
    "InferenceService",
    "ModelProfile",
    "PowerBudget",
)
KINDS: Final = (
    *OWN_KINDS,
    "Node",
    "Pod",
    "Deployment",
    "Service",
    "HTTPRoute",
    "PriorityClass",
    "ResourceQuota",
)


@dataclass(frozen=True, slots=True)
class Written:
    """What of an own object is not planned with: its status as last seen, and a service's templates.

    Statuses are held packed: there are thousands of them, and a cycle looks at those that changed.
    """

    kind: str
    namespace: str
    name: str
    uid: str
    generation: int
    packed: bytes
    spec: Mapping[str, Any]
    version: int = 0

    @property
    def status(self) -> dict[str, Any]:
        """Return the status, unpacked anew each time."""
        status: dict[str, Any] = json.loads(zlib.decompress(self.packed))
        return status


def packed(status: Mapping[str, Any]) -> bytes:
    """Return a status as `Written` holds it."""
    return zlib.compress(json.dumps(status, separators=(",", ":")).encode(), level=1)


class Store:
    """Parsed objects by kind and uid; pokes the trigger when something that matters changed.

    `gone` is told of each own object that is gone: one of its name that comes later is another one.
    """

    def __init__(self, trigger: Trigger, gone: Callable[[Written], None] | None = None) -> None:
        self.limits = 0  # counts changes of what says how many watts there are and what draws them
        self.serves_routes = False  # whether the API server has HTTPRoutes
        self.trigger = trigger
        self._gone = gone
        self._entries: dict[str, dict[str, Entry]] = {kind: {} for kind in KINDS}
        self._own: dict[str, dict[str, Written]] = {kind: {} for kind in OWN_KINDS}
        self._named: dict[str, dict[tuple[str, str], str]] = {kind: {} for kind in OWN_KINDS}
        self._order: dict[str, tuple[str, ...]] = {}  # uids by name; absent once one came or went
        self._recognised: frozenset[str] = frozenset()
        self._unreadable: dict[str, Invalid] = {}  # budgets whose last readable spec stays in force

    def feed(self, kind: str) -> Feed:
        """Return the target for one kind's informer."""
        return Feed(self, kind)

    def take(self, kind: str, event_type: str, body: Body) -> None:
        """Accept a newer body of `kind`."""
        uid = str(body["metadata"]["uid"])
        if event_type == "DELETED":
            self.forget(kind, uid)
            return
        if kind in self._own and not self._keep(_written(kind, body)):
            return
        entry = _READERS[kind](body) if kind in _READERS else parse(kind, body)
        before = self._entries[kind].get(uid)
        if kind == "PowerBudget" and isinstance(entry, Invalid) and before is not None:
            self._keep_cap(uid, entry)
            return
        self._unreadable.pop(uid, None)
        if before != entry or kind in _VERSIONED:
            self._entries[kind][uid] = entry
        if before != entry:
            self._changed(kind)

    def _keep(self, own: Written) -> bool:
        """Keep an own object; return False if one of its name was made since, so that this one is gone.

        A list tells what is new first and what is gone last, and meanwhile two would share what one of them
        has used.
        """
        known, named = self._own[own.kind], self._named[own.kind]
        name = own.namespace, own.name
        other = named.get(name, own.uid)
        if other != own.uid:
            if own.version < known[other].version:
                return False
            self.forget(own.kind, other)
        if own.uid not in known:
            self._order.pop(own.kind, None)
        known[own.uid], named[name] = own, own.uid
        return True

    def _keep_cap(self, uid: str, problem: Invalid) -> None:
        """Keep the last readable spec of a budget: a cap must not vanish because of a typing error."""
        if self._unreadable.get(uid) != problem:
            self._unreadable[uid] = problem
            self.trigger.poke()

    def forget(self, kind: str, uid: str) -> None:
        """Drop an object that is gone."""
        if kind in self._own:
            lost = self._own[kind].pop(uid, None)
            self._order.pop(kind, None)
            self._unreadable.pop(uid, None)
            if lost is not None:
                self._named[kind].pop((lost.namespace, lost.name), None)
                if self._gone is not None:
                    self._gone(lost)
        if self._entries[kind].pop(uid, None) is not None:
            self._changed(kind)

    def _changed(self, kind: str) -> None:
        self.limits += kind in _LIMITS
        self.trigger.poke(news=kind not in _MADE)

    def world(self, verdicts: Mapping[tuple[str, int], str]) -> World:
        """Return all that was seen, as the input of one observation."""
        planned = (
            entry
            for kind in KINDS
            for entry in self._entries[kind].values()
            if not isinstance(entry, Owned)
        )
        return World.of(
            (*planned, *self._unreadable.values()),
            verdicts,
            self._recognised,
            serves_routes=self.serves_routes,
        )

    def note_routes(self, served: bool) -> None:  # noqa: FBT001  (what was found out, no choice)
        """Note whether the API server serves HTTPRoutes: it depends on it whether variants are mixed."""
        if served != self.serves_routes:
            self.serves_routes = served
            self.trigger.poke()

    def recognise(self, pods: Iterable[str]) -> None:
        """Remember the uids of KWatt's own pods: they stay its own while they end without a Deployment."""
        self._recognised = frozenset(pods)

    def parsed(self, kind: str) -> Iterator[Entry]:
        """Yield the parsed objects of one kind."""
        yield from self._entries[kind].values()

    def services(self) -> dict[tuple[str, str], OwnedService]:
        """Return KWatt's Services by namespace and name."""
        found = (e for e in self._entries["Service"].values() if isinstance(e, OwnedService))
        return {(entry.namespace, entry.name): entry for entry in found}

    def routes(self) -> dict[ServiceKey, OwnedRoute]:
        """Return KWatt's HTTPRoutes by namespace and name, which are those of their service."""
        found = (e for e in self._entries["HTTPRoute"].values() if isinstance(e, OwnedRoute))
        return {ServiceKey(entry.namespace, entry.name): entry for entry in found}

    def own(self, kind: str) -> Iterator[Written]:
        """Yield the objects of one of KWatt's kinds in the order of their names."""
        found = self._own[kind]
        if kind not in self._order:
            ordered = sorted(found.values(), key=lambda own: (own.namespace, own.name))
            self._order[kind] = tuple(own.uid for own in ordered)
        yield from [found[uid] for uid in self._order[kind]]

    def note_status(self, kind: str, uid: str, status: Mapping[str, Any]) -> None:
        """Remember a status that was just written, until the watch brings it."""
        own = self._own[kind].get(uid)
        if own is not None:
            self._own[kind][uid] = replace(own, packed=packed(status))

    def sizes(self) -> dict[str, int]:
        """Return how many objects of each kind are known."""
        return {kind: len(entries) for kind, entries in self._entries.items()}


class Feed:
    """One kind's way into the store."""

    def __init__(self, store: Store, kind: str) -> None:
        self._store = store
        self._kind = kind

    def take(self, event_type: str, body: Body) -> None:
        """Accept a newer body."""
        self._store.take(self._kind, event_type, body)

    def forget(self, uid: str) -> None:
        """Drop an object that a list no longer holds."""
        self._store.forget(self._kind, uid)


def _written(kind: str, body: Body) -> Written:
    metadata = body["metadata"]
    spec = body.get("spec")
    keeps_spec = kind == "InferenceService" and isinstance(spec, dict)
    return Written(
        kind=kind,
        namespace=str(metadata.get("namespace") or ""),
        name=str(metadata["name"]),
        uid=str(metadata["uid"]),
        generation=int(metadata.get("generation") or 0),
        packed=packed(body.get("status") or {}),
        spec=_shared(spec) if keeps_spec and spec else {},
        version=version_number(metadata.get("resourceVersion")),
    )


def _shared(value: Any) -> Any:
    """Return an equal JSON value whose texts are held once, however many objects have them.

    Thousands of templates consist of the same names and settings, and every answer brings its own copies.
    """
    if isinstance(value, str):
        return intern(value)
    if isinstance(value, dict):
        return {intern(name): _shared(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_shared(part) for part in value]
    return value
