"""How requests are divided over the variants of a service whose route carries weights.

A variant's weight follows the rate that is planned for it, as far as its replicas are ready: it gets its
first request when its first replica is ready, and gives its share away before its replicas go. Replicas that
serve on until their successors are ready carry what these lack; so do those that go, while no other is ready.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from kwatt.model.keys import PodKey, ServiceKey, Variant
from kwatt.model.plan import Placement, Plan
from kwatt.model.snapshot import Pod, Snapshot

WHOLE = 1000  # the sum of all weights of a service
MOST_VARIANTS = 16  # backendRefs of one rule, says the HTTPRoute's schema


@dataclass(frozen=True, slots=True)
class Split:
    """The weights of a service's variants, which sum to WHOLE; empty where nothing is planned or ready."""

    service: ServiceKey
    weights: tuple[tuple[Variant, int], ...]


def splits(
    snapshot: Snapshot, plan: Plan, staying: Collection[PodKey] = frozenset()
) -> tuple[Split, ...]:
    """Divide the requests of every service that may mix variants; one that is held keeps its division.

    `staying` are pods that are not planned any more and yet serve on until their successors are ready.
    """
    routed = {one.key for one in snapshot.services if one.mixes and one.held is None}
    if not routed:
        return ()
    rows: defaultdict[ServiceKey, list[Placement]] = defaultdict(list)
    for row in plan.placements:
        if row.service in routed:
            rows[row.service].append(row)
    ready: defaultdict[ServiceKey, list[Pod]] = defaultdict(list)
    for pod in snapshot.pods:
        if pod.ready and not pod.terminating and not pod.finished and pod.service in routed:
            ready[pod.service].append(pod)
    return tuple(Split(key, _weights(rows[key], ready[key], staying)) for key in sorted(routed))


def _weights(
    rows: list[Placement], pods: list[Pod], staying: Collection[PodKey]
) -> tuple[tuple[Variant, int], ...]:
    planned, replicas = _planned(rows)
    ready = Counter(pod.variant for pod in pods)
    serving = {v: planned[v] * min(ready[v], replicas[v]) // replicas[v] for v in planned}
    missing = sum(planned.values()) - sum(serving.values())
    left = Counter(pod.variant for pod in pods if pod.variant not in planned)
    if any(serving.values()):
        lasting = Counter(pod.variant for pod in pods if pod.key in staying)
        left = Counter({v: lasting[v] for v in left if missing and lasting[v]})
    elif not left:
        serving = planned
    shares = {v: share * max(1, left.total()) for v, share in serving.items()}
    shares |= {v: count * max(1, missing) for v, count in left.items()}
    most = sorted(shares, key=lambda v: (-shares[v], v))[:MOST_VARIANTS]
    return _apportioned({v: shares[v] for v in sorted(most)})


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
