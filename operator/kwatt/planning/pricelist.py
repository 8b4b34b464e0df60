"""The price list: what services pay for their ways to run, at prices kept from a plan of them all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from heapq import heappop, heappush
from typing import Final, NamedTuple

from kwatt.model.keys import Variant
from kwatt.model.snapshot import Service
from kwatt.planning.capacity import capacity_of
from kwatt.planning.columns import SCALE, are_exact, columns_of
from kwatt.planning.draft import Draft, Holding
from kwatt.planning.lagrangian import Prices, Relaxation, relaxation_of
from kwatt.planning.newcomers import Market
from kwatt.planning.options import Demand, Offer, Option, demand_for, option_for
from kwatt.planning.pairs import Want
from kwatt.planning.prices import prices_of

SAME_PERCENT: Final = 98  # another variant must cost less than this share of the present one
_FINE: Final = (
    2**20
)  # units are in this part of a milliwatt x SCALE per millionth of a unit a second
_MIB: Final = 2**20


class Candidate(NamedTuple):
    """So many replicas of an option serve the whole target; `paid` is in milliwatts x SCALE."""

    paid: int
    replicas: int
    option: Option


class Each(NamedTuple):
    """What a kind of node asks for each NPU, millicore, MiB and watt, in milliwatts x SCALE."""

    npus: int
    cpu: int
    memory: int
    watts: int

    def of(self, demand: Demand) -> int:
        """Return what one replica pays."""
        paid = demand.variant.npus * self.npus + demand.watts * self.watts
        return paid + demand.cpu_milli * self.cpu + demand.memory_bytes // _MIB * self.memory


class _Priced(NamedTuple):
    """An offer; `unit` is the least paid per rate, `least` by any replica, `each` on top of its draw."""

    unit: int
    least: int
    each: int
    offer: Offer


_FREE: Final = Each(0, 0, 0, 0)
_Kind = tuple[str, str]


class PriceList:
    """Prices by kind of node. Services that ask alike share what was found for one of them."""

    def __init__(self, draft: Draft, prices: Mapping[_Kind, Each]) -> None:
        self._draft, self._prices = draft, prices
        self._priced: dict[object, dict[Variant, _Priced]] = {}

    def best(self, service: Service, variant: Variant | None) -> Candidate | None:
        """Return the cheapest candidate; one of the present variant if it costs hardly more."""
        priced = self._priced_for(service)
        row = priced.get(variant) if variant else None
        best = _cheapest(service, row) if row else None
        limit = None if best is None else best.paid * SAME_PERCENT // 100
        for row in priced.values():
            if limit is not None and _at_least(row, service) >= limit:
                continue
            found = _cheapest(service, row)
            if found is not None and (limit is None or found.paid < limit):
                best, limit = found, found.paid
        return best

    def regret(self, held: Holding, wanted: Candidate) -> int:
        """Return what a holding pays more than a candidate would, in milliwatts x SCALE."""
        if held.option is None:
            return 0
        variant = held.demand.variant
        each = self._prices.get((variant.npu_class, variant.resource), _FREE).of(held.demand)
        cost = held.option.cost(held.replicas)
        return cost * SCALE // 1000 + held.replicas * each - wanted.paid

    def candidates(self, service: Service) -> Iterator[Candidate]:
        """Yield all candidates, the cheapest first; what nobody asks for is not worked out."""
        return _in_order(service, self._priced_for(service).values(), 0)

    def candidates_elsewhere(
        self, service: Service, variant: Variant, charge: int
    ) -> Iterator[Candidate]:
        """Yield candidates on other kinds of node than a variant's, the cheapest first, then the others.

        A `charge` counts for each replica on top of what it pays.
        """
        kind, rows = (variant.npu_class, variant.resource), self._priced_for(service).values()
        for is_here in (False, True):
            yield from _in_order(service, [r for r in rows if _is_on(r, kind) == is_here], charge)

    def _priced_for(self, service: Service) -> dict[Variant, _Priced]:
        if service.shapes:
            return self._rows(service)
        alike = service.model, service.allowed, service.shape.cpu_milli, service.shape.memory_bytes
        if alike not in self._priced:
            self._priced[alike] = self._rows(service)
        return self._priced[alike]

    def _rows(self, service: Service) -> dict[Variant, _Priced]:
        rows = (self._row(service, offer) for offer in self._draft.offers(service))
        return {row.offer.variant: row for row in sorted(rows, key=lambda r: r[:3])}

    def _row(self, service: Service, offer: Offer) -> _Priced:
        demand = demand_for(service, offer)
        kind = demand.variant.npu_class, demand.variant.resource
        each = self._prices.get(kind, _FREE).of(demand)
        above = [(p - offer.idle.milliwatts) * SCALE + each for p in offer.curve.powers]
        units = [
            paid * _FINE // rate
            for paid, rate in zip(above, offer.curve.rates, strict=True)
            if rate > 0
        ]
        return _Priced(min(units, default=0), min(above), each, offer)


def price_list(draft: Draft, market: Market | None) -> PriceList | None:
    """Return the prices at which a draft's services were placed, or would be by now; None beyond vectors."""
    if not draft.snapshot.services:
        return PriceList(draft, {})
    priced = (market.relaxation, market.prices) if market else _priced_anew(draft)
    if priced is None:
        return None
    relaxation, prices = priced
    offers, columns = relaxation.columns.menu.offers, relaxation.columns
    kinds = {
        (offers[offer].variant.npu_class, offers[offer].variant.resource): kind
        for offer, kind in set(zip(columns.offer.tolist(), columns.kind.tolist(), strict=True))
    }
    vectors = (prices.npus, prices.cpu, prices.memory, prices.watts)
    each = {kind: Each(*(int(of[number]) for of in vectors)) for kind, number in kinds.items()}
    return PriceList(draft, each)


