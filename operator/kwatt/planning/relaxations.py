"""Relaxations: the least changes that would let a service in, each tried before it is told.

A trial plans the service alone again, on what the same and higher priorities leave.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Final

from kwatt.model.plan import Reason, Rejection, Relaxation
from kwatt.model.snapshot import Service
from kwatt.planning.cluster_changes import more_nodes, more_quota, more_watts, ready_node
from kwatt.planning.draft import Draft
from kwatt.planning.mixture_changes import changes_for_mixture
from kwatt.planning.rejections import rank_of
from kwatt.planning.service_changes import (
    fewer_replicas,
    more_latency,
    more_replicas,
    more_service_power,
    smaller_requests,
)
from kwatt.planning.trials import Trial

MAX_TRIALS: Final = 8  # changes per service

_Maker = Callable[[Draft, Service, Rejection], Iterator[Trial]]

_MAKERS: Final[Mapping[Reason, tuple[_Maker, ...]]] = {
    Reason.OUTRANKED_BY_PRIORITY: (more_watts, more_nodes, fewer_replicas),
    Reason.POWER_BUDGET_EXCEEDED: (more_watts, fewer_replicas),
    Reason.QUOTA_EXCEEDED: (more_quota, fewer_replicas),
    Reason.INSUFFICIENT_NODE_RESOURCES: (smaller_requests, more_nodes, fewer_replicas),
    Reason.INSUFFICIENT_NPUS: (more_nodes, fewer_replicas),
    Reason.NODE_NOT_READY: (ready_node, fewer_replicas),
    Reason.SERVICE_POWER_EXCEEDED: (more_service_power, fewer_replicas),
    Reason.THROUGHPUT_UNREACHABLE: (more_replicas,),
    Reason.LATENCY_UNREACHABLE: (more_latency, fewer_replicas),
}


def relaxations_for(
    draft: Draft, service: Service, rejections: tuple[Rejection, ...], *, mixed: bool = True
) -> tuple[Relaxation, ...]:
    """Return the changes that let the service in, from the most promising class on.

    Of changes in the same place only the least is told. Where its route allows that, and with `mixed`, they
    are tried with its variants mixed too. The service must hold nothing in the draft while this looks.
    """
    promising = sorted(rejections, key=lambda r: (-rank_of(r), r.npu_class or ""))
    watts: dict[int, int] = {}
    trials = (trial for r in promising for trial in _trials(draft, service, r, watts))
    found = [trial for trial in islice(trials, MAX_TRIALS) if trial is not None]
    if mixed and service.mixes and service.held is None:
        tried = islice(changes_for_mixture(draft, service, rejections), MAX_TRIALS)
        together = [trial for trial in tried if trial is not None]
        limits = {trial.figures["field"] for trial in together if "field" in trial.figures}
        found = [*together, *(t for t in found if t.figures.get("field") not in limits)]
    return _least_of_each(found)


def _least_of_each(found: Iterable[Relaxation]) -> tuple[Relaxation, ...]:
    least: dict[object, Relaxation] = {}
    for relaxation in found:
        place, amount = _place(relaxation)
        if place not in least or amount < _place(least[place])[1]:
            least[place] = relaxation
    return tuple(least.values())


def _place(relaxation: Relaxation) -> tuple[object, int]:
    """Return what is changed, and by how much where less of it is nearer."""
    figures = relaxation.figures
    for place, amount in (("budget", "watts"), ("like", "nodes")):
        more = figures.get(amount)
        if place in figures and isinstance(more, int) and "budgets" not in figures:
            return (place, figures[place]), more
    return relaxation.change, 0


def _trials(
    draft: Draft, service: Service, rejection: Rejection, watts: dict[int, int]
) -> Iterator[Trial]:
    """Try the changes that suit a rejection; `watts` are those known to suffice, by budget."""
    if rejection.npu_class is None:
        return
    for maker in _MAKERS.get(rejection.reason, ()):
        if maker is more_watts:
            yield from more_watts(draft, service, rejection, watts)
        else:
            yield from maker(draft, service, rejection)
