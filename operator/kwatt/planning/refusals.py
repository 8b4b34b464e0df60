"""Rejections that need no look at nodes: the model, its profile and the service's own limits decide."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from kwatt.model.npu import NpuClass, OperatingPoint, Profile
from kwatt.model.plan import Reason, Rejection
from kwatt.model.snapshot import Service
from kwatt.planning.curves import Curve
from kwatt.planning.options import Offer, best_rate, counts_of, holds_model, offer_of, option_for
from kwatt.units import Power, Throughput, ceiling, plain, quantity


def no_profile(service: Service, profile: Profile | None) -> Rejection:
    """Explain that no class is left: none is measured, none of those can be used, or none is allowed."""
    if profile is None:
        return no_class(f"no ModelProfile {service.model} exists")
    if unusable := profile.unusable_of(service.allowed):
        return no_class(unusable)
    measured = {point.npu_class for point in profile.points}
    measured |= {one.npu_class for one in profile.unusable}
    if not measured:
        return no_class(f"ModelProfile {service.model} has no measured operating point")
    names = ", ".join(sorted(measured))
    return no_class(f"{service.model} is measured on {names} only, which npuClasses doesn't allow")


def no_class(message: str) -> Rejection:
    """Make the rejection of a service that no class can be considered for."""
    figures = {"needed": None, "available": None, "unit": None}
    return Rejection(None, Reason.NO_MATCHING_PROFILE, message, figures)


def refusal(
    service: Service, profile: Profile, npu_class: NpuClass, curves: Sequence[Curve]
) -> Rejection:
    """Return why a class can't serve the whole target even with free nodes; no option of it can."""
    fitting = [curve for curve in curves if holds_model(curve, profile, npu_class)]
    if not fitting:
        return _memory(profile, npu_class, curves)
    usable = [c for c in fitting if best_rate(c, service.latency_micros) > 0]
    if not usable:
        return _latency(service, npu_class, fitting)
    needed = least_reserved(service, [offer_of(curve, npu_class, "") for curve in usable])
    if needed is not None:
        return _service_power(service, npu_class, needed)
    reach = _most_sustained(service, usable)
    if reach is None or reach >= service.target:
        return _latency_between_points(service, npu_class, fitting)
    return _throughput(service, profile, npu_class, reach)


def least_reserved(service: Service, offers: Iterable[Offer]) -> Power | None:
    """Return the least reserved watts of the whole service were power.watts no limit, None if never whole."""
    found = [
        (offer.idle + Power.of_watts(offer.watts)) * counts[0].replicas
        for offer in offers
        if (counts := counts_of(option_for(service, offer), service.max_replicas))
    ]
    return min(found, default=None)


def _memory(profile: Profile, npu_class: NpuClass, curves: Sequence[Curve]) -> Rejection:
    largest = max(curve.npus for curve in curves) * npu_class.memory_bytes
    return Rejection(
        npu_class.name,
        Reason.INSUFFICIENT_MEMORY,
        f"a replica needs {quantity('memory', profile.memory_bytes)} of NPU memory, "
        f"the largest measured size on {npu_class.name} has {quantity('memory', largest)}",
        {"needed": profile.memory_bytes, "available": largest, "unit": "bytes"},
    )


def _latency(service: Service, npu_class: NpuClass, curves: Sequence[Curve]) -> Rejection:
    known = [p.p99_micros for c in curves for p in c.points if p.p99_micros is not None]
    best, name = min(known, default=None), npu_class.name
    if best is None:
        return _too_slow(service, npu_class, best, f", no point on {name} states a p99")
    found = f", the best measured p99 on {name} is {_milliseconds(best)}"
    return _too_slow(service, npu_class, best, found)


def _too_slow(service: Service, npu_class: NpuClass, best: int | None, found: str) -> Rejection:
    """Make the rejection of a latency limit; `best` is the lowest p99 within reach, in microseconds."""
    limit = service.latency_micros or 0
    return Rejection(
        npu_class.name,
        Reason.LATENCY_UNREACHABLE,
        f"the limit is {_milliseconds(limit)}{found}",
        {
            "needed": limit / 1000,
            "available": None if best is None else best / 1000,
            "unit": "ms",
        },
    )


def _milliseconds(micros: int) -> str:
    return f"{plain(micros, 1000)} ms"


def _throughput(
    service: Service, profile: Profile, npu_class: NpuClass, reach: Throughput
) -> Rejection:
    return Rejection(
        npu_class.name,
        Reason.THROUGHPUT_UNREACHABLE,
        f"{service.target} {profile.unit} are needed, {service.max_replicas} replicas on "
        f"{npu_class.name} sustain {reach} at most",
        {
            "needed": service.target.per_second,
            "available": reach.per_second,
            "unit": f"{profile.unit}/s",
        },
    )


def _most_sustained(service: Service, curves: Sequence[Curve]) -> Throughput | None:
    if service.max_replicas is None:
        return None
    best = max(best_rate(curve, service.latency_micros) for curve in curves)
    return Throughput(best * service.max_replicas)


def _latency_between_points(
    service: Service, npu_class: NpuClass, curves: Sequence[Curve]
) -> Rejection:
    reach = [point.p99_micros for curve in curves for point in _within_reach(service, curve)]
    best = min((p99 for p99 in reach if p99 is not None), default=None)
    found = "no such point states a p99"
    if best is not None:
        found = f"the best such p99 is {_milliseconds(best)}"
    why = (
        f", and at any number of replicas the point on {npu_class.name} that covers a replica's share "
        f"doesn't meet it; {found}"
    )
    return _too_slow(service, npu_class, best, why)


def _within_reach(service: Service, curve: Curve) -> Iterator[OperatingPoint]:
    """Yield the points that cover a replica's share at any number of replicas that the service may have."""
    most, target = service.max_replicas, service.target.micros
    for place, point in enumerate(curve.points):
        fewest = max(1, service.min_replicas, ceiling(target, max(1, point.rate.micros)))
        allowed = most is None or fewest <= most
        if allowed and curve.place(target, fewest) == place:
            yield point


def _service_power(service: Service, npu_class: NpuClass, needed: Power) -> Rejection:
    limit = service.power_limit or Power(0)
    return Rejection(
        npu_class.name,
        Reason.SERVICE_POWER_EXCEEDED,
        f"power.watts allows {limit}, on {npu_class.name} the service may draw {needed} at least",
        {"needed": needed.watts, "available": limit.watts, "unit": "W"},
    )
