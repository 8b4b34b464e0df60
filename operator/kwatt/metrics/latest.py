"""What is served at a scrape from the latest plan, measurements and feedback. Values only, no clock.

Whatever is absent there is absent here: a service that is gone leaves no series, and what was not
measured is not 0.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from kwatt.metrics import objects as f
from kwatt.metrics.family import Family, Type
from kwatt.metrics.objects import Subject
from kwatt.model.feedback import NO_FEEDBACK, Feedback
from kwatt.model.measurements import Measured, Measurements, PointKey
from kwatt.model.plan import Placement, Plan, furthest
from kwatt.units import Power, Throughput

Labels = tuple[str, ...]
Row = tuple[Labels, float | None]
_BUDGET_PARTS = ("cap", "host", "idle", "reserved", "foreign", "headroom", "planned", "draw")


class Latest(Collector):
    """Turns the latest results into metrics when somebody asks; each result is replaced as a whole."""

    def __init__(self) -> None:
        self.plan: Plan | None = None
        self.measurements = Measurements()
        self.measured_at: datetime | None = None
        self.feedback = NO_FEEDBACK

    def collect(self) -> Iterator[Metric]:
        """Yield every family, also those without a series."""
        yield from _of_plan(self.plan.placements if self.plan else ())
        yield _budgets(self.plan)
        yield _shortfalls(self.plan)
        yield from _of_measurements(self.measurements)
        yield from _of_feedback(self.feedback)
        at = self.measured_at
        yield _metric(f.ROUND, [((), at.timestamp() if at else None)])


class _Share(NamedTuple):
    """Sums over placements."""

    planned: int = 0
    reserved: int = 0
    rate: int = 0
    npus: int = 0

    def plus(self, one: Placement) -> _Share:
        return _Share(
            self.planned + one.planned.milliwatts,
            self.reserved + one.reserved.milliwatts,
            self.rate + one.rate.micros,
            self.npus + one.replicas * one.variant.npus,
        )


def _of_plan(placements: Iterable[Placement]) -> Iterator[Metric]:
    services: defaultdict[Labels, _Share] = defaultdict(_Share)
    classes: defaultdict[Labels, _Share] = defaultdict(_Share)
    for one in placements:
        services[tuple(one.service)] = services[tuple(one.service)].plus(one)
        of_class = (one.variant.npu_class,)
        classes[of_class] = classes[of_class].plus(one)
    yield _metric(f.SERVICE_PLANNED_WATTS, ((k, s.planned / 1000) for k, s in services.items()))
    yield _metric(f.SERVICE_RESERVED_WATTS, ((k, s.reserved / 1000) for k, s in services.items()))
    yield _metric(f.SERVICE_PLANNED_RATE, ((k, s.rate / 10**6) for k, s in services.items()))
    yield _metric(
        f.SERVICE_PLANNED_PER_JOULE,
        ((k, _per_joule(Throughput(s.rate), Power(s.planned))) for k, s in services.items()),
    )
    yield _metric(f.CLASS_PLANNED_WATTS, ((k, s.planned / 1000) for k, s in classes.items()))
    yield _metric(f.CLASS_PLANNED_NPUS, ((k, s.npus) for k, s in classes.items()))


def _budgets(plan: Plan | None) -> Metric:
    rows = [
        ((use.name, part), getattr(use, part).watts)
        for use in (plan.budgets if plan else ())
        for part in _BUDGET_PARTS
    ]
    return _metric(f.BUDGET_PARTS, rows)


def _shortfalls(plan: Plan | None) -> Metric:
    rows = []
    for one in plan.unplaced if plan else ():
        nearest = furthest(one.rejections)
        labels = (*one.service, str(nearest.reason) if nearest else "")
        rows.append((labels, one.shortfall.per_second))
    return _metric(f.SHORTFALL, rows)


def _of_measurements(all_of_it: Measurements) -> Iterator[Metric]:
    services = {tuple(key): measured for key, measured in all_of_it.services.items()}
    yield from _measured(f.OF_SERVICES, services)
    yield from _measured(f.OF_BUDGETS, {(key,): one for key, one in all_of_it.budgets.items()})
    yield from _measured(f.OF_CLASSES, {(key,): one for key, one in all_of_it.classes.items()})
    yield from _rates(services)
    demands = {tuple(key): demand for key, demand in all_of_it.demands.items()}
    yield _metric(f.DEMAND, ((key, _rate(one.arrivals)) for key, one in demands.items()))
    yield _metric(f.WAITING, ((key, one.waiting) for key, one in demands.items()))
    yield _metric(f.TARGETS, (((key,), count) for key, count in all_of_it.targets.items()))
    points = {_point(key): one for key, one in all_of_it.points.items()}
    yield _metric(
        f.DRIFT,
        (
            (key, one.measured.millijoules / one.declared.millijoules)
            for key, one in points.items()
            if one.declared.millijoules
        ),
    )
    yield _metric(f.POINT_SECONDS, ((key, one.replica_seconds) for key, one in points.items()))


def _measured(subject: Subject, of: Mapping[Labels, Measured]) -> Iterator[Metric]:
    fresh = {key: one for key, one in of.items() if one.lost is None}
    yield _metric(
        subject.watts,
        (((*key, one.scope or ""), one.power.watts) for key, one in fresh.items() if one.power),
    )
    counted = {key: one.counted for key, one in of.items() if one.counted.since is not None}
    yield _metric(
        subject.joules, ((k, one.energy.millijoules / 1000) for k, one in counted.items())
    )
    yield _metric(subject.unmeasured, ((k, one.unmeasured_seconds) for k, one in counted.items()))
    yield _metric(
        subject.timestamp, ((k, one.at.timestamp() if one.at else None) for k, one in of.items())
    )
    yield _metric(subject.lost, ((k, one.lost is not None) for k, one in of.items()))


def _rates(services: Mapping[Labels, Measured]) -> Iterator[Metric]:
    fresh = {key: one for key, one in services.items() if one.lost is None}
    yield _metric(f.SERVICE_RATE, ((key, _rate(one.rate)) for key, one in fresh.items()))
    yield _metric(
        f.SERVICE_PER_JOULE,
        ((key, _per_joule(one.rate, one.power)) for key, one in fresh.items()),
    )
    yield _metric(f.ESTIMATED, ((key, one.estimated) for key, one in fresh.items()))
    yield _metric(f.DOUBTFUL, ((key, one.doubt is not None) for key, one in services.items()))


def _of_feedback(feedback: Feedback) -> Iterator[Metric]:
    yield _metric(
        f.POINT_WATTS, ((_point(key), power.watts) for key, power in feedback.points.items())
    )
    yield _metric(
        f.FOLLOWED, ((tuple(key), rate.per_second) for key, rate in feedback.demands.items())
    )
    yield _metric(f.WITHHELD, (((key,), power.watts) for key, power in feedback.withheld.items()))


def _point(key: PointKey) -> Labels:
    return (key.profile, key.npu_class, str(key.npus), key.operating_point)


def _rate(rate: Throughput | None) -> float | None:
    return None if rate is None else rate.per_second


def _per_joule(rate: Throughput | None, power: Power | None) -> float | None:
    """Return units per joule, None where either is unknown or nothing is drawn."""
    if rate is None or power is None or not power.milliwatts:
        return None
    return rate.micros / (1000 * power.milliwatts)


def _metric(family: Family, rows: Iterable[Row]) -> Metric:
    make = CounterMetricFamily if family.type is Type.COUNTER else GaugeMetricFamily
    metric = make(family.name, family.meaning, labels=family.labels)
    for labels, value in rows:
        if value is not None:
            metric.add_metric(labels, value)
    return metric
