"""Mixing: several variants of one service at once, where its route can carry weights (design 3.7).

Only what no single variant serves is given to another one: every variant more is one more thing to run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from kwatt.model.snapshot import Service
from kwatt.planning.draft import Holding
from kwatt.units import Power, Throughput

MOST_VARIANTS: Final = 16  # what an HTTPRoute rule has room for (Gateway API, backendRefs)


def may_mix(service: Service, holdings: Sequence[Holding]) -> bool:
    """Tell whether a service that holds something may take another variant for what is still short."""
    return (
        service.mixes
        and service.held is None
        and 0 < len(holdings) < MOST_VARIANTS
        and not any(holding.is_whole for holding in holdings)
        and sum(holding.served for holding in holdings) > 0
    )


def rest_of(service: Service, holdings: Sequence[Holding]) -> Service:
    """Return the service as it is to be served beside what it holds: less rate, replicas and watts."""
    replicas = sum(holding.replicas for holding in holdings)
    reserved = sum(h.demand.reserved.milliwatts * h.replicas for h in holdings)
    served = sum(holding.served for holding in holdings)
    most, limit = service.max_replicas, service.power_limit
    return replace(
        service,
        target=Throughput(service.target.micros - served),
        min_replicas=1,
        max_replicas=None if most is None else most - replicas,
        power_limit=None if limit is None else Power(limit.milliwatts - reserved),
    )
