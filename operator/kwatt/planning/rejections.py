"""Rejections: why no class takes the whole service, one per class, with the figures that decided.

They are found when a level is complete, with the service's own replicas taken out and those of lower
priorities not yet in: what is reported as taken is held by the same or a higher priority.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from kwatt.model.plan import Reason, Rejection
from kwatt.model.snapshot import Service
from kwatt.planning.amounts import figure_of, number_of, told, unit_of
from kwatt.planning.cases import Case, Ground
from kwatt.planning.curves import Curve
from kwatt.planning.draft import Draft
from kwatt.planning.fill import fill_whole
from kwatt.planning.ledger import NODE_RESOURCES, node_needs, quota_needs
from kwatt.planning.options import Option
from kwatt.planning.refusals import no_class, no_profile, refusal
from kwatt.planning.spots import spots_for
from kwatt.planning.tenants import Tenants, held_by
from kwatt.units import Power

_ORDER: Final = {reason: number for number, reason in enumerate(Reason)}


def rejections_for(draft: Draft, tenants: Tenants, service: Service) -> tuple[Rejection, ...]:
    """Return one rejection per measured and allowed class, by name, or one without a class.

    The service must hold nothing in the draft while this looks.
    """
    if service.held is not None:
        return (no_class(service.held),)
    curves: dict[str, list[Curve]] = {}
    for curve in draft.curves(service):
        curves.setdefault(curve.npu_class, []).append(curve)
    if not curves:
        return (no_profile(service, draft.snapshot.profiles.get(service.model)),)
    return tuple(
        _rejection(draft, tenants, service, (name, of_class))
        for name, of_class in sorted(curves.items())
    )


def rank_of(rejection: Rejection) -> int:
    """Return how far a class got before it was rejected: the later the check, the higher."""
    return _ORDER[rejection.reason]


def _rejection(
    draft: Draft, tenants: Tenants, service: Service, measured: tuple[str, Sequence[Curve]]
) -> Rejection:
    name, curves = measured
    npu_class = draft.snapshot.classes.get(name)
    if npu_class is None:
        return _unknown_class(name, curves)
    whole = [o for o in draft.options(service) if o.variant.npu_class == name and o.fewest]
    if not whole:
        return refusal(service, draft.snapshot.profiles[service.model], npu_class, curves)
    found: list[Rejection] = []
    for option in whole:
        found.append(_diagnosis_of(draft, tenants, service, option))
        if found[-1].reason is Reason.POWER_BUDGET_EXCEEDED:  # nothing but watts is missing
            break
    return max(found, key=rank_of)


def _diagnosis_of(draft: Draft, tenants: Tenants, service: Service, option: Option) -> Rejection:
    """Return why an option is not enough; services with none of it that ask for the same share it."""
    demand = option.demand
    host = demand.cpu_milli, demand.memory_bytes, id(draft.pool(service, option.variant))
    alike = demand.variant, demand.watts, *host
    runs = draft.running(service, option.variant)
    if runs or demand.namespace in draft.committed.quotas:
        return _diagnosis(Case(tenants, service, option, Ground(draft, service, option)))
    if alike not in tenants.grounds:
        tenants.grounds[alike] = Ground(draft, service, option)
    each = alike, option.fewest
    if each not in tenants.told:
        case = Case(tenants, service, option, tenants.grounds[alike])
        tenants.told[each] = _diagnosis(case)
    return tenants.told[each]


def _unknown_class(name: str, curves: Sequence[Curve]) -> Rejection:
    npus = min(curve.npus for curve in curves)
    return Rejection(
        name,
        Reason.INSUFFICIENT_NPUS,
        f"no NPUClass {name} exists, so no node has its NPUs",
        {"needed": npus, "available": 0, "unit": "NPUs", "node": None, "heldBy": ()},
    )


def _diagnosis(case: Case) -> Rejection:
    """Return the first single lack that explains the case."""
    checks = (_not_ready, _no_node_admits, _too_large, _npus, _node_resources, _quota, _budget)
    found = (check(case) for check in checks)
    return next((rejection for rejection in found if rejection), None) or _outranked(case)


def _not_ready(case: Case) -> Rejection | None:
    """Reject where the service would fit if nodes were ready and not cordoned."""
    draft, ground = case.draft, case.ground
    if len(ground.admitted) <= len(ground.ready):
        return None
    running = draft.running(case.service, case.option.variant)
    spots = spots_for(draft.committed, case.option.demand, ground.admitted, running)
    ready = np.where(np.isin(spots.nodes, ground.ready), spots.slots, 0)
    filling = fill_whole(draft.committed, spots, case.replicas, ready)
    if filling is None:
        return None
    used, fit = sorted(int(spots.nodes[place]) for place in filling.counts), ground.ready.tolist()
    unfit = [number for number in used if number not in set(fit)]
    names = [draft.layout.nodes[number].name for number in unfit]
    return case.reject(
        Reason.NODE_NOT_READY,
        f"the service needs {len(used)} nodes, {len(used) - len(unfit)} of them can take replicas; "
        f"not ready or cordoned: {', '.join(names)}",
        {
            "needed": len(used),
            "available": len(used) - len(unfit),
            "unit": "nodes",
            "node": names[0],
        },
    )


def _no_node_admits(case: Case) -> Rejection | None:
    """Reject where nodes with these NPUs exist, and selectors or taints keep the pods off all of them."""
    nodes = case.draft.pools.of_kind(case.option.variant)
    if not len(nodes) or len(case.ground.admitted) or len(case.ground.nodes):
        return None
    return case.reject(
        Reason.INSUFFICIENT_NODE_RESOURCES,
        f"none of the {len(nodes)} nodes of {case.npu_class.name} admits the pods: "
        "node selector, node affinity or taints",
        {"needed": 1, "available": 0, "unit": "nodes", "node": None},
    )


def _too_large(case: Case) -> Rejection | None:
    """Reject where no node that takes replicas has the NPUs of one, whoever holds them."""
    if case.ground.npu_places:
        return None
    nodes = [case.draft.layout.nodes[number] for number in case.ground.nodes]
    sizes = [(min(node.npus_allocatable, node.npus_capacity), node.name) for node in nodes]
    largest, name = min(sizes, key=lambda size: (-size[0], size[1]), default=(None, None))
    needed = case.option.variant.npus
    if largest is None or largest >= needed:
        return None
    return case.reject(
        Reason.INSUFFICIENT_NPUS,
        f"a replica of {needed} NPUs fits on no node of {case.npu_class.name} that takes replicas, "
        f"the largest has {largest}",
        {"needed": needed, "available": largest, "unit": "NPUs", "node": name, "heldBy": ()},
    )


def _npus(case: Case) -> Rejection | None:
    places = case.ground.npu_places
    if places >= case.replicas:
        return None
    npus = case.option.variant.npus
    needed, available = case.replicas * npus, places * npus
    holders = case.tenants.on(case.ground.nodes, case.service.key)
    node = (
        case.draft.layout.nodes[case.ground.nodes[0]].name if len(case.ground.nodes) == 1 else None
    )
    return case.reject(
        Reason.INSUFFICIENT_NPUS,
        f"the service needs {needed} NPUs of {case.npu_class.name}, "
        f"{available} are free for it{held_by(holders)}",
        {
            "needed": needed,
            "available": available,
            "unit": "NPUs",
            "node": node,
            "heldBy": holders.names,
        },
    )


def _node_resources(case: Case) -> Rejection | None:
    total, spots = case.ground.places, case.ground.spots
    if total >= case.replicas:
        return None
    demand, npu_slots = case.option.demand, case.ground.npu_slots
    by_resource = case.draft.committed.slots(spots.nodes, demand)
    scarce = min(
        (name for name in NODE_RESOURCES if name in by_resource),
        key=lambda name: (int(np.minimum(npu_slots, by_resource[name]).sum()), name),
    )
    each = node_needs(demand)[scarce]
    needed, available = case.replicas * each, total * each
    best = int(np.argmax(spots.slots))
    name = case.draft.layout.nodes[case.ground.nodes[best]].name
    return case.reject(
        Reason.INSUFFICIENT_NODE_RESOURCES,
        f"beside free NPUs of {case.npu_class.name} the service needs {told(scarce, needed)}, "
        f"{number_of(scarce, available)} are usable",
        {
            "needed": figure_of(scarce, needed),
            "available": figure_of(scarce, available),
            "unit": unit_of(scarce),
            "node": name,
        },
    )


def _quota(case: Case) -> Rejection | None:
    demand = case.option.demand
    needs = quota_needs(demand)
    left = case.draft.committed.quotas.get(demand.namespace, {})
    short = [
        (rest // needs[key], name, key)
        for (name, key), rest in sorted(left.items())
        if needs.get(key, 0) * case.replicas > max(rest, 0)
    ]
    if not short or case.ground.spots.quota >= case.replicas:
        return None
    _, name, key = min(short)
    needed, available = needs[key] * case.replicas, left[name, key]
    holders = case.tenants.within(demand.namespace, case.service.key)
    return case.reject(
        Reason.QUOTA_EXCEEDED,
        f"ResourceQuota {name} has {told(key, available)} left, "
        f"the service needs {number_of(key, needed)}{held_by(holders)}",
        {
            "needed": figure_of(key, needed),
            "available": figure_of(key, available),
            "unit": unit_of(key),
            "quota": name,
            "resource": key,
            "heldBy": holders.names,
        },
    )


def _budget(case: Case) -> Rejection | None:
    worst = next(case.ground.shortages.of(case.replicas), None)
    if worst is None:
        return None
    name = case.draft.layout.budgets[worst.budget].name
    holders = case.tenants.under(worst.budget, case.service.key)
    return case.reject(
        Reason.POWER_BUDGET_EXCEEDED,
        f"{name} has {worst.available} left, the service needs {worst.needed}{held_by(holders)}",
        {
            "needed": worst.needed.watts,
            "available": worst.available.watts,
            "unit": "W",
            "budget": name,
            "heldBy": holders.names,
        },
    )


def _outranked(case: Case) -> Rejection:
    """Reject where several limits together leave no room, and none of them alone explains it."""
    needed = Power.of_watts(case.option.demand.watts * case.replicas)
    holders = case.tenants.on(case.ground.nodes, case.service.key)
    return case.reject(
        Reason.OUTRANKED_BY_PRIORITY,
        f"the {needed} that the service needs on {case.npu_class.name} don't fit beside services "
        f"of its own and higher priorities{held_by(holders)}",
        {"needed": needed.watts, "available": None, "unit": "W", "heldBy": holders.names},
    )
