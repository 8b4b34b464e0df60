"""Small clusters solved exactly: all replicas that a draft starts are placed anew, at once.

The draft places one service after the other. Where it is small, a mixed integer program finds out whether
more can be served, level by level, or the same at less draw. What runs and stays is not touched. A proposal
counts only if whole numbers confirm it and the next plan would leave it as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import groupby
from typing import Final, NamedTuple

from kwatt.model.keys import ServiceKey
from kwatt.model.snapshot import Incumbent, Service, Snapshot
from kwatt.planning.assignment import Assignment, Seeker
from kwatt.planning.branching import Branching, Proposal
from kwatt.planning.choices import Choice, Ground, choice_of, choices_on, grounds_of
from kwatt.planning.draft import Draft, Holding
from kwatt.planning.ledger import node_needs, quota_needs
from kwatt.planning.program import is_available

MOST_SERVICES: Final = 300  # in all; in a larger cluster not even candidates are looked for
MOST_COLUMNS: Final = 1000

Planned = Callable[[Snapshot], Draft]  # all levels, without the exact step
Holdings = Mapping[ServiceKey, tuple[Holding, ...]]
Standing = tuple[int, Fraction]  # of a level: services served whole, shares of the others


class _Free(NamedTuple):
    """A service that is short, or that the draft starts replicas for; `kept` are those that run."""

    service: Service
    drafted: Holding | None
    kept: Holding | None

    @property
    def is_started(self) -> bool:
        """Tell whether the draft starts replicas."""
        return self.drafted is not None and self.drafted != self.kept


def improve_exactly(draft: Draft, planned: Planned) -> bool:
    """Place all that the draft starts in the best way there is; tell whether anything was improved.

    The draft must have placed all levels, as `planned` does for any snapshot. Nothing is done where it starts
    nothing: then each service was tried in vain, and a cluster at rest stays at rest.
    """
    if not is_available() or len(draft.snapshot.services) > MOST_SERVICES:
        return False
    free = list(_free(draft))
    if not any(one.is_started for one in free):
        return False
    _exchange(draft, free, [one.kept for one in free])
    proposal = _proposed(draft, free)
    drafted = [one.drafted for one in free]
    if proposal is None:
        _exchange(draft, free, drafted)
        return False
    _exchange(draft, free, [proposal.get(place) for place in range(len(free))])
    if _is_sound(draft, free, proposal) and _stays(draft, planned):
        return True
    _exchange(draft, free, drafted)
    return False


def _free(draft: Draft) -> Iterator[_Free]:
    """Yield the services that may be improved, by priority and name; not those with several variants."""
    for service in sorted(draft.snapshot.services, key=lambda s: (-s.priority, s.key)):
        if len(draft.holdings.get(service.key, ())) > 1:
            continue
        drafted = draft.holding(service)
        kept = _kept(draft, service, drafted) if drafted else None
        one = _Free(service, drafted, kept)
        is_short = drafted is None or not drafted.is_whole
        if draft.options(service) and (is_short or one.is_started):
            yield one


def _kept(draft: Draft, service: Service, drafted: Holding) -> Holding | None:
    """Return the drafted replicas that run already."""
    running = draft.running(service, drafted.demand.variant) if service.incumbents else {}
    counts = tuple((n, min(count, running[n])) for n, count in drafted.counts if n in running)
    return replace(drafted, counts=counts) if counts else None


def _exchange(draft: Draft, free: Sequence[_Free], holdings: Sequence[Holding | None]) -> None:
    """Let the free services hold other replicas."""
    for one in free:
        draft.release(one.service.key)
    for one, holding in zip(free, holdings, strict=True):
        if holding is not None:
            draft.hold(one.service.key, holding)


def _proposed(draft: Draft, free: Sequence[_Free]) -> Proposal | None:
    """Return who should hold what, None where nothing better is found; the draft holds what is kept."""
    start = {place: one.drafted for place, one in enumerate(free) if one.drafted}
    seekers = _seekers(draft, free)
    if seekers is None:
        return None
    assignment = Assignment(draft, seekers)
    if assignment.columns > MOST_COLUMNS or _is_least(assignment, start):
        return None
    levels = [
        [place for place, _ in level]
        for _, level in groupby(enumerate(free), key=lambda pair: pair[1].service.priority)
    ]
    branching = Branching(assignment)
    best = _admitted(branching, assignment, levels, start)
    best = branching.cheapest(best) or best
    is_better = _rank(assignment, levels, best) > _rank(assignment, levels, start)
    return best if is_better else None


def _seekers(draft: Draft, free: Sequence[_Free]) -> list[Seeker] | None:
    """Return the free services with their choices, None where these are too many."""
    grounds: list[tuple[Ground, ...]] = []
    counts = 0
    for one in free:
        grounds.append(tuple(grounds_of(draft, one.service, one.kept)))
        counts += sum(ground.most() + len(ground.slots) for ground in grounds[-1])
        if counts > 4 * MOST_COLUMNS:
            return None
    return [
        Seeker(of_one, tuple(tuple(choices_on(g, one.drafted)) for g in of_one), one.kept)
        for one, of_one in zip(free, grounds, strict=True)
    ]


def _admitted(
    branching: Branching,
    assignment: Assignment,
    levels: Sequence[Sequence[int]],
    start: Proposal,
) -> Proposal:
    """Return a proposal that serves most, the highest level first, and let the solver serve just that.

    Who is served changes only where that serves more, there or at a lower level.
    """
    best = start
    for level in levels:
        if not all(place in best and best[place].is_whole for place in level):
            found = branching.most_valued(_values(assignment, level), best)
            if found is not None and _standing(found, level) > _standing(best, level):
                best = found
        _keep(branching, assignment, level, best)
    for place in range(len(assignment.seekers)):
        branching.allow(place, best[place].served if place in best else 0)
    return best


def _keep(
    branching: Branching, assignment: Assignment, level: Sequence[int], best: Proposal
) -> None:
    """Let the solver serve a level no less from now on."""
    whole, shares = _standing(best, level)
    picks = [pick for pick in assignment.picks if pick.seeker in level]
    branching.require({pick.column: 1.0 for pick in picks if pick.choice.is_whole}, whole)
    if shares:
        parts = {
            pick.column: float(pick.choice.share) for pick in picks if not pick.choice.is_whole
        }
        branching.require(parts, float(shares))


def _values(assignment: Assignment, level: Sequence[int]) -> dict[int, float]:
    """Return what picks of a level are worth: one more service served whole is worth more than any shares."""
    return {
        pick.column: float(1 + len(level) if pick.choice.is_whole else pick.choice.share)
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
    is_whole = all(
        place in start and start[place].is_whole for place in range(len(assignment.seekers))
    )
    return is_whole and _cost(assignment, start) == sum(least.values())


def _choice(holding: Holding) -> Choice:
    assert holding.option is not None, "free services are not held"
    return choice_of(holding.option, holding.replicas)


def _is_sound(draft: Draft, free: Sequence[_Free], proposal: Proposal) -> bool:
    """Tell whether nodes, budgets and quotas have what is started on them, in whole numbers."""
    ledger = draft.committed
    layout = ledger.layout
    for place, holding in proposal.items():
        kept = free[place].kept
        ran = dict(kept.counts) if kept else {}
        started = [n for n, count in holding.counts if count > ran.get(n, 0)]
        left = _quotas_left(draft, holding) if started else []
        for number in started:
            domain = layout.domains[number]
            needs = node_needs(holding.demand)
            left.append(int(ledger.npus[number]))
            left += [int(ledger.left[name][number]) for name, each in needs.items() if each]
            left += [int(ledger.room[budget]) for budget in (*domain.plain, *domain.off)]
        if min(left, default=0) < 0:
            return False
    return True


def _quotas_left(draft: Draft, holding: Holding) -> list[int]:
    needs, quotas = quota_needs(holding.demand), draft.committed.quotas
    left = quotas.get(holding.demand.namespace, {})
    return [rest for (_, key), rest in left.items() if needs.get(key, 0)]


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
