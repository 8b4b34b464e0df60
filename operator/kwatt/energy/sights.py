"""What the last samples show of every service, budget and class, summed over pools."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from kwatt.energy.account import Known
from kwatt.energy.coverage import Cards, Coverage, earliest, trails_of
from kwatt.energy.holdings import Holder, Holdings, Instant, Pool, PoolKey
from kwatt.energy.integration import Trail
from kwatt.model.keys import ServiceKey
from kwatt.model.npu import Scope
from kwatt.units import Power

_SHOWN: Final = 3


@dataclass(slots=True)
class _Sight:
    """Sums for one object while pools are gone through."""

    throughs: list[int | None] = field(default_factory=list)
    milliwatts: int = 0
    limit: int = 0
    estimated: bool = False
    scopes: set[Scope] = field(default_factory=set)
    npus: int = 0
    read: int = 0
    unread: list[PoolKey] = field(default_factory=list)

    def part(self, key: PoolKey, through: int | None, npus: int, trails: Sequence[Trail]) -> None:
        """Add NPUs of one pool, until when they are known, and the fresh samples of their cards."""
        self.throughs.append(through)
        self.npus += npus
        read = min(npus, sum(trail.devices for trail in trails))
        self.read += read
        if read == npus:
            return
        if len(self.unread) < _SHOWN and key not in self.unread:
            self.unread.append(key)

    def known(self) -> Known:
        return Known(
            holds=bool(self.npus),
            through=earliest(self.throughs),
            power=Power(self.milliwatts) if self.npus and self.read == self.npus else None,
            limit=self.limit,
            estimated=self.estimated,
            scopes=frozenset(self.scopes),
            npus=self.npus,
            read=self.read,
            unread=tuple(self.unread),
        )


@dataclass(frozen=True, slots=True)
class Sights:
    """What is known now; objects that hold nothing are absent."""

    services: Mapping[ServiceKey, Known]
    budgets: Mapping[str, Known]
    classes: Mapping[str, Known]


def sights(
    cards: Cards,
    coverage: Coverage,
    holdings: Holdings,
    over: Mapping[str, tuple[str, ...]],
    now: Instant,
) -> Sights:
    """Sum up; `over` are the budgets over each node."""
    services: defaultdict[ServiceKey, _Sight] = defaultdict(_Sight)
    budgets: defaultdict[str, _Sight] = defaultdict(_Sight)
    classes: defaultdict[str, _Sight] = defaultdict(_Sight)
    for key, pool in holdings.pools.items():
        limit = holdings.limit(key.npu_class)
        since = now.ms - limit
        fresh = [trail for trail in cards.get(key, {}).values() if trail.at >= since]
        wholes = [classes[key.npu_class], *(budgets[name] for name in over.get(key.node, ()))]
        for whole in wholes:
            whole.limit = max(whole.limit, limit)
            whole.part(key, coverage.of_pool(key), pool.npus, fresh)
            whole.milliwatts += sum(trail.milliwatts for trail in fresh)
            whole.scopes.update(trail.scope for trail in fresh)
        for holder in pool.holders:
            if holder.service is not None:
                own = services[holder.service]
                own.limit = max(own.limit, limit)
                mine = trails_of(holder, pool, fresh)
                own.part(key, coverage.of_pod(key, holder.pod), holder.npus, mine)
        _share(fresh, services)
    return Sights(
        services={key: sight.known() for key, sight in services.items()},
        budgets={name: sight.known() for name, sight in budgets.items()},
        classes={name: sight.known() for name, sight in classes.items()},
    )


def _share(fresh: list[Trail], services: Mapping[ServiceKey, _Sight]) -> None:
    for trail in fresh:
        for service, milliwatts in trail.services.items():
            if service in services:
                own = services[service]
                own.milliwatts += milliwatts
                own.scopes.add(trail.scope)
                own.estimated |= trail.estimated


def drawing(cards: Cards, holdings: Holdings, now: Instant) -> list[tuple[Holder, int]]:
    """Return the ready replicas at a known operating point whose watts were told apart, with milliwatts."""
    found: list[tuple[Holder, int]] = []
    for key, pool in holdings.pools.items():
        since = now.ms - holdings.limit(key.npu_class)
        fresh = [trail for trail in cards.get(key, {}).values() if trail.at >= since]
        for holder in pool.holders:
            milliwatts = _told_apart(holder, pool, fresh)
            if milliwatts is not None:
                found.append((holder, milliwatts))
    return found


def _told_apart(holder: Holder, pool: Pool, fresh: list[Trail]) -> int | None:
    """Return a pod's milliwatts; None where they are not known, or shared out between unlike pods."""
    if holder.point is None or not holder.ready:
        return None
    mine = [trail for trail in fresh if holder.pod in trail.pods]
    alike = all(other.point == holder.point for other in pool.holders)
    if sum(trail.devices for trail in mine) < holder.npus:
        return None
    if any(trail.estimated for trail in mine) and not alike:
        return None
    return sum(trail.pods[holder.pod] for trail in mine)
