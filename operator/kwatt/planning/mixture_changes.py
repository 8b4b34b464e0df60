"""Changes that would let a service in as a mixture of variants, each tried; smaller than those for one variant.

The service's own limits are tried by mixing anew, changes of the cluster on what its best mixture still needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from math import ceil

from kwatt.model.plan import Figure, Rejection, Relaxation
from kwatt.model.snapshot import Service
from kwatt.planning.cluster_changes import more_nodes, more_watts
from kwatt.planning.draft import Draft, Holding
from kwatt.planning.mixing import rest_of, with_any_number
from kwatt.planning.options import best_rate
from kwatt.planning.place import mixture
from kwatt.planning.service_changes import greatest
from kwatt.planning.trials import Trial
from kwatt.units import Power, ceiling


def changes_for_mixture(
    draft: Draft, service: Service, rejections: tuple[Rejection, ...]
) -> Iterator[Trial]:
    """Yield changes after which variants together serve the whole target."""
    yield from _of_limits(draft, service)
    best = _nearest(draft, service)
    if not best:
        return
    draft.hold(service.key, *best)
    rest = rest_of(service, best)
    classes = [r for r in rejections if r.npu_class in draft.snapshot.classes]
    found = [t for r in classes for make in (more_nodes, more_watts) for t in make(draft, rest, r)]
    draft.release(service.key)
    yield from (trial for trial in found if trial is not None)


def _nearest(draft: Draft, service: Service) -> tuple[Holding, ...]:
    """Return the mixture that comes nearest: with as many replicas of those it should have as there is room."""

    def with_least(replicas: int) -> tuple[Holding, ...]:
        return mixture(draft, replace(service, min_replicas=replicas))

    found = with_least(service.min_replicas)
    return found or with_least(greatest(service.min_replicas, lambda n: bool(with_least(n))))


def _of_limits(draft: Draft, service: Service) -> Iterator[Trial]:
    limits = service.max_replicas, service.power_limit
    if limits[0] is not None:
        anyhow = replace(service, max_replicas=None)
        free, most = mixture(draft, anyhow), max(_rates(draft, anyhow), default=(1, 0))
        fewest = ceiling(service.target.micros, most[0])
        yield _least(
            "replicas.max",
            (max(limits[0], fewest - 1), sum(holding.replicas for holding in free)),
            lambda n: _whole(mixture(draft, replace(service, max_replicas=n))),
        )
    if limits[1] is not None:
        anyhow = replace(service, power_limit=None)
        free = mixture(draft, anyhow)
        reserved = sum(h.demand.reserved.milliwatts * h.replicas for h in free)
        least = min((Fraction(w, r) for r, w in _rates(draft, anyhow)), default=Fraction(0))
        fewest = ceil(service.target.micros * least / 1000)
        yield _least(
            "power.watts",
            (max(limits[1].milliwatts // 1000, fewest - 1), ceiling(reserved, 1000)),
            lambda n: _whole(mixture(draft, replace(service, power_limit=Power.of_watts(n)))),
        )
    if service.min_replicas > 1:
        enough = greatest(
            service.min_replicas,
            lambda n: _whole(mixture(draft, replace(service, min_replicas=n))),
        )
        figures: dict[str, Figure] = {"field": "spec.replicas.min", "amount": enough}
        yield Relaxation(f"replicas.min {enough}", figures) if enough else None


def _rates(draft: Draft, service: Service) -> list[tuple[int, int]]:
    """Return the highest rate of a replica of each variant, with what it reserves in milliwatts."""
    options = draft.options_of(with_any_number(service))
    rates = ((best_rate(o.curve, o.latency), o.demand.reserved.milliwatts) for o in options)
    return [(rate, reserved) for rate, reserved in rates if rate]


def _least(field: str, between: tuple[int, int], suffices: Callable[[int], bool]) -> Trial:
    """Return the least amount above the first found to suffice, if the second does."""
    low, high = between
    if high <= low or not suffices(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if suffices(middle) else (middle, high)
    return Relaxation(f"{field} {high}", {"field": f"spec.{field}", "amount": high})


def _whole(holdings: tuple[Holding, ...]) -> bool:
    return any(holding.is_whole for holding in holdings)