def _priced_anew(draft: Draft) -> tuple[Relaxation, Prices] | None:
    services = draft.snapshot.services
    wants = [Want(s, offers, s.target.micros) for s in services if (offers := draft.offers(s))]
    distinct = {id(want.offers): want.offers for want in wants}.values()
    capacity = capacity_of(draft, {o.variant for offers in distinct for o in offers})
    if not wants or not are_exact(capacity, wants):
        return None
    columns = columns_of(capacity, wants)
    if not columns.are_exact or not len(columns.service):
        return None
    relaxation = relaxation_of(capacity, columns)
    return relaxation, prices_of(relaxation)


def _in_order(service: Service, priced: Iterable[_Priced], charge: int) -> Iterator[Candidate]:
    """Yield the candidates of offers by what they pay, with a charge for each replica."""
    found: list[tuple[int, int, Variant, Candidate]] = []
    rows = [(_at_least(row, service) + charge * _fewest(row, service), row) for row in priced]
    for least, row in sorted(rows, key=lambda r: r[0]):
        while found and found[0][0] <= least:
            yield heappop(found)[-1]
        for c in _candidates(service, row):
            paid = c.paid + charge * c.replicas
            heappush(found, (paid, c.replicas, c.option.variant, c))
    while found:
        yield heappop(found)[-1]


def _is_on(row: _Priced, kind: _Kind) -> bool:
    variant = row.offer.variant
    return (variant.npu_class, variant.resource) == kind


def _at_least(row: _Priced, service: Service) -> int:
    """Return what any candidate of an offer pays at least."""
    return max(row.unit * service.target.micros // _FINE, row.least * service.min_replicas)


def _fewest(row: _Priced, service: Service) -> int:
    """Return how many replicas of an offer a service needs at least."""
    return max(1, service.min_replicas, service.target.micros // max(1, row.offer.curve.rates[-1]))


def _candidates(service: Service, row: _Priced) -> Iterator[Candidate]:
    option = option_for(service, row.offer)
    for count in option.counts:
        paid = count.cost * SCALE // 1000 + count.replicas * row.each
        yield Candidate(paid, count.replicas, option)


def _cheapest(service: Service, row: _Priced) -> Candidate | None:
    return min(_candidates(service, row), key=lambda c: (c.paid, c.replicas), default=None)
