"""How requests are divided over the variants of a service whose route carries weights.

A variant's weight follows the rate that is planned for it, as far as its replicas are ready: it gets its
first request when its first replica is ready, and gives its share away before its replicas go. While none
of the planned variants is ready, those that are about to leave serve on.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from kwatt.model.keys import ServiceKey, Variant
from kwatt.model.plan import Placement, Plan
from kwatt.model.snapshot import Snapshot

WHOLE = 1000  # the sum of all weights of a service
MOST_VARIANTS = 16  # backendRefs of one rule, says the HTTPRoute's schema


@dataclass(frozen=True, slots=True)
class Split:
    """The weights of a service's variants, which sum to WHOLE; empty where nothing is planned or ready."""

    service: ServiceKey
    weights: tuple[tuple[Variant, int], ...]


def splits(snapshot: Snapshot, plan: Plan) -> tuple[Split, ...]:
    """Divide the requests of every service that may mix variants; one that is held keeps its division."""
    routed = {one.key for one in snapshot.services if one.mixes and one.held is None}
    if not routed:
        return ()
    rows: defaultdict[ServiceKey, list[Placement]] = defaultdict(list)
    for row in plan.placements:
        if row.service in routed:
            rows[row.service].append(row)
    ready = _ready(snapshot, routed)
    return tuple(Split(key, _weights(rows[key], ready[key])) for key in sorted(routed))


def _ready(snapshot: Snapshot, routed: set[ServiceKey]) -> dict[ServiceKey, Counter[Variant]]:
    ready: dict[ServiceKey, Counter[Variant]] = {key: Counter() for key in routed}
    for pod in snapshot.pods:
        if pod.ready and not pod.terminating and not pod.finished and pod.service in routed:
            ready[pod.service][pod.variant] += 1
    return ready


def _weights(
    rows: list[Placement], ready: Mapping[Variant, int]
) -> tuple[tuple[Variant, int], ...]:
    planned, replicas = _planned(rows)
    serving = {
        variant: rate * min(ready.get(variant, 0), replicas[variant]) // replicas[variant]
        for variant, rate in planned.items()
    }
    leaving = {variant: count for variant, count in ready.items() if variant not in planned}
    if any(serving.values()):
        shares = serving
    elif leaving:
        shares = dict.fromkeys(planned, 0) | leaving
    else:
        shares = planned
    most = sorted(shares, key=lambda variant: (-shares[variant], variant))[:MOST_VARIANTS]
    return _apportioned({variant: shares[variant] for variant in sorted(most)})


def _planned(rows: list[Placement]) -> tuple[dict[Variant, int], Counter[Variant]]:
    """Sum the planned rate, in millionths of a unit per second, and the replicas of each variant."""
    rates: Counter[Variant] = Counter()
    replicas: Counter[Variant] = Counter()
    for row in rows:
        rates[row.variant] += row.rate.micros
        replicas[row.variant] += row.replicas
    return dict(rates), replicas


def _apportioned(shares: Mapping[Variant, int]) -> tuple[tuple[Variant, int], ...]:
    """Divide WHOLE in proportion to `shares` by largest remainders; alike where all of them are 0."""
    if not shares:
        return ()
    parts = shares if any(shares.values()) else dict.fromkeys(shares, 1)
    total = sum(parts.values())
    weights = {variant: WHOLE * part // total for variant, part in parts.items()}
    by_remainder = sorted(parts, key=lambda variant: (-(WHOLE * parts[variant] % total), variant))
    for variant in by_remainder[: WHOLE - sum(weights.values())]:
        weights[variant] += 1
    return tuple(weights.items())
