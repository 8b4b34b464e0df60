"""What stands after a plan that serves everybody: who holds what, and what that leaves. Kept between plans.

A step changes one service or loses one node, and touches nobody else. While everybody is served in full,
nobody waits behind a lower priority; where a step would leave anybody short it says so, and a plan of
everything has to decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from kwatt.model.keys import ServiceKey
from kwatt.model.snapshot import Service
from kwatt.planning.ageing import drawn_by_services
from kwatt.planning.bins import Piece, merged
from kwatt.planning.capacity import is_at_home
from kwatt.planning.columns import SCALE
from kwatt.planning.delta import NOT_COVERED, Delta
from kwatt.planning.draft import Draft, Holding
from kwatt.planning.fitting import FittingBins
from kwatt.planning.losses import Loss
from kwatt.planning.newcomers import Market
from kwatt.planning.options import Demand, Option
from kwatt.planning.pricelist import Candidate, PriceList, price_list
from kwatt.planning.tidying import Displaced, returned, runs, tidied

START_CHARGE: Final = (
    10_000 * SCALE
)  # [assumption] for each replica that a loss starts elsewhere: 10 W


class Standing:
    """Services that are all served in full, by key, with a holding each."""

    def __init__(self, draft: Draft, prices: PriceList) -> None:
        self._draft, self._prices, self.layout = draft, prices, draft.layout
        self.bins = FittingBins(draft.layout, draft.committed)
        self.services = {service.key: service for service in draft.snapshot.services}
        self.holdings = {key: holdings[0] for key, holdings in draft.holdings.items()}
        self.on_node: dict[int, set[ServiceKey]] = {}
        self.displaced = Displaced()
        self.drawn = drawn_by_services(self.bins, self.holdings.values())
        for key, holding in self.holdings.items():
            self._note(key, holding)
        self._prepare()

    def room(self) -> list[int]:
        """Return the headroom of each budget in milliwatts, with an unlimited entry behind the last."""
        return list(self.bins.room)

    def see(self, services: Iterable[Service]) -> None:
        """Note what runs of services by now, before any step: that stays."""
        for service in services:
            if known := self.services.get(service.key):
                ran = replace(known, incumbents=service.incumbents, starting=service.starting)
                self.services[service.key] = ran
                if runs(ran):
                    self.displaced.note(service.key, None)

    def reprice(self) -> None:
        """Find the prices of what services ask for by now; nobody moves by that."""
        ordered = [self.services[key] for key in sorted(self.services)]
        asking = tuple(replace(s, incumbents=()) if s.incumbents else s for s in ordered)
        draft = Draft(replace(self._draft.snapshot, services=asking))
        self._prices = price_list(draft, None) or self._prices

    def change(self, service: Service) -> Delta:
        """Serve a new service, or one that asks for something else now."""
        before = self.holdings.get(service.key)
        if service.held is not None:
            return NOT_COVERED
        after = self._served(service, before)
        if after is None:
            return NOT_COVERED
        self.services[service.key] = service
        return self._tidied(self.settle({service.key: before}, {service.key: after}), service)

    def remove(self, key: ServiceKey) -> Delta:
        """Take everything back from a service that is gone."""
        before = self.holdings[key]
        self.take(before, before.counts)
        self.displaced.note(key, None)
        service = self.services.pop(key)
        return self._tidied(self.settle({key: before}, {key: None}), service)

    def lose(self, node: str) -> Delta:
        """Serve elsewhere what ran on a node that is gone; the node takes nothing any more."""
        loss = Loss(self, self.layout.numbers[node])
        return self.settle(loss.before, loss.after) if loss.is_made_good() else NOT_COVERED

    def regain(self, node: str) -> None:
        """Let a node that was lost take replicas again."""
        self.bins.readmit(self.layout.numbers[node])

    def put_back(self, delta: Delta) -> None:
        """Give services that lost a node, which is in use again, what they held before."""
        for holding in delta.after.values():
            if holding:
                self.take(holding, holding.counts)
        for holding in delta.before.values():
            if holding:
                self.restore(holding, holding.counts)
        self.settle(delta.after, delta.before)

    def _prepare(self) -> None:
        """Sort the nodes on which services run by what is free, so that the first steps need not."""
        alike: dict[object, tuple[ServiceKey, Option]] = {}
        for key, holding in self.holdings.items():
            shape, variant = self.services[key].shape, holding.demand.variant
            if holding.option:
                fit = shape, variant.npu_class, variant.resource
                alike.setdefault(fit, (key, holding.option))
        for key, option in alike.values():
            self.piece(self.services[key], option)

    def order(self, key: ServiceKey) -> tuple[int, int, ServiceKey]:
        """Return the order in which services find room: the largest replicas have the least choice."""
        return -self.holdings[key].demand.variant.npus, -self.services[key].priority, key

    def _served(self, service: Service, before: Holding | None) -> Holding | None:
        kept = before.demand.variant if before and runs(service) else None
        best = self._prices.best(service, kept)
        if best is None:
            return None
        if before is not None and best.option.variant == before.demand.variant:
            if best.option.demand != before.demand:  # pods of another shape may fit where they run
                return None
            grown = self._resized(service, before, best)
            if grown is not None:
                self.displaced.note(service.key, None)
                return grown
        moved = self.anew(service, before, best)
        if moved is None or moved.demand.variant == best.option.variant:
            self.displaced.note(service.key, None)
        else:
            self.displaced.note(service.key, best, self._prices.regret(moved, best))
        return moved

    def _resized(self, service: Service, before: Holding, wanted: Candidate) -> Holding | None:
        """Start or drop replicas of the same variant."""
        more = wanted.replicas - before.replicas
        counts: Iterable[tuple[int, int]] = before.counts
        if more < 0:
            dropped = list(self._first_to_go(before, -more))
            self.take(before, dropped)
            counts = merged([*counts, *((number, -count) for number, count in dropped)])
        elif more > 0:
            placed = self.bins.place(self.piece(service, wanted.option), more)
            if placed is None:
                return None
            counts = merged([*counts, *placed])
        return Holding(before.demand, wanted.option, tuple(c for c in counts if c[1]))

    def anew(
        self, service: Service, before: Holding | None, wanted: Candidate | None = None
    ) -> Holding | None:
        """Place all replicas anew, as wanted or as the cheapest candidate with room; None: as before."""
        if before is not None:
            self.take(before, before.counts)
        after = self.placed(service, wanted) if wanted else None
        return (
            self._first(service, before, self._prices.candidates(service))
            if after is None
            else after
        )

    def elsewhere(self, service: Service, before: Holding) -> Holding | None:
        """Place all replicas anew, on another kind of node if there is room; None: as before.

        Each start is charged: all replicas start, and few large ones draw little more than many small ones.
        """
        self.take(before, before.counts)
        variant = before.demand.variant
        found = self._prices.candidates_elsewhere(service, variant, START_CHARGE)
        return self._first(service, before, found)

    def _first(
        self, service: Service, before: Holding | None, candidates: Iterable[Candidate]
    ) -> Holding | None:
        """Place the first candidate with room; None, and as before, where there is none."""
        found = (self.placed(service, c) for c in candidates)
        after = next((holding for holding in found if holding), None)
        if after is None and before is not None:
            self.restore(before, before.counts)
        return after

    def placed(self, service: Service, candidate: Candidate) -> Holding | None:
        option = candidate.option
        counts = self.bins.place(self.piece(service, option), candidate.replicas)
        return Holding(option.demand, option, merged(counts)) if counts else None

    def _first_to_go(self, holding: Holding, excess: int) -> Iterator[tuple[int, int]]:
        """Yield nodes with replicas to drop: lost and cordoned nodes first, then those emptied soonest."""
        nodes, bins = self._draft.layout.nodes, self.bins

        def order(place: tuple[int, int]) -> tuple[bool, bool, int, int]:
            node = nodes[place[0]]
            return (
                node.ready,
                not node.unschedulable,
                node.npus_allocatable - bins.npus[place[0]],
                place[0],
            )

        for number, count in sorted(holding.counts, key=order):
            dropped = min(count, excess)
            yield number, dropped
            excess -= dropped
            if not excess:
                return

    def piece(self, service: Service, option: Option) -> Piece:
        """Return what a replica takes, with the nodes that admit it."""
        pool = self.bins.pool(self._draft.pool(service, option.variant))
        return _piece_of(option.demand, pool)

    def piece_of(self, key: ServiceKey) -> Piece:
        """Return what a replica that a service holds takes, with the nodes that admit it."""
        holding = self.holdings[key]
        pool = self._draft.pool(self.services[key], holding.demand.variant)
        return _piece_of(holding.demand, self.bins.pool(pool))

    def _tidied(self, delta: Delta, service: Service) -> Delta:
        """Let others, nothing of which runs, have the room that a step left, and close nodes."""
        left = [h.demand.variant for h in delta.before.values() if h]
        home = returned(self, ((variant.npu_class, variant.resource) for variant in left))
        held = [
            (service, h.demand.variant)
            for h in (*delta.before.values(), *delta.after.values())
            if h
        ]
        held += [(self.services[key], h.demand.variant) for key, h in home.before.items()]
        pools = (self.bins.pool(self._draft.pool(*one)) for one in held)
        closed = tidied(self, dict.fromkeys(pools))
        return Delta(
            {**closed.before, **home.before, **delta.before},
            {**delta.after, **home.after, **closed.after},
        )

    def take(self, holding: Holding, counts: Sequence[tuple[int, int]]) -> None:
        """Take some replicas of a holding off their nodes."""
        self.bins.take(_piece_of(holding.demand), list(counts))

    def restore(self, holding: Holding, counts: Sequence[tuple[int, int]]) -> None:
        """Put some replicas of a holding back where they were."""
        self.bins.restore(_piece_of(holding.demand), list(counts))

    def settle(
        self,
        before: Mapping[ServiceKey, Holding | None],
        after: Mapping[ServiceKey, Holding | None],
    ) -> Delta:
        """Note what services hold now, which the bins know already."""
        for key, holding in before.items():
            for number, _ in holding.counts if holding else ():
                self.on_node[number].discard(key)
        for key, holding in after.items():
            if holding is None:
                del self.holdings[key]
            else:
                self.holdings[key] = holding
                self._note(key, holding)
        return Delta(before, after)

    def _note(self, key: ServiceKey, holding: Holding) -> None:
        for number, _ in holding.counts:
            self.on_node.setdefault(number, set()).add(key)


def standing_of(draft: Draft, market: Market | None) -> Standing | None:
    """Return what stands if everybody is served in full else None.

    Replicas on nodes whose class is another by now count other watts than new ones: they are not covered.
    """
    services, nodes = draft.snapshot.services, draft.layout.nodes
    if len(draft.holdings) < len(services):
        return None
    for holdings in draft.holdings.values():
        holding = holdings[0]
        at_home = all(is_at_home(nodes[n], holding.demand.variant) for n, _ in holding.counts)
        if len(holdings) > 1 or not holding.is_whole or not at_home:
            return None
    prices = price_list(draft, market)
    return Standing(draft, prices) if prices else None


def _piece_of(demand: Demand, pool: int = -1) -> Piece:
    variant = demand.variant
    return Piece(
        pool, variant.npus, 1000 * demand.watts, demand.cpu_milli, demand.memory_bytes, demand
    )
