"""Mixing: several variants of one service at once, where its route can carry weights (design 3.7).

Only what no single variant serves is given to another one: every variant more is one more thing to run.
`replicas.min` counts the replicas of all variants.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Final

from kwatt.model.snapshot import Service
from kwatt.planning.curves import meets
from kwatt.planning.draft import Holding
from kwatt.planning.options import Offer, best_rate
from kwatt.units import Power, Throughput

MOST_VARIANTS: Final = 16  # what an HTTPRoute rule has room for (Gateway API, backendRefs)

Order = Callable[[Service, Holding], Fraction]  # of parts of what is still needed: highest first


def may_mix(service: Service, holdings: Sequence[Holding]) -> bool:
    """Tell whether a service may take another variant for the rate or the replicas that it is short of."""
    return (
        service.mixes
        and service.held is None
        and len(holdings) < MOST_VARIANTS
        and (not holdings or sum(holding.served for holding in holdings) > 0)
        and (lacks_replicas(service, holdings) or not any(h.is_whole for h in holdings))
    )


def lacks_replicas(service: Service, holdings: Sequence[Holding]) -> bool:
    """Tell whether holdings are fewer replicas than a service has at least."""
    return sum(holding.replicas for holding in holdings) < service.min_replicas


def rest_of(service: Service, holdings: Sequence[Holding]) -> Service:
    """Return the service as it is to be served beside what it holds: less rate, replicas and watts."""
    replicas = sum(holding.replicas for holding in holdings)
    reserved = sum(h.demand.reserved.milliwatts * h.replicas for h in holdings)
    served = sum(holding.served for holding in holdings)
    most, limit = service.max_replicas, service.power_limit
    return replace(
        service,
        target=Throughput(service.target.micros - served),
        min_replicas=max(1, service.min_replicas - replicas),
        max_replicas=None if most is None else most - replicas,
        power_limit=None if limit is None else Power(limit.milliwatts - reserved),
    )


def with_any_number(service: Service) -> Service:
    """Return the service without its replicas.min: one variant need not have so many alone."""
    return replace(service, min_replicas=1) if service.min_replicas > 1 else service


def _rate(_rest: Service, part: Holding) -> Fraction:
    return Fraction(part.served)


def _number(rest: Service, part: Holding) -> Fraction:
    return Fraction(min(part.replicas, rest.min_replicas))


def _rate_of_replica(_rest: Service, part: Holding) -> Fraction:
    return Fraction(best_rate(part.option.curve, part.option.latency) if part.option else 0)


def _rate_of_watt(rest: Service, part: Holding) -> Fraction:
    return _rate_of_replica(rest, part) / max(1, part.demand.reserved.milliwatts)


ORDERS: Final[tuple[Order, ...]] = (_rate, _number, _rate_of_replica, _rate_of_watt)


def first_of(parts: Sequence[Holding], rest: Service, order: Order) -> Holding | None:
    """Return the part to take first; one that serves nothing counts only where no rate is missing."""
    useful = (h for h in parts if h.replicas and (h.served or not rest.target.micros))
    return max(useful, key=lambda h: (order(rest, h), h.served, h.replicas), default=None)


def shared(holdings: Sequence[Holding]) -> tuple[Holding, ...]:
    """Give replicas that were added for their number only the share of the rate that is due to them.

    It is taken from what serves most, where both still serve all that is theirs.
    """
    found = list(holdings)
    total = sum(holding.served for holding in holdings)
    replicas = sum(holding.replicas for holding in holdings)
    for place, idle in enumerate(found):
        if idle.option is None or idle.served:
            continue
        giver = max(range(len(found)), key=lambda n: (found[n].served, -n))
        most = idle.replicas * best_rate(idle.option.curve, idle.option.latency)
        due = min(most, total * idle.replicas // replicas, found[giver].served // 2)
        pair = _serving(idle, due), _serving(found[giver], found[giver].served - due)
        if all(holding.is_whole for holding in pair):
            found[place], found[giver] = pair
    return tuple(found)


def is_never_below_idle(offers: Iterable[Offer]) -> bool:
    """Tell whether replicas draw at least the idle watts of their NPUs at every measured point."""
    return all(power >= o.idle.milliwatts for o in offers for power in o.curve.powers)


def least_per_rate(offers: Iterable[Offer], latency: int | None) -> Fraction:
    """Return the least milliwatts above idle for a millionth of a unit per second, of any number of replicas.

    A share q between two points draws W(q) - idle = a + b q, and (a + b q) / q is least at one of the ends;
    below the lowest point it falls with q. The lower end counts even if that point itself is too slow.
    """
    found: list[Fraction] = []
    for offer in offers:
        points = offer.curve.points
        for place, point in enumerate(points):
            if meets(point, latency):
                ends = [end for end in points[max(0, place - 1) : place + 1] if end.rate.micros > 0]
                above = [(e.power.milliwatts - offer.idle.milliwatts, e.rate.micros) for e in ends]
                found += [Fraction(*end) for end in above]
    return min(found, default=Fraction(0))


def _serving(holding: Holding, micros: int) -> Holding:
    """Return the same replicas for so much of the rate."""
    option = holding.option
    return replace(holding, option=replace(option, target=micros)) if option else holding
