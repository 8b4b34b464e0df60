"""The planner that remembers: after a full plan, a cycle pays only for the services that changed.

It holds no truth of its own. Whatever contradicts what it remembers, or would leave anybody short, is
planned from the snapshot alone, as `plan` does it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from kwatt.model.keys import ServiceKey, Variant
from kwatt.model.plan import Plan
from kwatt.model.snapshot import Node, Service, Snapshot
from kwatt.planning.ageing import REPRICED_AFTER, is_outdated
from kwatt.planning.book import Book
from kwatt.planning.delta import NOT_COVERED, Delta
from kwatt.planning.exact import MOST_SERVICES
from kwatt.planning.horizons import horizons_of
from kwatt.planning.plan import drafted, plan_of
from kwatt.planning.standing import Standing, standing_of

MOST_CHANGED: Final = 20  # changed services up to which each is a step, or a 20th of all of them
_UNPROVEN: Final = "services changed since the last bound was proven"


class _Memory(NamedTuple):
    """The last snapshot planned, its plan, and what stands after it."""

    snapshot: Snapshot
    plan: Plan
    standing: Standing


class Planner:
    """Plans one snapshot after the other.

    Replicas that were planned but do not run yet keep their nodes too, unless nothing of their service runs
    and the room that a step leaves, or a plan of everything after many steps, lets them draw less.

    Below `from_services` services nothing is remembered: small clusters are solved exactly, and that takes
    no time. Nor where moves may pay.
    """

    def __init__(self, from_services: int = MOST_SERVICES + 1) -> None:
        self._from_services = from_services
        self._memory: _Memory | None = None
        self._book: Book | None = None
        self._steps = 0  # since prices were found
        self._stale: set[ServiceKey] = set()  # changed by single steps, not in the book yet

    def plan(self, snapshot: Snapshot) -> Plan:
        """Return the plan of a snapshot: the last one with its changes, or a new one where that won't do."""
        memory, self._memory = self._memory, None  # nothing is remembered of what fails
        same = memory is not None and _same_ground(memory.snapshot, snapshot)
        planned = self._followed(memory, snapshot) if memory and same else None
        if memory is None or planned is None:
            return self._planned_anew(snapshot)
        self._memory = memory._replace(snapshot=snapshot, plan=planned)
        return self._renewed(self._memory) if is_outdated(memory.standing, self._steps) else planned

    def _renewed(self, memory: _Memory) -> Plan:
        """Return a plan of everything instead, where it serves all and draws less."""
        book, stale = self._book, self._stale
        anew = self._planned_anew(memory.snapshot)
        if self._memory and anew.totals.draw < memory.plan.totals.draw:
            return anew
        self._memory, self._book, self._stale = memory, book, stale
        self._reprice(memory.standing)
        return memory.plan

    def _reprice(self, standing: Standing) -> None:
        standing.reprice()
        self._steps = 0

    def change(self, service: Service) -> Delta:
        """Serve a service that is new or asks for something else; everything is planned next if not covered."""
        return self._kept(self._memory.standing.change(service) if self._memory else NOT_COVERED)

    def remove(self, key: ServiceKey) -> Delta:
        """Take everything from a service that is gone."""
        return self._kept(self._memory.standing.remove(key) if self._memory else NOT_COVERED)

    def lose(self, node: str) -> Delta:
        """Serve elsewhere what ran on a node that is gone."""
        return self._kept(self._memory.standing.lose(node) if self._memory else NOT_COVERED)

    def _kept(self, delta: Delta) -> Delta:
        if not delta.is_covered:
            self._memory = None
        self._stale.update(delta.after)
        return delta

    def _planned_anew(self, snapshot: Snapshot) -> Plan:
        made = drafted(snapshot)
        planned = plan_of(made)
        is_plain = not made.unplaced and not horizons_of(snapshot)
        is_large = len(snapshot.services) >= self._from_services
        standing = standing_of(made.draft, made.market) if is_plain and is_large else None
        self._book, self._stale, self._steps = None, set(), 0
        self._memory = _Memory(snapshot, planned, standing) if standing else None
        return planned

    def _followed(self, memory: _Memory, snapshot: Snapshot) -> Plan | None:
        """Return the plan after all changes of services, or None if any is not covered."""
        standing = memory.standing
        news = _news(standing, snapshot.services)
        if news is None:
            return None
        if not any(news) and not self._stale:
            return memory.plan
        standing.see([*news.seen, *news.changed])
        self._stale.update(service.key for service in news.seen)
        for service in news.gone:
            self._stale.update(standing.remove(service.key).after)
        for service in news.changed:
            delta = standing.change(service)
            if not delta.is_covered:
                return None
            self._stale.update(delta.after)
        self._steps += len(news.gone) + len(news.changed)
        if self._steps >= REPRICED_AFTER and not is_outdated(standing, self._steps):
            self._reprice(standing)
        planned = self._written(memory).plan()
        if news.gone or news.changed or not memory.plan.bound:
            return replace(planned, unproven=_UNPROVEN)
        return replace(planned, bound=memory.plan.bound)

    def _written(self, memory: _Memory) -> Book:
        """Return the book with all that stands."""
        services, holdings = memory.standing.services, memory.standing.holdings
        stale, self._stale = self._stale, set()
        if self._book is None:
            served = {key: (services[key], holding) for key, holding in holdings.items()}
            self._book = Book(memory.standing.layout, memory.plan, served)
        else:
            for key in sorted(stale):
                self._book.enter(key, services.get(key), holdings.get(key))
        return self._book


