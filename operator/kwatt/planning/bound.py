"""A proven lower bound on the draw of every plan that serves the same services at the same rates.

A linear relaxation is solved for prices, and the bound is what the prices prove in exact integers:
see `lagrangian`. All columns count, none of the planner's choices do, and starts cost nothing here.
A service that the plan mixes counts with the least watts per unit of rate that any variant draws, and takes
no room: so does any mixture of them, or more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from math import floor
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np

from kwatt.model.keys import Variant
from kwatt.model.plan import Bound, Totals
from kwatt.model.snapshot import Service
from kwatt.planning.accounting import drawn_by, rows_of
from kwatt.planning.capacity import Capacity, capacity_of, is_at_home, pools_of, tightest
from kwatt.planning.columns import SCALE, Columns, are_exact, columns_of
from kwatt.planning.draft import Draft
from kwatt.planning.lagrangian import Relaxation, densities_of, prices_for, relaxation_of, value_of
from kwatt.planning.layout import Ints
from kwatt.planning.mixing import is_never_below_idle, least_per_rate
from kwatt.planning.newcomers import Market
from kwatt.planning.pairs import Stray, Want
from kwatt.planning.prices import prices_of
from kwatt.planning.program import Program, is_available
from kwatt.units import Power, nearest

MOST_BUDGETS: Final = 40  # budgets considered, the tightest first
MOST_NODE_ROWS: Final = 2000  # services x kinds up to which whole nodes are counted
ENOUGH: Final = Fraction(1, 2000)  # with a gap this small budgets are not considered
ENOUGH_AT_SCALE: Final = Fraction(1, 100)
ALL_AT_ONCE: Final = 4000  # columns; where there are more, services are put together in blocks
BLOCKS: Final = 64
MOST_FIRST_PRICE: Final = 2**36
_ROUNDS: Final = 60
_PRECISION: Final = 10**6  # the search for prices ends this near to the best there are


class Proof(NamedTuple):
    """The bound, or None with the reason why there is none.

    `saved` is, by name of a budget, the watts that one more watt of its cap would save at the prices.
    """

    bound: Bound | None
    reason: str = ""
    saved: Mapping[str, Fraction] = MappingProxyType({})


def bound_by_prices(draft: Draft, totals: Totals, market: Market | None = None) -> Proof:
    """Return the bound that class prices prove, budgets and whole nodes left aside; needs no solver.

    `market` is what the services came from if they are all that runs.
    """
    if market is not None and market.is_all:
        constant = _drawn_without(draft)
        relaxation = replace(market.relaxation, constant=constant)
        return _proof(nearest(Fraction(value_of(relaxation, market.prices)[0], SCALE)), totals)
    posed = _posed(draft)
    if isinstance(posed, str):
        return Proof(None, posed)
    if posed.columns is None:
        return _proof(posed.constant, totals)
    relaxation = relaxation_of(posed.capacity, posed.columns, posed.constant)
    value, _ = value_of(relaxation, prices_of(relaxation))
    return _proof(nearest(Fraction(value, SCALE)), totals)


def bound_of(draft: Draft, totals: Totals) -> Proof:
    """Return the bound on `totals.draw` for the services and rates that the draft serves."""
    posed = _posed(draft)
    if isinstance(posed, str):
        return Proof(None, posed)
    if posed.columns is None:
        return _proof(posed.constant, totals)
    if not is_available():
        return Proof(None, "the solver highspy could not be imported")
    relaxation = relaxation_of(posed.capacity, posed.columns, posed.constant)
    by_prices = Fraction(value_of(relaxation, prices_of(relaxation))[0], SCALE)
    problem = _Problem(posed.constant, posed.capacity, posed.columns)
    if _gap(totals.draw.milliwatts, nearest(by_prices)) <= problem.enough:
        return _proof(nearest(by_prices), totals)
    value, reason, saved = _solved(problem, draft, totals)
    if value is None:
        return Proof(None, reason)
    names = [budget.name for budget in draft.layout.budgets]
    saved_by_name = {names[budget]: price for budget, price in saved.items()}
    return _proof(nearest(max(value, by_prices)), totals)._replace(saved=saved_by_name)


class _Posed(NamedTuple):
    """What is to be bounded; without services there are no columns."""

    constant: int
    capacity: Capacity
    columns: Columns | None


def _posed(draft: Draft) -> _Posed | str:
    """Return the problem, or why it can't be bounded."""
    mixed = _drawn_by_mixtures(draft)
    if mixed is None:
        return "a service of several variants may draw less than idle, or runs on nodes of other classes"
    wants, constant = _wants(draft), _drawn_without(draft) + mixed
    distinct = {id(want.offers): want.offers for want in wants}.values()
    capacity = capacity_of(draft, {o.variant for offers in distinct for o in offers})
    if not wants:
        return _Posed(constant, capacity, None)
    columns = columns_of(capacity, wants) if are_exact(capacity, wants) else None
    if columns is None or len(columns.starts) < len(wants) or not columns.are_exact:
        return "the figures are too large to bound"
    return _Posed(constant, capacity, columns)


