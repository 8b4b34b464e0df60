"""Options: the variants a service may run as, with the replica counts worth considering. No nodes here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from kwatt.model.keys import Variant
from kwatt.model.npu import NpuClass, OperatingPoint, Profile
from kwatt.model.snapshot import PodShape, Service
from kwatt.planning.curves import Curve, meets
from kwatt.units import Power, ceiling


class Count(NamedTuple):
    """A number of replicas that serves the whole target, and its cost.

    `cost` is the draw minus the idle draw of the NPUs, in thousandths of a milliwatt: what the cluster
    draws more when idle NPUs become busy. Opening nodes that were off comes on top.
    """

    replicas: int
    cost: int


@dataclass(frozen=True, slots=True)
class Demand:
    """What one replica takes from a node, from budgets and from quotas.

    `watts` are whole watts above idle, `idle` the idle draw of its NPUs.
    """

    namespace: str
    variant: Variant
    watts: int
    idle: Power
    cpu_milli: int
    memory_bytes: int

    @property
    def reserved(self) -> Power:
        """Return the most that one replica may draw, idle part included (design 6)."""
        return Power(self.idle.milliwatts + 1000 * self.watts)


@dataclass(frozen=True)
class Option:
    """One variant that a service may run as: alike replicas on one curve.

    `target` is in millionths of a unit per second. `least` and `most` bound the replicas (replicas.min,
    replicas.max and power.watts).
    """

    demand: Demand
    curve: Curve
    target: int
    latency: int | None
    least: int
    most: int | None

    @cached_property
    def counts(self) -> tuple[Count, ...]:
        """Return the counts worth a thought: they ascend in replicas and fall in cost.

        Without any the option can't serve the whole target.
        """
        return counts_of(self, self.most)

    @cached_property
    def fewest(self) -> int | None:
        """Return the replicas of the first of the counts, None without any; sooner found than all of them."""
        numbers = _worth_trying(self.curve, self.target, self.least, self.most)
        covers = (n for n in numbers if _covers(self.curve, self.target, n, self.latency))
        return next(covers, None)

    @property
    def variant(self) -> Variant:
        """Return the variant of the option."""
        return self.demand.variant

    def is_whole(self, replicas: int) -> bool:
        """Tell whether so many alike replicas serve the whole target within the latency limit."""
        return self.within(replicas) and _covers(self.curve, self.target, replicas, self.latency)

    def within(self, replicas: int) -> bool:
        """Tell whether the service may have so many replicas."""
        return self.least <= replicas and (self.most is None or replicas <= self.most)

    def served(self, replicas: int) -> int:
        """Return the rate that so many alike replicas serve: the target, or all that they sustain."""
        if not self.within(replicas):
            return 0
        if _covers(self.curve, self.target, replicas, self.latency):
            return self.target
        within_reach = (p.rate.micros for p in usable_points(self.curve, self.latency))
        return replicas * max((r for r in within_reach if r * replicas <= self.target), default=0)

    def cost(self, replicas: int) -> int:
        """Return the cost of so many replicas at what they serve, as in `Count`."""
        return _cost(self.curve, self.demand.idle, self.served(replicas), replicas)

    def useful(self, least: int = 1) -> int:
        """Return the number of replicas beyond which a part of the target can't grow, or `least`."""
        best = best_rate(self.curve, self.latency)
        enough = max(self.least, least, ceiling(self.target, best))
        return enough if self.most is None else min(self.most, enough)

    def settled(self, replicas: int) -> int:
        """Return how many of `replicas` running ones to keep: those needed, at the least draw.

        A service never grows here: watts alone are no reason to start a replica.
        """
        allowed = replicas if self.most is None else min(replicas, self.most)
        smaller = [count for count in self.counts if count.replicas <= allowed]
        if not smaller:
            return allowed
        stay = allowed if self.is_whole(allowed) else smaller[-1].replicas
        return stay if self.cost(stay) < smaller[-1].cost else smaller[-1].replicas


def usable_points(curve: Curve, latency: int | None) -> list[OperatingPoint]:
    """Return the points of the curve that meet the latency limit and serve anything, ascending."""
    return [p for p in curve.points if p.rate.micros > 0 and meets(p, latency)]