class _News(NamedTuple):
    """What is different: services that are gone, that ask for something else, that only run elsewhere."""

    gone: Sequence[Service]
    changed: Sequence[Service]
    seen: Sequence[Service]


def _news(standing: Standing, services: Sequence[Service]) -> _News | None:
    """Return what differs from what stands; None if it contradicts that, or is too much for steps."""
    known, seen, changed = standing.services, [], []
    for service in services:
        before = known.get(service.key)
        if service is before or service == before:
            continue
        if not _agrees(standing, service):
            return None
        if before and _asks_alike(service, before):
            seen.append(service)
        else:
            changed.append(service)
    present = {service.key for service in services}
    gone = [service for key, service in known.items() if key not in present]
    if len(changed) + len(gone) > max(MOST_CHANGED, len(services) // 20):
        return None
    return _News(gone, sorted(changed, key=lambda s: (-s.priority, s.key)), seen)


def _asks_alike(service: Service, before: Service) -> bool:
    """Tell whether a service differs at most in what runs of it."""
    return replace(service, incumbents=before.incumbents, starting=before.starting) == before


def _agrees(standing: Standing, service: Service) -> bool:
    """Tell whether a service's pods are of the same shape, and only where planned or seen before."""
    before = standing.services.get(service.key)
    if before is None:
        return not service.incumbents
    if (service.shape, service.shapes) != (before.shape, before.shapes):
        return False
    holding, nodes = standing.holdings[service.key], standing.layout.nodes
    planned = Counter(
        {(holding.demand.variant, nodes[number].name): n for number, n in holding.counts}
    )
    return _running(service) <= planned | _running(before)


def _running(service: Service) -> Counter[tuple[Variant, str]]:
    running: Counter[tuple[Variant, str]] = Counter()
    for incumbent in service.incumbents:
        running[incumbent.variant, incumbent.node] += incumbent.replicas
    return running


def _same_ground(before: Snapshot, after: Snapshot) -> bool:
    """Tell whether nothing but services is different as far as plans depend on it."""
    same = (
        (before.classes, after.classes),
        (before.profiles, after.profiles),
        (before.budgets, after.budgets),
        (before.quotas, after.quotas),
    )
    if before.moves_horizon != after.moves_horizon:
        return False
    if not all(one is other or one == other for one, other in same):
        return False
    if len(before.nodes) != len(after.nodes):
        return False
    nodes = zip(before.nodes, after.nodes, strict=True)
    return all(one is other or _ground(one) == _ground(other) for one, other in nodes)


def _ground(node: Node) -> Node:
    """Return the node without what plans don't depend on."""
    return replace(node, resource_version="", advertised_watts=None)
