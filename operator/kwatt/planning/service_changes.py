"""Changes of a service's own spec that would let it in: limits, replicas, requests. Each is tried."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from kwatt.model.plan import Rejection, Relaxation
from kwatt.model.snapshot import Service
from kwatt.planning.draft import Draft
from kwatt.planning.options import shape_on
from kwatt.planning.place import can_be_whole
from kwatt.planning.trials import Trial, options_on
from kwatt.units import Power, ceiling

_MIB: Final = 1024**2


def more_service_power(draft: Draft, service: Service, rejection: Rejection) -> Iterator[Trial]:
    """Raise the service's own power.watts to the least that an option needs."""
    without = replace(service, power_limit=None)
    reserved = [
        option.demand.reserved * option.counts[0].replicas
        for option in options_on(draft, without, rejection)
        if option.counts
    ]
    if reserved:
        watts = ceiling(min(reserved).milliwatts, 1000)
        trial = replace(service, power_limit=Power.of_watts(watts))
        yield _changed(draft, trial, rejection, ("power.watts", watts))


def more_replicas(draft: Draft, service: Service, rejection: Rejection) -> Iterator[Trial]:
    """Raise replicas.max to the least that an option needs."""
    without = replace(service, max_replicas=None)
    counts = [o.counts[0].replicas for o in options_on(draft, without, rejection) if o.counts]
    if counts:
        trial = replace(service, max_replicas=min(counts))
        yield _changed(draft, trial, rejection, ("replicas.max", min(counts)))


def more_latency(draft: Draft, service: Service, rejection: Rejection) -> Iterator[Trial]:
    """Relax the latency limit to the next measured p99 that suffices."""
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


def fewer_replicas(draft: Draft, service: Service, rejection: Rejection) -> Iterator[Trial]:
    """Lower replicas.min to the most that suffices: fewer replicas may fit and serve as much."""

    def suffices(least: int) -> bool:
        trial = replace(service, min_replicas=least)
        options = options_on(draft, trial, rejection)
        return can_be_whole(draft, trial, options, draft.committed)

    if service.min_replicas > 1:
        least = greatest(service.min_replicas, suffices)
        field = "spec.replicas.min"
        told = Relaxation(f"replicas.min {least}", {"field": field, "amount": least})
        yield told if least else None


def smaller_requests(draft: Draft, service: Service, rejection: Rejection) -> Iterator[Trial]:
    """Lower the request for cpu or memory of a replica to the most that suffices."""
    scarce = {"cores": ("cpu", "m", 1), "bytes": ("memory", "Mi", _MIB)}
    if rejection.figures["unit"] not in scarce:
        return
    resource, suffix, scale = scarce[str(rejection.figures["unit"])]
    shape = shape_on(service, str(rejection.npu_class))
    asked = shape.cpu_milli if resource == "cpu" else shape.memory_bytes

    def suffices(amount: int) -> bool:
        is_cpu, less = resource == "cpu", amount * scale
        smaller = replace(shape, cpu_milli=less) if is_cpu else replace(shape, memory_bytes=less)
        shapes = {**service.shapes, str(rejection.npu_class): smaller}
        trial = replace(service, shapes=shapes)
        options = options_on(draft, trial, rejection)
        return can_be_whole(draft, trial, options, draft.committed)

    most = greatest(ceiling(asked, scale), suffices)
    change = f"a {resource} request of {most}{suffix} per replica"
    figures = {"field": "spec.template", "resource": resource, "request": f"{most}{suffix}"}
    yield Relaxation(change, figures) if most else None


def greatest(bound: int, suffices: Callable[[int], bool]) -> int:
    """Return the greatest amount from 1 to below the bound that suffices, if less always does; else 0."""
    if bound <= 1 or not suffices(1):
        return 0
    low, high = 1, bound
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if suffices(middle) else (low, middle)
    return low


def _changed(
    draft: Draft, service: Service, rejection: Rejection, change: tuple[str, int]
) -> Trial:
    """Try a changed service on the rejected class."""
    options = options_on(draft, service, rejection)
    if not can_be_whole(draft, service, options, draft.committed):
        return None
    field, amount = change
    return Relaxation(f"{field} {amount}", {"field": f"spec.{field}", "amount": amount})