def best_rate(curve: Curve, latency: int | None) -> int:
    """Return the highest rate of one replica within the latency limit, 0 without any."""
    for point in reversed(curve.points):
        if meets(point, latency):
            return point.rate.micros
    return 0


def shape_on(service: Service, npu_class: str) -> PodShape:
    """Return the shape of the service's pods on a class."""
    return service.shapes.get(npu_class, service.shape)


def holds_model(curve: Curve, profile: Profile, npu_class: NpuClass) -> bool:
    """Tell whether the memory of the replica's NPUs holds the model."""
    return curve.npus * npu_class.memory_bytes >= profile.memory_bytes


class Offer(NamedTuple):
    """A curve's variant on a class, as it is for every service: what one replica draws above idle."""

    curve: Curve
    variant: Variant
    watts: int
    idle: Power


def offer_of(curve: Curve, npu_class: NpuClass, resource: str) -> Offer:
    """Return the offer to run on a curve's variant, whose NPUs are asked for as `resource`."""
    variant = Variant(curve.npu_class, resource, curve.npus, curve.setting)
    return Offer(curve, variant, curve.watts_above(npu_class.idle), npu_class.idle * curve.npus)


def demand_for(service: Service, offer: Offer) -> Demand:
    """Return what one replica of a service takes as an offer says."""
    shape = shape_on(service, offer.curve.npu_class)
    return Demand(
        namespace=service.key.namespace,
        variant=offer.variant,
        watts=offer.watts,
        idle=offer.idle,
        cpu_milli=shape.cpu_milli,
        memory_bytes=shape.memory_bytes,
    )


def option_for(service: Service, offer: Offer) -> Option:
    """Make the option to run a service as an offer says."""
    return option_as(service, offer.curve, demand_for(service, offer))


def option_as(service: Service, curve: Curve, demand: Demand) -> Option:
    """Make the option to run a service on a curve; each replica takes `demand`."""
    most = service.max_replicas
    if service.power_limit is not None:
        most = most_replicas(service, demand.reserved)
    return Option(
        demand=demand,
        curve=curve,
        target=service.target.micros,
        latency=service.latency_micros,
        least=max(1, service.min_replicas),
        most=most,
    )


def most_replicas(service: Service, reserved: Power) -> int | None:
    """Return how many replicas of `reserved` each replicas.max and power.watts allow, None for any."""
    limits = [] if service.max_replicas is None else [service.max_replicas]
    if service.power_limit is not None and reserved.milliwatts > 0:
        limits.append(service.power_limit.milliwatts // reserved.milliwatts)
    return min(limits, default=None)


def counts_of(option: Option, most: int | None) -> tuple[Count, ...]:
    """Return the counts that serve the whole target with at most `most` replicas.

    Draw is linear in the number of replicas between two points, so the least lies at a number that
    puts the share on a point (rounded up or down), or at a bound.
    """
    curve, target, least = option.curve, option.target, option.least
    meeting = [meets(point, option.latency) for point in curve.points]
    counts: list[Count] = []
    for replicas in _worth_trying(curve, target, least, most):
        place = curve.place(target, replicas)
        if place < len(meeting) and meeting[place]:
            cost = _cost(curve, option.demand.idle, target, replicas)
            if not counts or cost < counts[-1].cost:
                counts.append(Count(replicas, cost))
    return tuple(counts)


def _worth_trying(curve: Curve, target: int, least: int, most: int | None) -> list[int]:
    if most is not None and most < least:
        return []
    wanted = {least}
    for rate in curve.rates:
        if rate > 0:
            whole, rest = divmod(target, rate)
            wanted.add(max(least, whole))
            wanted.add(max(least, whole + (rest > 0)))
    return sorted(wanted if most is None else {min(replicas, most) for replicas in wanted})


def _covers(curve: Curve, target: int, replicas: int, latency: int | None) -> bool:
    place = curve.place(target, replicas)
    if place >= len(curve.points):
        return False
    return latency is None or meets(curve.points[place], latency)


def _cost(curve: Curve, idle: Power, served: int, replicas: int) -> int:
    numerator, denominator = curve.draw(served, replicas)
    return 1000 * numerator // denominator - 1000 * replicas * idle.milliwatts
