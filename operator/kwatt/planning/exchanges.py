"""Exchanges: which replicas a plan starts, moves and evicts, beside what runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from kwatt.model.keys import ServiceKey, Variant
from kwatt.model.plan import Placement
from kwatt.model.snapshot import Service


def changes_of(
    placements: Iterable[Placement], services: Sequence[Service]
) -> tuple[int, int, int]:
    """Count replicas started, moved (dropped, and another of the service started), and evicted."""
    planned: dict[ServiceKey, list[Placement]] = {
        service.key: [] for service in services if service.incumbents
    }
    starts = moves = evictions = 0
    for placement in placements:
        if placement.service in planned:
            planned[placement.service].append(placement)
        else:
            starts += placement.replicas
    for service in services:
        if not service.incumbents:
            continue
        started, dropped = _exchanged(service, planned[service.key])
        starts += started
        moves += min(started, dropped)
        evictions += dropped - min(started, dropped)
    return starts, moves, evictions


def _exchanged(service: Service, placements: Iterable[Placement]) -> tuple[int, int]:
    """Return how many replicas of a service are started, and how many that run are dropped."""
    before: Counter[tuple[Variant, str]] = Counter()
    after: Counter[tuple[Variant, str]] = Counter()
    for incumbent in service.incumbents:
        before[incumbent.variant, incumbent.node] += incumbent.replicas
    for placement in placements:
        after[placement.variant, placement.node] += placement.replicas
    return (after - before).total(), (before - after).total()
