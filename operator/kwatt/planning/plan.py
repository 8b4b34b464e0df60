"""The planner: who runs where, and why not. This function is the table of contents of the package."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Final

from kwatt.model.plan import Plan, Unplaced
from kwatt.model.snapshot import Service, Snapshot
from kwatt.planning.accounting import budget_uses, hash_of, rows_of, totals_of
from kwatt.planning.bound import bound_of
from kwatt.planning.draft import Draft
from kwatt.planning.keep import keep_incumbents
from kwatt.planning.newcomers import place_newcomers
from kwatt.planning.place import complete, serve_whole, short_of
from kwatt.planning.rejections import rejections_for
from kwatt.planning.relaxations import relaxations_for
from kwatt.planning.tenants import Tenants
from kwatt.units import Throughput

MOST_RELAXED: Final = 200  # unplaced services, highest priority first, for which changes are tried


def plan(snapshot: Snapshot) -> Plan:
    """Place every service of a snapshot within all budgets, strictly by priority (design 5).

    Level by level, highest first: incumbents stay, the short ones are completed, and what is still
    short is explained. Equal snapshots give equal plans, whatever the order of their parts. The plan
    comes without a bound: proving one may take longer than planning.
    """
    return _plan_of(*_drafted(snapshot))


def proven_plan(snapshot: Snapshot) -> Plan:
    """Return the same plan with a lower bound on the draw, or with why there is none."""
    draft, unplaced = _drafted(snapshot)
    planned = _plan_of(draft, unplaced)
    proof = bound_of(draft, planned.totals)
    return replace(planned, bound=proof.bound, unproven=proof.reason)


def _drafted(snapshot: Snapshot) -> tuple[Draft, list[Unplaced]]:
    levels = _levels(snapshot.services)
    draft = Draft(snapshot)
    if _serve_all(draft, levels):
        return draft, []
    return _by_level(Draft(snapshot), levels)


def _serve_all(draft: Draft, levels: Sequence[Sequence[Service]]) -> bool:
    """Try to serve everybody at once, and tell whether nobody is left short: then no level matters."""
    everybody = [service for level in levels for service in level]
    draft.open_level(everybody)
    for service in everybody:
        keep_incumbents(draft, service)
    serve_whole(draft, [service for service in everybody if service.incumbents])
    short = short_of(draft, everybody)
    if any(draft.holding(service) for service in short):
        return False
    place_newcomers(draft, short)
    return all(any(h.is_whole for h in draft.holdings.get(s.key, ())) for s in everybody)


def _by_level(draft: Draft, levels: Sequence[Sequence[Service]]) -> tuple[Draft, list[Unplaced]]:
    unplaced: list[Unplaced] = []
    for level in levels:
        draft.open_level(level)
        for service in level:
            keep_incumbents(draft, service)
        serve_whole(draft, [service for service in level if service.incumbents])
        place_newcomers(draft, [s for s in short_of(draft, level) if not draft.holding(s)])
        complete(draft, level)
        unplaced += _explain(draft, level, MOST_RELAXED - len(unplaced))
    return draft, unplaced


def _levels(services: Iterable[Service]) -> list[tuple[Service, ...]]:
    ordered = sorted(services, key=lambda service: (-service.priority, service.key))
    return [tuple(level) for _, level in groupby(ordered, key=lambda service: service.priority)]


def _explain(draft: Draft, level: Iterable[Service], relaxed: int) -> list[Unplaced]:
    """Return the services of a level with a shortfall; the first `relaxed` with what would let them in."""
    tenants = Tenants(draft)
    found: list[Unplaced] = []
    for service in level:
        holdings = draft.holdings.get(service.key, ())
        if any(holding.is_whole for holding in holdings):
            continue
        shortfall = service.target.micros - sum(holding.served for holding in holdings)
        released = draft.release(service.key)
        rejections = rejections_for(draft, tenants, service)
        tried = len(found) < relaxed
        nearest = relaxations_for(draft, service, rejections) if tried else ()
        draft.hold(service.key, *released)
        found.append(Unplaced(service.key, Throughput(shortfall), rejections, nearest))
    return found


def _plan_of(draft: Draft, unplaced: Iterable[Unplaced]) -> Plan:
    rows = rows_of(draft.layout, draft.holdings)
    placements = tuple(row.placement for row in rows)
    served = {
        key: sum(holding.served for holding in holdings) for key, holdings in draft.holdings.items()
    }
    return Plan(
        placements=placements,
        unplaced=tuple(sorted(unplaced, key=lambda u: u.service)),
        budgets=budget_uses(draft.layout, rows),
        totals=totals_of(draft.layout, rows, draft.snapshot.services, served),
        hash=hash_of(placements),
    )
