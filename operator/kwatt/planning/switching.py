"""Switching: a service that has to start replicas anyway may leave the variant it runs as for another.

Left alone it starts more of what runs, for that restarts nothing. After a brown-out that can be a lesser
variant, which takes more watts or NPUs for the whole target than the service's own, and somebody else
stays without.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import replace

from kwatt.model.keys import ServiceKey, Variant
from kwatt.model.snapshot import Service, Snapshot
from kwatt.planning.draft import Draft, Holding


def outgrown(draft: Draft) -> frozenset[ServiceKey]:
    """Return who starts replicas beside those that run, and needs fewer watts or NPUs as something else."""
    services = (s for s in draft.snapshot.services if s.incumbents and s.held is None)
    return frozenset(
        service.key
        for service in services
        if len(holdings := draft.holdings.get(service.key, ())) == 1
        if _grows(draft, service, holdings[0]) and _has_lighter(draft, service, holdings[0])
    )


def may_gain(draft: Draft) -> bool:
    """Tell whether anybody who is short could be served more if all nodes and watts were free."""
    served = ((s, _worth(draft, s.key)[0]) for s in draft.snapshot.services if s.held is None)
    short = ((s, worth) for s, worth in served if worth < s.target.micros)
    return any(worth < _most_served(draft, s) for s, worth in short)


def switched(draft: Draft, before: Draft, keys: Set[ServiceKey]) -> frozenset[ServiceKey]:
    """Return those of the services that are something else than in the draft before, or nothing."""
    return frozenset(key for key in keys if _variants(draft, key) != _variants(before, key))


def let_go(snapshot: Snapshot, keys: Set[ServiceKey]) -> Snapshot:
    """Return the snapshot as if nothing of these services ran."""
    services = (replace(s, incumbents=()) if s.key in keys else s for s in snapshot.services)
    return replace(snapshot, services=tuple(services))


def serves_as_much(draft: Draft, before: Draft) -> bool:
    """Tell whether nobody is worse off than in the draft before."""
    keys = [service.key for service in draft.snapshot.services]
    return all(_worth(draft, key) >= _worth(before, key) for key in keys)


def serves_more(draft: Draft, before: Draft) -> bool:
    """Tell whether somebody is better off than in the draft before, and nobody is worse off."""
    return serves_as_much(draft, before) and not serves_as_much(before, draft)


def _grows(draft: Draft, service: Service, holding: Holding) -> bool:
    running = draft.running(service, holding.demand.variant)
    starts = any(count > running.get(number, 0) for number, count in holding.counts)
    return bool(running) and starts


def _has_lighter(draft: Draft, service: Service, holding: Holding) -> bool:
    demand, replicas = holding.demand, holding.replicas
    watts, npus = demand.watts * replicas, demand.variant.npus * replicas
    return any(
        other.watts * count.replicas < watts or other.variant.npus * count.replicas < npus
        for option in draft.options(service)
        if (other := option.demand).variant != demand.variant
        for count in option.counts
    )


def _variants(draft: Draft, key: ServiceKey) -> list[Variant]:
    return [holding.demand.variant for holding in draft.holdings.get(key, ())]


def _most_served(draft: Draft, service: Service) -> int:
    """Return what a service is served at the very most; a mixture of variants may serve all."""
    options = draft.options(service)
    if service.mixes or any(option.fewest is not None for option in options):
        return service.target.micros
    return max((option.served(option.useful()) for option in options), default=0)


def _worth(draft: Draft, key: ServiceKey) -> tuple[int, int]:
    """Return what a service is served, in millionths of a unit per second, and the replicas of a held one."""
    holdings = draft.holdings.get(key, ())
    held = sum(holding.replicas for holding in holdings if holding.option is None)
    return sum(holding.served for holding in holdings), held