class _Problem:
    """What is to be bounded, with any number of its budgets."""

    def __init__(self, constant: int, capacity: Capacity, columns: Columns) -> None:
        self.capacity, self._constant, self._columns = capacity, constant, columns
        self._densities = densities_of(capacity, columns.menu)
        pairs = len(columns.starts) * len(capacity.kinds)
        self._whole = pairs <= MOST_NODE_ROWS and bool(capacity.opening.any())
        self._few = len(columns.service) <= ALL_AT_ONCE

    @property
    def is_small(self) -> bool:
        """Tell whether solving is quick; at scale class prices prove as much, budgets left aside."""
        return self._whole or self._few

    @property
    def enough(self) -> Fraction:
        """Return the gap with which the solver is not asked for a better bound."""
        return ENOUGH if self.is_small else ENOUGH_AT_SCALE

    def densest(self) -> dict[int, float]:
        """Return the most watts above idle for one NPU, by kind."""
        return {k: most[0] / most[1] for k, (_, most) in enumerate(self._densities)}

    def solved(self, budgets: tuple[int, ...]) -> tuple[Fraction | None, str, Sequence[int]]:
        """Return the bound in milliwatts within the budgets, or None with the reason; and their prices."""
        services = len(self._columns.starts)
        relaxation = Relaxation(
            constant=self._constant,
            columns=self._columns,
            pools=pools_of(self.capacity, budgets, whole=self._whole),
            kinds=len(self.capacity.kinds),
            densities=self._densities,
            rooms=tuple(self.capacity.rooms[b] for b in budgets),
            counts_nodes=self._whole,
        )
        return _highest(relaxation, services if self.is_small else min(services, BLOCKS))


def _solved(
    problem: _Problem, draft: Draft, totals: Totals
) -> tuple[Fraction | None, str, dict[int, Fraction]]:
    """Return the bound in milliwatts, with the tightest budgets where it is not close without them."""
    alone: Fraction | None = None
    if problem.is_small:
        alone, reason, _ = problem.solved(())
        if alone is None or _gap(totals.draw.milliwatts, nearest(alone)) <= problem.enough:
            return alone, reason, {}
    tight = tightest(problem.capacity, problem.densest(), draft.committed.room.tolist())
    if not tight:
        return alone or Fraction(0), "", {}
    within, reason, prices = problem.solved(tight[:MOST_BUDGETS])
    saved = {budget: Fraction(price, SCALE) for budget, price in zip(tight, prices, strict=False)}
    if within is None or alone is None:
        return within or alone, reason, saved
    return max(alone, within), "", saved


