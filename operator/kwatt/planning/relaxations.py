"""Relaxations: the least changes that would let a service in, each tried before it is told.

A trial plans the service alone again, on what the same and higher priorities leave.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Final

import numpy as np

from kwatt.model.plan import Reason, Rejection, Relaxation
from kwatt.model.snapshot import Service
from kwatt.planning.draft import Draft
from kwatt.planning.fill import fill_whole
from kwatt.planning.layout import bounded
from kwatt.planning.ledger import Ledger, quota_needs
from kwatt.planning.options import Option
from kwatt.planning.place import can_be_whole, spots_of
from kwatt.planning.rejections import rank_of
from kwatt.planning.shortage import Shortage, budget_shortages
from kwatt.planning.spots import Spots, with_more
from kwatt.units import Power, ceiling

MAX_TRIALS: Final = 6  # per service

Trial = Relaxation | None  # None: tried, and not enough


def relaxations_for(
    draft: Draft, service: Service, rejections: tuple[Rejection, ...]
) -> tuple[Relaxation, ...]:
    """Return the changes that let the service in, from the most promising class on.

    The service must hold nothing in the draft while this looks.
    """
    promising = sorted(rejections, key=lambda r: (-rank_of(r), r.npu_class or ""))
    trials = (trial for rejection in promising for trial in _trials(draft, service, rejection))
    found = [trial for trial in islice(trials, MAX_TRIALS) if trial is not None]
    return tuple(r for place, r in enumerate(found) if r not in found[:place])


def _trials(draft: Draft, service: Service, rejection: Rejection) -> Iterator[Trial]:
    makers: dict[Reason, Callable[[Draft, Service, Rejection], Iterator[Trial]]] = {
        Reason.POWER_BUDGET_EXCEEDED: _more_watts,
        Reason.INSUFFICIENT_NPUS: _more_nodes,
        Reason.NODE_NOT_READY: _ready_node,
        Reason.QUOTA_EXCEEDED: _more_quota,
        Reason.SERVICE_POWER_EXCEEDED: _more_service_power,
        Reason.THROUGHPUT_UNREACHABLE: _more_replicas,
        Reason.LATENCY_UNREACHABLE: _more_latency,
    }
    maker = makers.get(rejection.reason)
    return maker(draft, service, rejection) if maker and rejection.npu_class else iter(())


def _more_watts(draft: Draft, service: Service, rejection: Rejection) -> Iterator[Trial]:
    """Raise the cap of one budget: by what is missing, else by the whole difference."""
    for option in _whole_options(draft, service, rejection):
        spots = spots_of(draft, service, option, draft.committed)
        for shortage in budget_shortages(draft.committed, spots, option.counts[0].replicas):
            yield _raised_cap(draft, service, option, shortage)


def _raised_cap(draft: Draft, service: Service, option: Option, shortage: Shortage) -> Trial:
    lacks = (shortage.missing, shortage.needed - shortage.available)
    for watts in sorted({ceiling(lack.milliwatts, 1000) for lack in lacks if lack > Power(0)}):
        ledger = draft.committed.copy()
        ledger.room[shortage.budget] += bounded(1000 * watts)
        if can_be_whole(draft, service, [option], ledger):
            name = draft.layout.budgets[shortage.budget].name
            return Relaxation(f"+{watts} W on {name}", {"budget": name, "watts": watts})
    return None


def _more_nodes(draft: Draft, service: Service, rejection: Rejection) -> Iterator[Trial]:
    """Add empty nodes like the largest that admits the service, under the same budgets."""
    for option in _whole_options(draft, service, rejection):
        pool = draft.pool(service, option.variant)
        if not len(pool):
            continue
        like = max(pool.tolist(), key=lambda n: (draft.layout.nodes[n].npus_allocatable, -n))
        yield _added_nodes(draft, service, option, like)


def _added_nodes(draft: Draft, service: Service, option: Option, like: int) -> Trial:
    spots = spots_of(draft, service, option, draft.committed)
    replicas, each = option.counts[0].replicas, _slots_when_empty(draft, option, like)
    missing = replicas - int(spots.slots.sum())
    if each < 1 or missing < 1:
        return None
    nodes = ceiling(missing, each)
    ledger, added = _empty_nodes(draft, option, like, nodes)
    if fill_whole(ledger, with_more(spots, added), replicas) is None:
        return None
    name, npu_class = draft.layout.nodes[like].name, option.variant.npu_class
    count = "one more" if nodes == 1 else f"{nodes} more"
    return Relaxation(
        f"{count} {npu_class} node{'' if nodes == 1 else 's'} like {name}",
        {"npuClass": npu_class, "nodes": nodes, "like": name},
    )


def _slots_when_empty(draft: Draft, option: Option, like: int) -> int:
    """Return how many replicas a node like this one holds with no NPU taken."""
    node, demand = draft.layout.nodes[like], option.demand
    slots = [
        min(node.npus_allocatable, node.npus_capacity) // demand.variant.npus,
        node.pods - node.other_pods,
    ]
    if demand.cpu_milli > 0:
        slots.append((node.cpu_milli - node.other_cpu_milli) // demand.cpu_milli)
    if demand.memory_bytes > 0:
        slots.append((node.memory_bytes - node.other_memory_bytes) // demand.memory_bytes)
    return min(slots)


def _empty_nodes(draft: Draft, option: Option, like: int, nodes: int) -> tuple[Ledger, Spots]:
    """Return the ledger with the idle draw of more nodes, and the spots on them."""
    layout, demand = draft.layout, option.demand
    domain, node = layout.domains[like], layout.nodes[like]
    idle = bounded(node.npus_capacity * layout.idle[like])
    ledger = draft.committed.copy()
    for budget in domain.plain:
        ledger.room[budget] -= idle * nodes
    same = np.ones(nodes, dtype=np.int64)
    spots = Spots(
        nodes=same * like,
        slots=same * _slots_when_empty(draft, option, like),
        kept=same * 0,
        free=same * node.npus_allocatable,
        unit=same * ledger.unit(like, demand),
        opening=same * (idle if domain.off else 0),
        quota=0,
        quota_kept=0,
    )
    return ledger, spots


def _ready_node(_draft: Draft, _service: Service, rejection: Rejection) -> Iterator[Trial]:
    """Name the one node that would have to take replicas again; the rejection was found by trying it."""
    needed, available = rejection.figures["needed"], rejection.figures["available"]
    if isinstance(needed, int) and isinstance(available, int) and needed - available == 1:
        node = rejection.figures["node"]
        yield Relaxation(f"node {node} ready and not cordoned", {"node": node})


def _more_quota(draft: Draft, service: Service, rejection: Rejection) -> Iterator[Trial]:
    quota, key = str(rejection.figures["quota"]), str(rejection.figures["resource"])
    namespace = service.key.namespace
    for option in _whole_options(draft, service, rejection):
        ledger = draft.committed.copy()
        each = quota_needs(option.demand).get(key, 0)
        more = each * option.counts[0].replicas - ledger.quotas[namespace][quota, key]
        ledger.quotas[namespace][quota, key] += more
        if more > 0 and can_be_whole(draft, service, [option], ledger):
            change = f"+{more} {key} in ResourceQuota {quota}"
            yield Relaxation(change, {"quota": quota, "resource": key, "amount": more})
        else:
            yield None


def _more_service_power(draft: Draft, service: Service, rejection: Rejection) -> Iterator[Trial]:
    without = replace(service, power_limit=None)
    reserved = [
        option.demand.reserved * option.counts[0].replicas
        for option in _options_on(draft, without, rejection)
        if option.counts
    ]
    if reserved:
        watts = ceiling(min(reserved).milliwatts, 1000)
        trial = replace(service, power_limit=Power.of_watts(watts))
        yield _changed(draft, trial, rejection, ("power.watts", watts))


def _more_replicas(draft: Draft, service: Service, rejection: Rejection) -> Iterator[Trial]:
    without = replace(service, max_replicas=None)
    counts = [o.counts[0].replicas for o in _options_on(draft, without, rejection) if o.counts]
    if counts:
        trial = replace(service, max_replicas=min(counts))
        yield _changed(draft, trial, rejection, ("replicas.max", min(counts)))


def _more_latency(draft: Draft, service: Service, rejection: Rejection) -> Iterator[Trial]:
    limit = service.latency_micros or 0
    known = {
        ceiling(point.p99_micros, 1000)
        for curve in draft.curves(service)
        if curve.npu_class == rejection.npu_class
        for point in curve.points
        if point.p99_micros is not None and point.p99_micros > limit
    }
    for milliseconds in sorted(known):
        trial = replace(service, latency_micros=milliseconds * 1000)
        relaxation = _changed(draft, trial, rejection, ("latency.p99Milliseconds", milliseconds))
        yield relaxation
        if relaxation is not None:
            return


def _changed(
    draft: Draft, service: Service, rejection: Rejection, change: tuple[str, int]
) -> Trial:
    """Try a changed service on the rejected class."""
    options = _options_on(draft, service, rejection)
    if not can_be_whole(draft, service, options, draft.committed):
        return None
    field, amount = change
    return Relaxation(f"{field} {amount}", {"field": f"spec.{field}", "amount": amount})


def _options_on(draft: Draft, service: Service, rejection: Rejection) -> list[Option]:
    return [o for o in draft.options_of(service) if o.variant.npu_class == rejection.npu_class]


def _whole_options(draft: Draft, service: Service, rejection: Rejection) -> list[Option]:
    return [
        option
        for option in draft.options(service)
        if option.variant.npu_class == rejection.npu_class and option.counts
    ]
