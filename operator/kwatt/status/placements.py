"""What a service's status is made of, and the part of it that says where it runs and what is planned."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from kwatt.api.v1alpha1.inference_service import InferenceServiceStatus, PlacedOn, Planned
from kwatt.energy.efficiency import per_joule
from kwatt.model.keys import ServiceKey, Variant
from kwatt.model.measurements import Measured
from kwatt.model.npu import Basis, NpuClass, OperatingPoint, Profile
from kwatt.model.plan import Placement, Unplaced
from kwatt.status.measuring import four_digits
from kwatt.status.routes import RouteFacts
from kwatt.units import NO_POWER, NO_THROUGHPUT, Power, Throughput, plain

_WEAKEST = (Basis.MEASURED, Basis.VENDOR, Basis.ASSUMPTION)


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """All that the status of one service is made of.

    `problem` says why the spec can't be used, `failure` what the API server refused, `target` is None
    when the spec could not be read. `exceeded` names budgets over its nodes that are above their cap,
    `unknown_class` says which NPUClasses it names and nobody has made. `moving`: replicas that leave do
    the rate together with those that are ready already. `route` is None where it names no Gateway.
    `measured` is None where nothing was ever read of it; until `measuring`, nobody has looked yet.
    `followed` is the rate that follows the demand, None where it is fixed or nobody measured any yet.
    """

    key: ServiceKey
    generation: int
    previous: InferenceServiceStatus | None
    target: Throughput | None
    profile: Profile | None
    classes: Mapping[str, NpuClass]
    rows: tuple[Placement, ...]
    unplaced: Unplaced | None
    ready: Mapping[Variant, int]
    problem: str | None = None
    failure: str | None = None
    exceeded: tuple[str, ...] = ()
    unknown_class: str | None = None
    moving: bool = False
    route: RouteFacts | None = None
    measured: Measured | None = None
    measuring: bool = False
    followed: Throughput | None = None


def placements_of(facts: ServiceFacts) -> tuple[PlacedOn, ...]:
    """Return the replicas by class and operating point, with how many are ready."""
    rows: defaultdict[tuple[Variant, str], list[Placement]] = defaultdict(list)
    for row in facts.rows:
        rows[(row.variant, row.operating_point)].append(row)
    left = dict(facts.ready)
    return tuple(_placed_on(facts, key, rows[key], left) for key in sorted(rows))


def _placed_on(
    facts: ServiceFacts,
    key: tuple[Variant, str],
    rows: list[Placement],
    left: dict[Variant, int],
) -> PlacedOn:
    variant, point = key
    replicas = sum(row.replicas for row in rows)
    ready = min(left.get(variant, 0), replicas)
    left[variant] = left.get(variant, 0) - ready
    return PlacedOn(
        npu_class=variant.npu_class,
        npus=variant.npus,
        operating_point=point or "unknown",
        replicas=replicas,
        ready_replicas=ready,
        per_second=rate_text(sum((row.rate for row in rows), NO_THROUGHPUT)),
        watts=watts_text(sum((row.planned for row in rows), NO_POWER)),
        basis=basis_of(facts, variant, point),
    )


def basis_of(facts: ServiceFacts, variant: Variant, point: str) -> Basis:
    """Return the weakest basis among the class's figures and the point's."""
    npu_class = facts.classes.get(variant.npu_class)
    used = [p.basis for p in _points(facts.profile, variant, point)] or [Basis.ASSUMPTION]
    used.append(npu_class.basis if npu_class else Basis.ASSUMPTION)
    return max(used, key=_WEAKEST.index)


def _points(profile: Profile | None, variant: Variant, point: str) -> list[OperatingPoint]:
    points = profile.points if profile else ()
    return [
        p
        for p in points
        if (p.npu_class, p.npus, p.name) == (variant.npu_class, variant.npus, point)
    ]


def planned_of(facts: ServiceFacts) -> Planned | None:
    """Return what the plan gives the service, None where it gives nothing."""
    if not facts.rows:
        return None
    rate = sum((row.rate for row in facts.rows), NO_THROUGHPUT)
    power = sum((row.planned for row in facts.rows), NO_POWER)
    reserved = sum((row.reserved for row in facts.rows), NO_POWER)
    points = [
        p for row in facts.rows for p in _points(facts.profile, row.variant, row.operating_point)
    ]
    scopes = {p.scope for p in points}
    return Planned(
        per_second=rate_text(rate),
        watts=watts_text(power),
        reserved_watts=watts_text(reserved),
        units_per_joule=four_digits(per_joule(rate, power)),
        scope=scopes.pop() if len(scopes) == 1 else None,
        basis=max(
            (basis_of(facts, row.variant, row.operating_point) for row in facts.rows),
            key=_WEAKEST.index,
        ),
    )


def rate_text(rate: Throughput) -> str:
    """Render a rate per second."""
    return plain(rate.micros, 10**6)


def watts_text(power: Power) -> str:
    """Render watts."""
    return plain(power.milliwatts, 1000)