def _highest(relaxation: Relaxation, blocks: int) -> tuple[Fraction | None, str, Sequence[int]]:
    """Return the highest value of all prices that the program finds while it gets the columns it asks for.

    And the last prices of budgets, if these are near enough to the best.
    """
    program = Program(relaxation, blocks)
    for chosen in _first_choices(relaxation, blocks):
        program.add(chosen)
    best: int | None = None
    last: Sequence[int] = ()
    for _ in range(_ROUNDS):
        prices = program.prices()
        if prices is None:
            break
        value, cheapest = value_of(relaxation, prices)
        best = value if best is None else max(best, value)
        reached = program.reached()
        last = prices.budgets if reached <= best + abs(best) * ENOUGH else ()
        if reached <= best + abs(best) // _PRECISION:
            break
        program.add(cheapest)
    if best is None:
        return None, "the solver found no prices", ()
    return Fraction(best, SCALE), "", last


def _first_choices(relaxation: Relaxation, blocks: int) -> Iterator[Ints]:
    """Yield all columns where each service has a block of its own, else the cheapest at simple prices."""
    columns = relaxation.columns
    if blocks == len(columns.starts):
        yield np.arange(len(columns.service))
        return
    typical = int(np.abs(columns.cost).sum()) // max(1, int(columns.npus.sum()))
    none = np.zeros(relaxation.kinds, dtype=np.int64)
    for eighths in (0, 2, 8, 32):
        npus = none + min(eighths * typical // 8, MOST_FIRST_PRICE)
        yield value_of(relaxation, prices_for(relaxation, npus))[1]


def _proof(milliwatts: int, totals: Totals) -> Proof:
    """Make the bound; one above the draw would be an error here, and is not shown as proven."""
    draw, bound = totals.draw.milliwatts, max(0, milliwatts)
    if bound > draw:
        return Proof(None, f"the bound of {bound} mW contradicts the plan's {draw} mW")
    return Proof(Bound(Power(bound), float(100 * _gap(draw, bound))))


def _gap(draw: int, bound: int) -> Fraction:
    """Return (drawWatts - bound) / bound; a bound of 0 has gap 0 (design 6)."""
    return Fraction(draw - bound, bound) if bound > 0 else Fraction(0)


def _drawn_without(draft: Draft) -> int:
    """Return the milliwatts drawn if only held services had replicas."""
    held = {
        key: [holding for holding in holdings if holding.option is None]
        for key, holdings in draft.holdings.items()
        if any(holding.option is None for holding in holdings)
    }
    return drawn_by(draft.layout, rows_of(draft.layout, held)).milliwatts


def _wants(draft: Draft) -> list[Want]:
    services = {service.key: service for service in draft.snapshot.services}
    return [
        Want(service, draft.offers(service), h.served, not h.is_whole, _strays(draft, service))
        for key, holdings in sorted(draft.holdings.items())
        for service, h in ((services[key], holdings[0]),)
        if h.option is not None and len(holdings) == 1 and (h.served or h.is_whole)
    ]


def _drawn_by_mixtures(draft: Draft) -> int | None:
    """Return the least milliwatts above idle for what is mixed, rounded down; None where that has no least."""
    services = {service.key: service for service in draft.snapshot.services}
    total = Fraction(0)
    for key, holdings in draft.holdings.items():
        if len(holdings) == 1 or holdings[0].option is None:
            continue
        service, served = services[key], sum(holding.served for holding in holdings)
        if not is_never_below_idle(draft.offers(service)) or _strays(draft, service):
            return None
        total += served * least_per_rate(draft.offers(service), service.latency_micros)
    return floor(total)


def _strays(draft: Draft, service: Service) -> dict[Variant, Stray]:
    """Return the replicas of each variant that run on nodes with other NPUs."""
    strays: dict[Variant, Stray] = {}
    for incumbent in service.incumbents:
        number = draft.layout.numbers.get(incumbent.node)
        variant = incumbent.variant
        if number is None or is_at_home(draft.layout.nodes[number], variant):
            continue
        before = strays.get(variant, Stray(0, 0))
        credit = max(before.credit, variant.npus * draft.layout.idle[number])
        strays[variant] = Stray(before.replicas + max(0, incumbent.replicas), credit)
    return strays
