"""The plan in the making: who holds what, level by level, and what that leaves.

Two ledgers are kept. `committed` counts what the plan has given so far. `crowd` counts the incumbents of
lower priorities as well: where it has room, nobody needs to be displaced.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from kwatt.model.keys import ServiceKey, Variant
from kwatt.model.npu import NpuClass
from kwatt.model.snapshot import Incumbent, Service, Snapshot
from kwatt.planning.curves import Curve, curves_of
from kwatt.planning.feasibility import Pools, fitness_of
from kwatt.planning.layout import UNLIMITED, Ints, layout_of
from kwatt.planning.ledger import Ledger
from kwatt.planning.options import (
    Demand,
    Offer,
    Option,
    best_rate,
    holds_model,
    offer_of,
    option_for,
    shape_on,
)
from kwatt.planning.spots import fits, most_by_domain, spots_for
from kwatt.units import NO_POWER


@dataclass(frozen=True, slots=True)
class Holding:
    """Alike replicas of one service: (node number, replicas), ascending.

    `option` is None for replicas of a service that is held: they stay, and serve no planned rate.
    """

    demand: Demand
    option: Option | None
    counts: tuple[tuple[int, int], ...]

    @property
    def replicas(self) -> int:
        """Return the number of replicas in all."""
        if len(self.counts) == 1:
            return self.counts[0][1]
        return sum([count for _, count in self.counts])

    @property
    def served(self) -> int:
        """Return the rate served, in millionths of a unit per second."""
        return self.option.served(self.replicas) if self.option else 0

    @property
    def is_whole(self) -> bool:
        """Tell whether the whole target is served."""
        return self.option is not None and self.option.is_whole(self.replicas)


class Draft:
    """Holdings per service with the ledgers that they add up to.

    `seats` are kept for services that run nowhere: like incumbents they are in nobody's way before their
    level is open, but to lose one costs no restart.
    """

    def __init__(
        self, snapshot: Snapshot, seats: Mapping[ServiceKey, Holding] | None = None
    ) -> None:
        self.snapshot = snapshot
        self.seats = dict(seats or {})
        self.layout = layout_of(snapshot)
        self.pools = Pools(self.layout)
        self.committed = Ledger(self.layout, snapshot)
        self._crowd = self.committed.copy()
        self.holdings: dict[ServiceKey, tuple[Holding, ...]] = {}
        self._most: dict[object, int] = {}
        self._curves: dict[str, tuple[Curve, ...]] = {}
        self._offered: dict[tuple[str, tuple[str, ...] | None], tuple[Offer, ...]] = {}
        self._options: dict[ServiceKey, tuple[Option, ...]] = {}
        self._waiting: dict[ServiceKey, tuple[Holding, ...]] = {}
        for service in snapshot.services:
            self._admit_to_crowd(service)

    @property
    def crowd(self) -> Ledger:
        """Return what is left beside the incumbents of lower priorities as well."""
        return self._crowd if self._waiting else self.committed

    @property
    def is_contended(self) -> bool:
        """Tell whether incumbents of lower priorities hold anything."""
        return bool(self._waiting)

    def open_level(self, services: Iterable[Service]) -> None:
        """Take the incumbents of a level out of the crowd: the level is decided now."""
        for service in services:
            for holding in self._waiting.pop(service.key, ()):
                self._add(self._crowd, holding, -1)

    def hold(self, key: ServiceKey, *holdings: Holding) -> None:
        """Give a service its replicas; it must hold none."""
        kept = tuple(holding for holding in holdings if holding.counts)
        if kept:
            self.holdings[key] = kept
        for holding in kept:
            self._put(holding)

    def hold_all(self, holdings: Mapping[ServiceKey, Holding]) -> None:
        """Give many services new replicas on nodes of their class at once; they must hold none."""
        puts = [(n, h.demand, count) for h in holdings.values() for n, count in h.counts]
        self.holdings.update((key, (holding,)) for key, holding in holdings.items())
        self.committed.add_all(puts)
        if self._waiting:
            self._crowd.add_all(puts)

    def take_seat(self, key: ServiceKey) -> None:
        """Give a service the seat kept for it, unless something is in the way by now."""
        seat = self.seats.pop(key, None)
        if seat is not None and self.committed.quota_slots(seat.demand) >= seat.replicas:
            self.hold_if_room(key, seat)

    def hold_if_room(self, key: ServiceKey, holding: Holding) -> bool:
        """Give a service replicas if nodes and budgets take them all, quotas aside; tell whether they do."""
        for place, (number, count) in enumerate(holding.counts):
            if self.committed.most(number, holding.demand) < count:
                for before, taken in holding.counts[:place]:
                    self.committed.add(before, holding.demand, -taken)
                return False
            self.committed.add(number, holding.demand, count)
        self.holdings[key] = (holding,)
        if self._waiting:
            self._add(self._crowd, holding, 1)
        return True

    def release(self, key: ServiceKey) -> tuple[Holding, ...]:
        """Take all replicas of a service back, and return them."""
        holdings = self.holdings.pop(key, ())
        for holding in holdings:
            self._put(holding, -1)
        return holdings

    def holding(self, service: Service) -> Holding | None:
        """Return what a service holds that is not held."""
        holdings = self.holdings.get(service.key, ())
        return holdings[0] if holdings else None

    def options(self, service: Service) -> tuple[Option, ...]:
        """Return the variants as which a service can serve anything within its own limits."""
        if service.key not in self._options:
            self._options[service.key] = self.options_of(service)
        return self._options[service.key]

    def options_of(self, service: Service) -> tuple[Option, ...]:
        """Return the options of a service that need not be in the snapshot, for a trial."""
        return _options(service, self.offers(service))

    def running_options(self, service: Service) -> tuple[Option, ...]:
        """Return those options whose variants run already."""
        running = {incumbent.variant for incumbent in service.incumbents}
        if service.key in self._options:
            return tuple(o for o in self._options[service.key] if o.variant in running)
        return _options(service, (o for o in self.offers(service) if o.variant in running))

    def offers(self, service: Service) -> tuple[Offer, ...]:
        """Return the offers for a service's model on the classes that it allows; () if it is held.

        Services that may choose alike get the same tuple.
        """
        if service.held is not None:
            return ()
        choice = service.model, service.allowed
        offers = self._offered.get(choice)
        if offers is None:
            offers = self._offered[choice] = tuple(
                offer
                for offer in self._offers_for(service.model)
                if service.allowed is None or offer.variant.npu_class in service.allowed
            )
        former = self._former_offers(service) if service.incumbents else ()
        return (*offers, *former) if former else offers

    def curves(self, service: Service) -> tuple[Curve, ...]:
        """Return the curves of a service's model on the classes that it allows."""
        return tuple(
            curve
            for curve in self._curves_of(service.model)
            if service.allowed is None or curve.npu_class in service.allowed
        )

    def pool(self, service: Service, variant: Variant) -> Ints:
        """Return the nodes that admit new replicas of a service's variant."""
        shape = shape_on(service, variant.npu_class)
        tolerations = self.snapshot.classes[variant.npu_class].tolerations
        return self.pools.ready(fitness_of(variant, shape, tolerations))

    def pool_of_kind(self, service: Service, kind: tuple[str, str]) -> Ints:
        """Return the nodes of an NPU class and resource that admit new replicas of a service."""
        return self.pool(service, Variant(*kind, 0, ""))

    def running(self, service: Service, variant: Variant) -> Mapping[int, int]:
        """Return the replicas of a variant that run on nodes of the snapshot, by node number."""
        found: dict[int, int] = {}
        for incumbent in service.incumbents:
            number = self.layout.numbers.get(incumbent.node)
            if incumbent.variant == variant and number is not None and incumbent.replicas > 0:
                found[number] = found.get(number, 0) + incumbent.replicas
        return found

    def demand_of(self, service: Service, incumbent: Incumbent) -> Demand:
        """Return the demand of a held service's replicas, by the watts that its pods ask for."""
        variant = incumbent.variant
        npu_class: NpuClass | None = self.snapshot.classes.get(variant.npu_class)
        shape = shape_on(service, variant.npu_class)
        return Demand(
            namespace=service.key.namespace,
            variant=variant,
            watts=incumbent.watts,
            idle=npu_class.idle * variant.npus if npu_class else NO_POWER,
            cpu_milli=shape.cpu_milli,
            memory_bytes=shape.memory_bytes,
        )

    def _curves_of(self, model: str) -> tuple[Curve, ...]:
        if model not in self._curves:
            profile = self.snapshot.profiles.get(model)
            self._curves[model] = curves_of(profile) if profile else ()
        return self._curves[model]

    def _offers_for(self, model: str) -> Iterator[Offer]:
        """Yield the offers for a model on NPUs that nodes have, or on those of classes without nodes."""
        for curve, npu_class in self._holding_curves(model):
            for resource in self.pools.resources(npu_class.name) or npu_class.resources[:1]:
                yield offer_of(curve, npu_class, resource)

    def _former_offers(self, service: Service) -> tuple[Offer, ...]:
        """Return the offers for incumbents whose resource no node of the class has any more."""
        running = {incumbent.variant for incumbent in service.incumbents}
        missing = running - {o.variant for o in self._offered[service.model, service.allowed]}
        if not missing:
            return ()
        return tuple(
            offer_of(curve, npu_class, resource)
            for curve, npu_class in self._holding_curves(service.model)
            if service.allowed is None or curve.npu_class in service.allowed
            for resource in npu_class.resources
            if Variant(curve.npu_class, resource, curve.npus, curve.setting) in missing
        )

    def _holding_curves(self, model: str) -> list[tuple[Curve, NpuClass]]:
        """Return a model's curves on classes that exist and whose memory holds it."""
        found = ((c, self.snapshot.classes.get(c.npu_class)) for c in self._curves_of(model))
        profile = self.snapshot.profiles.get(model)
        return [
            (curve, npu_class)
            for curve, npu_class in found
            if npu_class and profile and holds_model(curve, profile, npu_class)
        ]

    def _admit_to_crowd(self, service: Service) -> None:
        holdings = tuple(
            Holding(option.demand, option, tuple(sorted(running.items())))
            for option in (self.running_options(service) if service.incumbents else ())
            if (running := self.running(service, option.variant))
        )
        holdings += held_replicas(self, service)
        if service.key in self.seats:
            holdings += (self.seats[service.key],)
        if holdings:
            self._waiting[service.key] = holdings
        for holding in holdings:
            self._add(self._crowd, holding, 1)

    def most_of(self, service: Service, option: Option, *, displacing: bool) -> int:
        """Return a number of replicas of an option beyond which there is no room; cheap when asked again.

        Room that was taken since is not noticed: the number stays a limit then, if not the least.
        """
        ledger, demand = self.committed if displacing else self.crowd, option.demand
        pool = self.pool(service, option.variant)
        running = self.running(service, option.variant)
        if running:
            return UNLIMITED
        host = demand.cpu_milli, demand.memory_bytes
        key = (id(ledger), id(pool), demand.variant, demand.watts, *host)
        if key not in self._most:
            spots = spots_for(ledger, demand, pool, running)
            within = fits(self.layout, ledger.room, spots, spots.opening)
            self._most[key] = most_by_domain(self.layout, ledger.room, spots, within)
        return self._most[key]

    def _put(self, holding: Holding, sign: int = 1) -> None:
        self._add(self.committed, holding, sign)
        if self._waiting:
            self._add(self._crowd, holding, sign)

    def _add(self, ledger: Ledger, holding: Holding, sign: int) -> None:
        if sign < 0:
            self._most.clear()
        for number, count in holding.counts:
            ledger.add(number, holding.demand, sign * count)


def _options(service: Service, offers: Iterable[Offer]) -> tuple[Option, ...]:
    usable = (o for o in offers if best_rate(o.curve, service.latency_micros) > 0)
    options = (option_for(service, offer) for offer in usable)
    return tuple(o for o in options if o.most is None or o.least <= o.most)


def held_replicas(draft: Draft, service: Service) -> tuple[Holding, ...]:
    """Return all replicas that a held service has, one holding per variant and node; () if not held."""
    if service.held is None:
        return ()
    return tuple(
        Holding(
            draft.demand_of(service, incumbent),
            None,
            ((draft.layout.numbers[incumbent.node], incumbent.replicas),),
        )
        for incumbent in sorted(service.incumbents, key=lambda i: (i.variant, i.node, i.watts))
        if incumbent.node in draft.layout.numbers and incumbent.replicas > 0
    )
