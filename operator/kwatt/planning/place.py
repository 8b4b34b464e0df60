"""Complete the services of a level: in full wherever that is possible, otherwise as much as possible.

Services of the level are final for lower levels: those may be displaced, and keep what still fits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kwatt.model.snapshot import Service
from kwatt.planning.draft import Draft, Holding
from kwatt.planning.fill import Filling, fill, fill_whole, may_take
from kwatt.planning.keep import counts_by_node
from kwatt.planning.layout import Ints
from kwatt.planning.ledger import Ledger
from kwatt.planning.mixing import (
    ORDERS,
    Order,
    first_of,
    lacks_replicas,
    may_mix,
    rest_of,
    shared,
    with_any_number,
)
from kwatt.planning.options import Option
from kwatt.planning.spots import Spots, fits, spots_for


class _Candidate(NamedTuple):
    """A number of replicas of an option, ordered by what it costs at least."""

    cost: int
    replicas: int
    place: int  # among the service's options, which are in the order of their variants
    option: Option


def complete(draft: Draft, level: Sequence[Service]) -> None:
    """Serve the short services of a level, incumbents before newcomers, then by name.

    A service that switches or gives up leaves room for others of its level: they are tried again
    until nothing is left behind any more. What a service serves never falls here, so this ends.
    """
    order = sorted(level, key=lambda s: (not s.incumbents, s.key))
    left_behind = True
    while left_behind:
        left_behind = serve_whole(draft, order)
        if not left_behind:
            left_behind = _serve_parts(draft, order)
    for service in short_of(draft, order):
        _mix(draft, service)


def short_of(draft: Draft, services: Iterable[Service]) -> list[Service]:
    """Return the services that are not served in full; held ones never are, and wait for their profile."""
    found = []
    for service in services:
        holdings = draft.holdings.get(service.key, ())
        if service.held is None and not any(holding.is_whole for holding in holdings):
            found.append(service)
    return found


def serve_whole(draft: Draft, order: Sequence[Service]) -> bool:
    """Serve in full whom that is possible for; tell whether anything was left behind for others."""
    left_behind = False
    for service in short_of(draft, order):
        before = draft.release(service.key)
        after = _whole(draft, service, before)
        draft.hold(service.key, *([after] if after else before))
        left_behind |= after is not None and _leaves(before, after)
    return left_behind


def _serve_parts(draft: Draft, order: Sequence[Service]) -> bool:
    """Serve as much as possible of the rest; tell whether anything was left behind for others."""
    left_behind = False
    for service in short_of(draft, order):
        before = draft.release(service.key)
        kept = [holding for holding in before if holding.served]
        after = _most_served([*kept, *_parts(draft, service, kept)])
        if len(before) > 1 and (after is None or after.served <= sum(h.served for h in before)):
            draft.hold(service.key, *before)  # a mixture serves together
            continue
        draft.hold(service.key, *([after] if after else []))
        left_behind |= bool(before) and (after is None or _leaves(before, after))
    return left_behind


def _mix(draft: Draft, service: Service) -> None:
    """Serve what a service is short of as other variants, where its route allows that."""
    if service.mixes:
        held = draft.release(service.key)
        draft.hold(service.key, *(mixture(draft, service, held) or held))


def mixture(draft: Draft, service: Service, held: Sequence[Holding] = ()) -> tuple[Holding, ...]:
    """Return what is held with other variants for the rest, or another mixture that serves more.

    () where neither has the replicas that the service needs at least. The service must hold nothing in the
    draft while this looks. Variants are taken in one order after the other: limits decide which is best.
    """
    best = _widened(draft, service, held, ORDERS[0]) if held else ()
    for order in ORDERS:
        if _is_short(service, best):
            other = _widened(draft, service, (), order)
            best = max(best, other, key=lambda found: _reached(service, found))
    return () if lacks_replicas(service, best) else shared(best)


def _is_short(service: Service, holdings: Sequence[Holding]) -> bool:
    is_whole = any(holding.is_whole for holding in holdings)
    return not is_whole or lacks_replicas(service, holdings)


def _reached(service: Service, holdings: Sequence[Holding]) -> tuple[bool, int]:
    return not lacks_replicas(service, holdings), sum(holding.served for holding in holdings)


def _widened(
    draft: Draft, service: Service, held: Sequence[Holding], order: Order
) -> tuple[Holding, ...]:
    holdings = tuple(held)
    while may_mix(service, holdings):
        draft.hold(service.key, *holdings)
        more = _one_more(draft, service, holdings, order)
        draft.release(service.key)
        if more is None:
            break
        holdings = (*holdings, more)
    return holdings


def _one_more(
    draft: Draft, service: Service, holdings: Sequence[Holding], order: Order
) -> Holding | None:
    """Return the cheapest way to serve all the rest as another variant, else the first part of it."""
    rest, used = rest_of(service, holdings), {h.demand.variant for h in holdings}
    options = [o for o in draft.options_of(rest) if o.variant not in used]
    found = _cheapest(draft, rest, _candidates(options), displacing=True)
    if found is not None:
        return found
    options = [o for o in draft.options_of(with_any_number(rest)) if o.variant not in used]
    return first_of(_parts_as(draft, rest, options, (), rest.min_replicas), rest, order)


def _leaves(before: Sequence[Holding], after: Holding) -> bool:
    """Tell whether `after` gives up anything that was held before."""
    now = dict(after.counts)
    return any(
        holding.demand != after.demand or now.get(number, 0) < count
        for holding in before
        for number, count in holding.counts
    )


def _whole(draft: Draft, service: Service, before: Sequence[Holding]) -> Holding | None:
    """Return the replicas that serve the whole target with the fewest restarts, evictions and watts.

    In this order: more of the same variant, another variant, both in room that nobody holds; then both
    again by displacing lower priorities.
    """
    most = {
        option.variant: room
        for option in draft.options(service)
        if option.fewest is not None
        and (room := draft.most_of(service, option, displacing=True)) >= option.fewest
    }
    options = [option for option in draft.options(service) if option.variant in most]
    candidates = [c for c in _candidates(options) if c.replicas <= most[c.option.variant]]
    running = {holding.demand.variant for holding in before}
    same = [c for c in candidates if c.option.variant in running]
    for displacing in (False, True) if draft.is_contended else (True,):
        for choice in (same, candidates):
            found = _cheapest(draft, service, choice, displacing=displacing)
            if found is not None:
                return found
    return None


def _candidates(options: Sequence[Option]) -> list[_Candidate]:
    return sorted(
        _Candidate(count.cost, count.replicas, place, option)
        for place, option in enumerate(options)
        for count in option.counts
    )


def _cheapest(
    draft: Draft, service: Service, candidates: Sequence[_Candidate], *, displacing: bool
) -> Holding | None:
    """Return the assignment of the candidate that raises the draw least, nodes to be opened included."""
    best: tuple[int, Holding] | None = None
    for candidate in candidates:
        if best is not None and candidate.cost >= best[0]:
            break
        if candidate.replicas > draft.most_of(service, candidate.option, displacing=displacing):
            continue
        spots, filling = _fill_whole(draft, service, candidate, displacing=displacing)
        if filling is None:
            continue
        cost = candidate.cost + 1000 * filling.opened
        if best is None or cost < best[0]:
            best = cost, _holding(candidate.option, spots, filling)
    return best[1] if best else None


def _fill_whole(
    draft: Draft, service: Service, candidate: _Candidate, *, displacing: bool
) -> tuple[Spots, Filling | None]:
    ledger = draft.committed if displacing else draft.crowd
    spots = spots_of(draft, service, candidate.option, ledger)
    undisturbed = _undisturbed(draft, service, candidate.option, spots) if displacing else None
    return spots, fill_whole(ledger, spots, candidate.replicas, undisturbed)


def spots_of(draft: Draft, service: Service, option: Option, ledger: Ledger) -> Spots:
    """Return where replicas of an option can go: nodes that admit them, and where they run."""
    pool = draft.pool(service, option.variant)
    return spots_for(ledger, option.demand, pool, draft.running(service, option.variant))


def can_be_whole(draft: Draft, service: Service, options: Iterable[Option], ledger: Ledger) -> bool:
    """Tell whether a service could be served in full by any of the options with what a ledger has left."""
    return any(
        fill_whole(ledger, spots_of(draft, service, option, ledger), option.counts[0].replicas)
        for option in options
        if option.counts
    )


def can_be_served(draft: Draft, service: Service) -> bool:
    """Tell whether any part of a service could be served with what the draft has left."""
    if _most_served(_parts(draft, service, ())) is not None:
        return True
    return service.mixes and bool(mixture(draft, service))


def _undisturbed(draft: Draft, service: Service, option: Option, spots: Spots) -> Ints | None:
    """Return how many replicas each spot takes without displacing a lower priority."""
    if not draft.is_contended:
        return None
    crowd = spots_of(draft, service, option, draft.crowd)
    return fits(draft.layout, draft.crowd.room, crowd, crowd.opening) if len(spots.nodes) else None


def _parts(draft: Draft, service: Service, kept: Sequence[Holding]) -> list[Holding]:
    return _parts_as(draft, service, draft.options(service), kept)


def _parts_as(
    draft: Draft,
    service: Service,
    options: Iterable[Option],
    kept: Sequence[Holding],
    least: int = 1,
) -> list[Holding]:
    """Return as many replicas of each option as are useful, or as there should be at least."""
    found = []
    for option in options:
        if not draft.most_of(service, option, displacing=True):
            continue
        spots = spots_of(draft, service, option, draft.committed)
        if not may_take(draft.committed, spots, 1):
            continue
        undisturbed = _undisturbed(draft, service, option, spots)
        filling = fill(draft.committed, spots, option.useful(least), undisturbed)
        found.append(_holding(option, spots, filling))
    running = {holding.demand.variant for holding in kept}
    return sorted(found, key=lambda h: (h.demand.variant not in running, h.demand.variant))


def _most_served(holdings: Sequence[Holding]) -> Holding | None:
    """Return the holding that serves most; of equals the first that nobody needs to restart for."""
    best = max((holding.served for holding in holdings), default=0)
    if best == 0:
        return None
    return next(holding for holding in holdings if holding.served == best)


def _holding(option: Option, spots: Spots, filling: Filling) -> Holding:
    counts = counts_by_node(spots, filling)
    return Holding(option.demand, option, tuple(sorted(counts.items())))
