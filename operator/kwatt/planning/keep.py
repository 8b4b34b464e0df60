"""Keep incumbents: replicas stay where they run, as far as budgets, NPUs and the target allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from kwatt.model.snapshot import Service
from kwatt.planning.draft import Draft, Holding, held_replicas
from kwatt.planning.fill import Filling, fill
from kwatt.planning.layout import Ints
from kwatt.planning.mixing import lacks_replicas, may_mix, rest_of, shared, with_any_number
from kwatt.planning.options import Option
from kwatt.planning.spots import Spots, only_kept, spots_for

_NOWHERE: Ints = np.array([], dtype=np.int64)


def keep_incumbents(draft: Draft, service: Service) -> None:
    """Give a service the incumbents that may stay: all of one variant, the one that serves most."""
    if service.held is not None:
        _keep_held(draft, service)
        return
    if not service.incumbents:
        return
    options = draft.running_options(service)
    is_alike = not service.mixes or len({i.variant for i in service.incumbents}) == 1
    if len(options) == 1 and is_alike and _all_stay(draft, service, options[0]):
        return
    holdings = [
        holding
        for option in options
        if (running := draft.running(service, option.variant))
        if (holding := _kept(draft, option, running)).counts
    ]
    if holdings:
        draft.hold(service.key, min(holdings, key=_rank))
    if service.mixes:
        _keep_mixed(draft, service)


def _keep_mixed(draft: Draft, service: Service) -> None:
    """Keep replicas of other variants too, for what the first serves too little of or has too few of."""
    before = draft.release(service.key)
    holdings: tuple[Holding, ...] = () if lacks_replicas(service, before) else before
    while may_mix(service, holdings):
        draft.hold(service.key, *holdings)
        more = _more_kept(draft, service, holdings)
        draft.release(service.key)
        if more is None:
            break
        holdings = (*holdings, more)
    draft.hold(service.key, *(before if lacks_replicas(service, holdings) else shared(holdings)))


def _more_kept(draft: Draft, service: Service, holdings: Sequence[Holding]) -> Holding | None:
    """Return the replicas of another variant that serve most of the rest where they run."""
    rest, used = rest_of(service, holdings), {holding.demand.variant for holding in holdings}
    least, more = rest.min_replicas, []
    for option in draft.options_of(with_any_number(rest)):
        running = draft.running(service, option.variant)
        if option.variant in used or not running:
            continue
        kept = _kept(draft, replace(option, least=least) if least > 1 else option, running)
        kept = replace(kept, option=option)
        if kept.counts and (kept.served or not rest.target.micros):
            more.append(kept)
    return min(more, key=_rank, default=None)


def _all_stay(draft: Draft, service: Service, option: Option) -> bool:
    """Leave all replicas where they run, if none is too many and there is room; tell whether that was so."""
    counts = tuple(sorted(draft.running(service, option.variant).items()))
    replicas = sum(count for _, count in counts)
    allowed = replicas if option.most is None else min(replicas, option.most)
    if not counts or allowed < replicas or option.settled(replicas) < replicas:
        return False
    if draft.committed.quota_watt_slots(option.demand) < replicas:
        return False
    return draft.hold_if_room(service.key, Holding(option.demand, option, counts))


def _rank(holding: Holding) -> tuple[int, int, int, object]:
    option = holding.option
    cost = option.cost(holding.replicas) if option else 0
    return (
        -holding.served,
        -holding.replicas if not holding.served else 0,
        cost,
        holding.demand.variant,
    )


def _kept(draft: Draft, option: Option, running: Mapping[int, int]) -> Holding:
    spots = only_kept(spots_for(draft.committed, option.demand, _NOWHERE, running))
    most = sum(running.values()) if option.most is None else option.most
    filling = fill(draft.committed, spots, min(most, sum(running.values())))
    counts = counts_by_node(spots, filling)
    excess = filling.replicas - option.settled(filling.replicas)
    return Holding(option.demand, option, tuple(sorted(_shrunk(draft, counts, excess).items())))


def _keep_held(draft: Draft, service: Service) -> None:
    kept: list[Holding] = []
    for holding in held_replicas(draft, service):
        spots = only_kept(
            spots_for(draft.committed, holding.demand, _NOWHERE, dict(holding.counts))
        )
        counts = counts_by_node(spots, fill(draft.committed, spots, holding.replicas))
        draft.release(service.key)
        kept.append(Holding(holding.demand, None, tuple(sorted(counts.items()))))
        draft.hold(service.key, *kept)


def counts_by_node(spots: Spots, filling: Filling) -> dict[int, int]:
    """Return replicas per node number."""
    return {int(spots.nodes[place]): count for place, count in filling.counts.items()}


def _shrunk(draft: Draft, counts: Mapping[int, int], excess: int) -> dict[int, int]:
    """Return the counts with `excess` replicas less.

    They go from nodes that are not ready first, then cordoned ones, then nodes whose emptying saves
    idle watts (most first), then by name.
    """
    left = dict(counts)
    while excess > 0:
        number = min(left, key=lambda n: _leaving_order(draft, n, left[n], excess))
        dropped = min(excess, left[number])
        excess -= dropped
        left[number] -= dropped
        if not left[number]:
            del left[number]
    return left


def _leaving_order(
    draft: Draft, number: int, replicas: int, excess: int
) -> tuple[bool, bool, int, int]:
    node = draft.layout.nodes[number]
    others = int(draft.crowd.replicas[number])  # the service itself holds nothing at this point
    saved = int(draft.layout.opening[number]) if not others and replicas <= excess else 0
    return (node.ready, not node.unschedulable, -saved, number)
