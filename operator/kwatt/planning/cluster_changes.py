"""Changes of the cluster that would let a service in: watts, nodes, quotas. Each is tried."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np

from kwatt.model.plan import Figure, Rejection, Relaxation
from kwatt.model.snapshot import Service
from kwatt.planning.draft import Draft
from kwatt.planning.feasibility import admits_alike, fitness_of
from kwatt.planning.fill import fill_whole
from kwatt.planning.layout import bounded
from kwatt.planning.ledger import Ledger, quota_needs
from kwatt.planning.options import Option, shape_on
from kwatt.planning.place import can_be_whole, spots_of
from kwatt.planning.raises import joint_raise, least_raise, stopping
from kwatt.planning.spots import Spots, with_more
from kwatt.planning.trials import Trial, whole_options
from kwatt.units import ceiling, quantity

_MOST_BUDGETS: Final = 3  # budgets that are raised one by one, per option
_MOST_NODES: Final = (
    5_000  # Kubernetes supports no more (kubernetes.io/docs/setup/best-practices/cluster-large)
)


def more_watts(
    draft: Draft, service: Service, rejection: Rejection, known: dict[int, int] | None = None
) -> Iterator[Trial]:
    """Raise the cap of one budget, each by the least that suffices; where none does, several together.

    By budget, fewer watts than `known` to suffice are looked for, and noted.
    """
    known = {} if known is None else known
    for option in whole_options(draft, service, rejection):
        ledger, replicas = draft.committed, option.counts[0].replicas
        spots = spots_of(draft, service, option, ledger)

        def suffices(now: Ledger, spots: Spots = spots, replicas: int = replicas) -> bool:
            return fill_whole(now, spots, replicas) is not None

        alone = False
        for shortage in stopping(ledger, spots, replicas, _MOST_BUDGETS):
            budget = shortage.budget
            if budget in known and shortage.least.milliwatts > 1000 * (known[budget] - 1):
                alone = True
                yield None
                continue
            watts = least_raise(ledger, spots, replicas, shortage, suffices)
            if watts is not None:
                alone, known[budget] = True, min(watts, known.get(budget, watts))
            yield _raise(draft, {shortage.budget: watts} if watts else None)
        if not alone:
            yield _raise(draft, joint_raise(ledger, spots, replicas, suffices))


def _raise(draft: Draft, watts: Mapping[int, int] | None) -> Trial:
    if not watts:
        return None
    names = tuple(draft.layout.budgets[budget].name for budget in sorted(watts))
    amounts = tuple(watts[budget] for budget in sorted(watts))
    change = " and ".join(f"+{w} W on {name}" for name, w in zip(names, amounts, strict=True))
    if len(names) == 1:
        return Relaxation(change, {"budget": names[0], "watts": amounts[0]})
    return Relaxation(change, {"budgets": names, "watts": amounts})


def more_nodes(draft: Draft, service: Service, rejection: Rejection) -> Iterator[Trial]:
    """Add empty nodes like the largest that admits the service, under the same budgets."""
    for option in whole_options(draft, service, rejection):
        shape, variant = shape_on(service, option.variant.npu_class), option.variant
        tolerations = draft.snapshot.classes[variant.npu_class].tolerations
        fitness = fitness_of(variant, shape, tolerations)
        pool = draft.pool(service, variant).tolist()
        pool.sort(key=lambda n: (-draft.layout.nodes[n].npus_allocatable, n))
        like = next((n for n in pool if admits_alike(draft.layout.nodes[n], fitness)), None)
        if like is not None:
            yield _added_nodes(draft, service, option, like)


def _added_nodes(draft: Draft, service: Service, option: Option, like: int) -> Trial:
    spots = spots_of(draft, service, option, draft.committed)
    replicas, each = option.counts[0].replicas, _slots_when_empty(draft, option, like)
    missing = replicas - int(spots.slots.sum())
    if each < 1 or missing < 1:
        return None
    nodes = ceiling(missing, each)
    if nodes > _MOST_NODES:  # nobody means such a rate, and all others wait meanwhile
        return None
    ledger, added = _empty_nodes(draft, option, like, nodes)
    more = with_more(spots, added)

    def suffices(now: Ledger) -> bool:
        return fill_whole(now, more, replicas) is not None

    watts = {} if suffices(ledger) else joint_raise(ledger, more, replicas, suffices)
    return None if watts is None else _nodes(draft, option, (like, nodes), _raise(draft, watts))


def _nodes(draft: Draft, option: Option, more: tuple[int, int], watts: Trial) -> Relaxation:
    """Name the nodes, and the watts that the budgets over them lack besides."""
    (like, nodes), npu_class = more, option.variant.npu_class
    name, count = draft.layout.nodes[like].name, "one more" if nodes == 1 else f"{nodes} more"
    change = f"{count} {npu_class} node{'' if nodes == 1 else 's'} like {name}"
    figures: dict[str, Figure] = {"npuClass": npu_class, "nodes": nodes, "like": name}
    if watts is None:
        return Relaxation(change, figures)
    return Relaxation(f"{change} and {watts.change}", {**figures, **watts.figures})


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


def ready_node(_draft: Draft, _service: Service, rejection: Rejection) -> Iterator[Trial]:
    """Name the one node that would have to take replicas again; the rejection was found by trying it."""
    needed, available = rejection.figures["needed"], rejection.figures["available"]
    if isinstance(needed, int) and isinstance(available, int) and needed - available == 1:
        node = rejection.figures["node"]
        yield Relaxation(f"node {node} ready and not cordoned", {"node": node})


def more_quota(draft: Draft, service: Service, rejection: Rejection) -> Iterator[Trial]:
    """Raise what ResourceQuotas of the namespace allow by all that the service lacks of them."""
    namespace = service.key.namespace
    for option in whole_options(draft, service, rejection):
        ledger, needs = draft.committed.copy(), quota_needs(option.demand)
        left = ledger.quotas[namespace]
        lacks = {
            place: more
            for place, rest in sorted(left.items())
            if (more := needs.get(place[1], 0) * option.counts[0].replicas - rest) > 0
        }
        left.update({place: left[place] + more for place, more in lacks.items()})
        is_whole = can_be_whole(draft, service, [option], ledger)
        yield _quotas(lacks) if lacks and is_whole else None


def _quotas(lacks: Mapping[tuple[str, str], int]) -> Relaxation:
    """Name what to add to `spec.hard` of each quota, as quantities that can be written there."""
    names, keys = zip(*lacks, strict=True)
    amounts = tuple(quantity(key, more) for (_, key), more in lacks.items())
    change = " and ".join(
        f"+{more} {key} in ResourceQuota {name}"
        for more, key, name in zip(amounts, keys, names, strict=True)
    )
    if len(lacks) > 1:
        return Relaxation(change, {"quotas": names, "resources": keys, "amounts": amounts})
    return Relaxation(change, {"quota": names[0], "resource": keys[0], "amount": amounts[0]})
