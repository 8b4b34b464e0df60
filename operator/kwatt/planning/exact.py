"""Small clusters solved exactly: services that run nowhere yet are placed anew, all at once.

The draft places one service after the other. Where it is small, a mixed integer program finds out whether
more can be served, level by level, or the same at less draw. What it proposes counts only if whole numbers
confirm it and the next plan would leave it as it is; else the draft stays untouched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import groupby
from typing import Final

from kwatt.model.keys import ServiceKey
from kwatt.model.snapshot import Incumbent, Service, Snapshot
from kwatt.planning.assignment import Assignment, Pick, Seeker
from kwatt.planning.branching import Branching, Proposal
from kwatt.planning.choices import Choice, choice_of, choices_on, grounds_of
from kwatt.planning.draft import Draft, Holding
from kwatt.planning.ledger import node_needs, quota_needs
from kwatt.planning.program import is_available

MOST_COLUMNS: Final = 1000

Planned = Callable[[Snapshot], Draft]  # all levels, without the exact step
Holdings = Mapping[ServiceKey, tuple[Holding, ...]]
Standing = tuple[int, Fraction]  # of a level: services served whole, shares of the others


def improve_exactly(draft: Draft, planned: Planned) -> bool:
    """Place the services without incumbents in the best way there is; tell whether anything was improved.

    The draft must have placed all levels, as `planned` does for any snapshot. Nothing is done where none of
    these services holds anything: then each was tried in vain, and a cluster at rest stays at rest.
    """
    free = [s for s in draft.snapshot.services if not s.incumbents and draft.options(s)]
    free.sort(key=lambda service: (-service.priority, service.key))
    if not is_available() or not any(service.key in draft.holdings for service in free):
        return False
    before = {service.key: draft.release(service.key) for service in free}
    proposal = _proposed(draft, free, [before[service.key] for service in free])
    after = before if proposal is None else _by_key(free, proposal)
    _hold(draft, after)
    if proposal is None or (_is_sound(draft, proposal) and _stays(draft, planned)):
        return proposal is not None
    for key in after:
        draft.release(key)
    _hold(draft, before)
    return False


def _proposed(
    draft: Draft, free: Sequence[Service], before: Sequence[tuple[Holding, ...]]
) -> Proposal | None:
    """Return who should hold what instead, None where nothing better is found. The draft holds none of it."""
    start = {place: held[0] for place, held in enumerate(before) if held}
    seekers = _seekers(draft, free, start)
    if seekers is None:
        return None
    assignment = Assignment(draft, seekers)
    if assignment.columns > MOST_COLUMNS or _is_least(assignment, start):
        return None
    levels = [
        [place for place, _ in level]
        for _, level in groupby(enumerate(free), key=lambda pair: pair[1].priority)
    ]
    branching = Branching(assignment)
    best = _admitted(branching, assignment, levels, start)
    best = branching.cheapest(best) or best
    is_better = _rank(assignment, levels, best) > _rank(assignment, levels, start)
    return best if is_better else None


def _seekers(
    draft: Draft, free: Sequence[Service], start: Mapping[int, Holding]
) -> list[Seeker] | None:
    """Return the free services with their choices, None where these are too many."""
    grounds = [tuple(grounds_of(draft, service)) for service in free]
    counts = sum(ground.most() + len(ground.slots) for of_one in grounds for ground in of_one)
    if counts > 4 * MOST_COLUMNS:
        return None
    return [
        Seeker(of_one, tuple(tuple(choices_on(ground, start.get(place))) for ground in of_one))
        for place, of_one in enumerate(grounds)
    ]


def _admitted(
    branching: Branching,
    assignment: Assignment,
    levels: Sequence[Sequence[int]],
    start: Proposal,
) -> Proposal:
    """Return a proposal that serves most, the highest level first, and let the solver serve just that.

    Who is served changes only where more can be.
    """
    best = start
    for level in levels:
        if not all(place in best and best[place].is_whole for place in level):
            found = branching.most_valued(_values(assignment, level), best)
            if found is not None and _standing(found, level) > _standing(best, level):
                best = found
        for place in level:
            branching.allow(place, best[place].served if place in best else 0)
    return best


def _values(assignment: Assignment, level: Sequence[int]) -> dict[Pick, float]:
    """Return what picks of a level are worth: one more service served whole is worth more than any shares."""
    return {
        pick: float(1 + len(level) if pick.choice.is_whole else pick.choice.share)
        for pick in assignment.picks
        if pick.seeker in level
    }


def _rank(
    assignment: Assignment, levels: Sequence[Sequence[int]], proposal: Proposal
) -> tuple[list[Standing], Fraction]:
    """Return how good a proposal is: first by who is served, then by draw."""
    return [_standing(proposal, level) for level in levels], -_cost(assignment, proposal)


def _standing(proposal: Proposal, level: Sequence[int]) -> Standing:
    held = [proposal[place] for place in level if place in proposal]
    shares = [_choice(holding).share for holding in held if not holding.is_whole]
    return len(held) - len(shares), sum(shares, Fraction(0))


def _cost(assignment: Assignment, proposal: Proposal) -> Fraction:
    """Return the exact milliwatts that a proposal draws beyond what is drawn without it."""
    used = {number for holding in proposal.values() for number, _ in holding.counts}
    opened = sum(watts for number, watts in assignment.opened.items() if number in used)
    return sum((_choice(holding).cost for holding in proposal.values()), Fraction(opened))


def _is_least(assignment: Assignment, start: Proposal) -> bool:
    """Tell whether all are served whole in the cheapest way there is without any other service."""
    least: dict[int, Fraction] = {}
    for pick in assignment.picks:
        if pick.choice.is_whole:
            least[pick.seeker] = min(pick.choice.cost, least.get(pick.seeker, pick.choice.cost))
    is_whole = all(place in start and start[place].is_whole for place in range(assignment.seekers))
    return is_whole and _cost(assignment, start) == sum(least.values())


def _choice(holding: Holding) -> Choice:
    assert holding.option is not None, "free services are not held"
    return choice_of(holding.option, holding.replicas)


def _by_key(free: Sequence[Service], proposal: Proposal) -> dict[ServiceKey, tuple[Holding, ...]]:
    return {free[place].key: (holding,) for place, holding in proposal.items()}


def _hold(draft: Draft, holdings: Holdings) -> None:
    for key, of_service in holdings.items():
        draft.hold(key, *of_service)


def _is_sound(draft: Draft, proposal: Proposal) -> bool:
    """Tell whether nodes, budgets and quotas have what was put on them, in whole numbers."""
    ledger = draft.committed
    layout = ledger.layout
    for holding in proposal.values():
        demand, quotas = holding.demand, ledger.quotas.get(holding.demand.namespace, {})
        needs = quota_needs(demand)
        left = [rest for (_, key), rest in quotas.items() if needs.get(key, 0)]
        for number, _ in holding.counts:
            domain = layout.domains[number]
            left.append(int(ledger.npus[number]))
            left += [int(ledger.left[name][number]) for name, n in node_needs(demand).items() if n]
            left += [int(ledger.room[budget]) for budget in (*domain.plain, *domain.off)]
        if min(left) < 0:
            return False
    return True


def _stays(draft: Draft, planned: Planned) -> bool:
    """Tell whether the next plan would start, move and end nothing, so that plans come to rest."""
    return _places(planned(_carried_out(draft)).holdings) == _places(draft.holdings)


def _carried_out(draft: Draft) -> Snapshot:
    """Return the snapshot in which all replicas of the draft run."""
    services = (
        replace(service, incumbents=tuple(_incumbents(draft, service)))
        for service in draft.snapshot.services
    )
    return replace(draft.snapshot, services=tuple(services))


def _incumbents(draft: Draft, service: Service) -> Iterable[Incumbent]:
    for holding in draft.holdings.get(service.key, ()):
        for number, replicas in holding.counts:
            name, demand = draft.layout.nodes[number].name, holding.demand
            yield Incumbent(demand.variant, name, replicas, demand.watts)


def _places(holdings: Holdings) -> dict[ServiceKey, list[tuple[object, ...]]]:
    return {
        key: sorted((h.demand.variant, h.demand.watts, h.counts) for h in of_service)
        for key, of_service in holdings.items()
    }
