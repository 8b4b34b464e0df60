"""The planner: who runs where, and why not. This function is the table of contents of the package."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Final, NamedTuple

from kwatt.model.keys import ServiceKey
from kwatt.model.plan import Move, Plan, Unplaced
from kwatt.model.snapshot import Service, Snapshot
from kwatt.planning.accounting import budget_uses, hash_of, loads_of, rows_of, served_by, totals_of
from kwatt.planning.bound import bound_by_prices, bound_of
from kwatt.planning.draft import Draft, Holding
from kwatt.planning.exact import improve_exactly
from kwatt.planning.gains import Gains
from kwatt.planning.horizons import horizons_of
from kwatt.planning.keep import keep_incumbents
from kwatt.planning.moves import move_running
from kwatt.planning.newcomers import Market, place_newcomers
from kwatt.planning.place import can_be_served, complete, serve_whole, short_of
from kwatt.planning.rejections import rejections_for
from kwatt.planning.relaxations import relaxations_for
from kwatt.planning.switching import (
    let_go,
    may_gain,
    outgrown,
    serves_as_much,
    serves_more,
    switched,
)
from kwatt.planning.tenants import Tenants
from kwatt.planning.worth import with_proven_worth, with_worth
from kwatt.units import Throughput

MOST_WAITING: Final = 20  # services short up to which the others keep the seats found for all
MOST_RELAXED: Final = 200  # unplaced services, highest priority first, for which changes are tried
MOST_DROPPED: Final = 4  # services that switch, up to which each of them is tried as it is
MOST_MIXED: Final = 20  # of them those for which mixtures are tried as well, which takes longer


def plan(snapshot: Snapshot) -> Plan:
    """Place every service of a snapshot within all budgets, strictly by priority (design 5).

    All at once where everybody can be served. Otherwise level by level, highest first: incumbents stay,
    the short ones are completed, and what is still short is explained. Replicas that run move last, where
    that pays. Equal snapshots give equal plans, whatever the order of their parts. The bound is what class
    prices prove, budgets left aside.
    """
    return plan_of(drafted(snapshot))


def plan_of(made: Drafted) -> Plan:
    """Return the plan that a draft makes, with the bound that its class prices prove."""
    planned = with_worth(_plan_of(made), made.draft.snapshot)
    proof = bound_by_prices(made.draft, planned.totals, made.market)
    return replace(planned, bound=proof.bound, unproven=proof.reason)


def proven_plan(snapshot: Snapshot) -> Plan:
    """Return the same plan with the highest bound on the draw that a solver helps to prove."""
    made = drafted(snapshot)
    planned = _plan_of(made)
    proof = bound_of(made.draft, planned.totals)
    planned = with_proven_worth(planned, snapshot, _planned, proof.saved)
    return replace(planned, bound=proof.bound, unproven=proof.reason)


def _planned(snapshot: Snapshot) -> Plan:
    return _plan_of(drafted(snapshot))


def drafted(snapshot: Snapshot) -> Drafted:
    """Decide who holds what."""
    return _improved(_drafted(snapshot))


class Drafted(NamedTuple):
    """Who holds what, who is short, and what moves."""

    draft: Draft
    unplaced: Sequence[Unplaced] = ()
    market: Market | None = None  # where all that is placed came from it
    moves: tuple[Move, ...] = ()


def _improved(made: Drafted) -> Drafted:
    """Solve small clusters exactly, and move replicas that run where that is allowed and pays.

    What is mixed stays as it is: both look at services with replicas that are alike. What a market proves
    holds for its own plan.
    """
    draft = made.draft
    if improve_exactly(draft, lambda snapshot: _drafted(snapshot).draft):
        made = Drafted(draft, _explain_upwards(draft, _levels(draft.snapshot.services)))
    horizons = horizons_of(draft.snapshot)
    if not horizons:
        return made
    return made._replace(moves=move_running(draft, horizons), market=None)


def _drafted(snapshot: Snapshot) -> Drafted:
    """Let replicas that run stay; where somebody is short then, ask services that grow to switch for them."""
    made = _placed(snapshot)
    growing = outgrown(made.draft) if made.unplaced and may_gain(made.draft) else frozenset()
    if not growing:
        return made
    other = _placed(let_go(snapshot, growing))
    return (
        _narrowed(snapshot, made, other, growing) if serves_more(other.draft, made.draft) else made
    )


def _narrowed(
    snapshot: Snapshot, made: Drafted, other: Drafted, keys: frozenset[ServiceKey]
) -> Drafted:
    """Return a plan that is as good for everybody and lets go of fewer services, if a few tries find one.

    First of those alone that are something else by that; where they are few, then without each of them.
    """
    changed = switched(other.draft, made.draft, keys)
    each = sorted(changed) if len(changed) <= MOST_DROPPED else []
    for dropped in (keys - changed, *(frozenset({key}) for key in each)):
        fewer = keys - dropped
        if fewer and fewer != keys:
            found = _placed(let_go(snapshot, fewer))
            if serves_as_much(found.draft, other.draft):
                other, keys = found, fewer
    return other


def _placed(snapshot: Snapshot) -> Drafted:
    levels = _levels(snapshot.services)
    draft, everybody = Draft(snapshot), [service for level in levels for service in level]
    few = max(MOST_WAITING, len(everybody) // 50)
    market = _all_at_once(draft, everybody, few)
    short = [service for service in everybody if not _is_whole(draft, service)]
    waiting = [service for service in short if service.held is None]
    alone = Draft(snapshot) if waiting else draft
    if any(draft.holding(service) or can_be_served(alone, service) for service in waiting):
        seats = _seats(draft, everybody) if len(waiting) <= few else {}
        return _by_level(Draft(snapshot, seats), levels)
    if short:
        return Drafted(draft, _explain_upwards(draft, levels))
    return Drafted(draft, market=market)


def _all_at_once(draft: Draft, everybody: Sequence[Service], few: int) -> Market | None:
    """Serve whom there is room for, as if priorities did not matter; they don't if that is everybody.

    Where watts for more than a few are lacking nobody's seat is kept: then newcomers get none.
    """
    draft.open_level(everybody)
    for service in everybody:
        keep_incumbents(draft, service)
    serve_whole(draft, [service for service in everybody if service.incumbents])
    newcomers = [s for s in short_of(draft, everybody) if not draft.holding(s)]
    market = place_newcomers(draft, newcomers, few / max(1, len(newcomers)))
    return market if len(newcomers) == len(everybody) else None


def _is_whole(draft: Draft, service: Service) -> bool:
    return any([holding.is_whole for holding in draft.holdings.get(service.key, ())])


def _seats(draft: Draft, everybody: Iterable[Service]) -> dict[ServiceKey, Holding]:
    """Return the holdings of services that run nowhere yet and got all they need."""
    return {
        service.key: draft.holdings[service.key][0]
        for service in everybody
        if not service.incumbents and _is_whole(draft, service)
    }


def _explain_upwards(draft: Draft, levels: Sequence[Sequence[Service]]) -> list[Unplaced]:
    """Explain who is short, each with lower priorities away: what these hold is no reason."""
    unplaced: list[Unplaced] = []
    away: dict[ServiceKey, tuple[Holding, ...]] = {}
    short = [sum(not _is_whole(draft, service) for service in level) for level in levels]
    for place, level in reversed(tuple(enumerate(levels))):
        unplaced += _explain(draft, level, sum(short[:place]))
        away |= {service.key: draft.release(service.key) for service in level}
    for key, holdings in away.items():
        draft.hold(key, *holdings)
    return unplaced


def _by_level(draft: Draft, levels: Sequence[Sequence[Service]]) -> Drafted:
    unplaced: list[Unplaced] = []
    for level in levels:
        draft.open_level(level)
        for service in level:
            keep_incumbents(draft, service)
            draft.take_seat(service.key)
        serve_whole(draft, [service for service in level if service.incumbents])
        place_newcomers(draft, [s for s in short_of(draft, level) if not draft.holding(s)])
        complete(draft, level)
        unplaced += _explain(draft, level, len(unplaced))
    return Drafted(draft, unplaced)


def _order(service: Service) -> tuple[int, ServiceKey]:
    return -service.priority, service.key


def _levels(services: Iterable[Service]) -> list[tuple[Service, ...]]:
    ordered = sorted(services, key=_order)
    return [tuple(level) for _, level in groupby(ordered, key=lambda service: service.priority)]


def _explain(draft: Draft, level: Iterable[Service], before: int) -> list[Unplaced]:
    """Return the services of a level with a shortfall, the first of all with what would let them in.

    `before` is how many of higher priority have a shortfall.
    """
    tenants, gains = Tenants(draft), Gains(draft)
    found: list[Unplaced] = []
    for service in level:
        if _is_whole(draft, service):
            continue
        holdings = draft.holdings.get(service.key, ())
        served = sum(holding.served for holding in holdings)
        released = draft.release(service.key)
        if released:
            tenants.forget()
        rejections = rejections_for(draft, tenants, service)
        number = before + len(found)
        tried, mixed = number < MOST_RELAXED, number < MOST_MIXED
        nearest = relaxations_for(draft, service, rejections, mixed=mixed) if tried else ()
        gained = gains.of(service, served, rejections) if tried else ()
        if released:
            draft.hold(service.key, *released)
            tenants.forget()
        shortfall = Throughput(service.target.micros - served)
        found.append(Unplaced(service.key, shortfall, rejections, nearest, gained))
    return found


def _plan_of(made: Drafted) -> Plan:
    draft = made.draft
    rows = rows_of(draft.layout, draft.holdings)
    loads = loads_of(draft.layout, rows)
    placements = tuple(row.placement for row in rows)
    return Plan(
        placements=placements,
        unplaced=tuple(sorted(made.unplaced, key=lambda u: u.service)),
        budgets=budget_uses(draft.layout, loads),
        totals=totals_of(draft.layout, rows, loads, draft.snapshot.services, served_by(rows)),
        hash=hash_of(placements),
        moves=made.moves,
    )
