"""Prometheus metrics of the operator, set here from results and nowhere else. Names end in their unit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from kwatt.metrics import families
from kwatt.metrics.family import Family
from kwatt.metrics.latest import Latest
from kwatt.model.feedback import Feedback
from kwatt.model.measurements import Measurements
from kwatt.model.plan import Plan
from kwatt.model.telemetry import Refusal, Refused, Source

_CYCLE_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """All instruments, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        cycle = families.CYCLE
        self._cycle = Histogram(
            cycle.name, cycle.meaning, cycle.labels, registry=self.registry, buckets=_CYCLE_BUCKETS
        )
        self._services = self._gauge(families.OUTCOMES)
        self._replicas = self._gauge(families.REPLICAS)
        self._total = self._gauge(families.PLANNED)
        self._draw = self._gauge(families.DRAW)
        self._invalid = self._gauge(families.INVALID)
        self._leader = self._gauge(families.LEADER)
        self._objects = self._gauge(families.STORED)
        self._requests = self._counter(families.REQUESTS)
        self._failures = self._counter(families.FAILURES)
        self._drift = self._counter(families.STORE_DRIFT)
        self._refused = self._counter(families.REFUSED)
        self._latest = Latest()
        self.registry.register(self._latest)
        self._begin_at_zero()

    def _gauge(self, family: Family) -> Gauge:
        return Gauge(family.name, family.meaning, family.labels, registry=self.registry)

    def _counter(self, family: Family) -> Counter:
        return Counter(family.name, family.meaning, family.labels, registry=self.registry)

    def _begin_at_zero(self) -> None:
        """Show counters that alerts watch from the start: of one that begins at 1 no increase is seen."""
        self._failures.labels("Cycle", "Exception")
        for source in Source:
            for reason in Refusal:
                self._refused.labels(source, reason)

    def step(self, name: str, seconds: float) -> None:
        """Record how long one step of the cycle took."""
        self._cycle.labels(name).observe(seconds)

    def planned(self, plan: Plan, invalid: Mapping[str, int]) -> None:
        """Show a plan: services by outcome, watts, budgets, invalid objects by kind."""
        self._latest.plan = plan
        totals = plan.totals
        unplaced = totals.services - totals.placed - totals.partly
        for outcome, count in (
            ("placed", totals.placed),
            ("partly", totals.partly),
            ("unplaced", unplaced),
        ):
            self._services.labels(outcome).set(count)
        self._replicas.set(totals.replicas)
        self._total.set(totals.planned.watts)
        self._draw.set(totals.draw.watts)
        self._invalid.clear()
        for kind, count in invalid.items():
            self._invalid.labels(kind).set(count)

    def measured(self, measurements: Measurements, now: datetime) -> None:
        """Show what is known from measurements at `now`, by the clock on the wall."""
        self._latest.measurements = measurements
        self._latest.measured_at = now

    def unmeasured(self) -> None:
        """Show that nothing is read any more: absent, and not what was measured last."""
        self._latest.measurements = Measurements()
        self._latest.measured_at = None

    def fed_back(self, feedback: Feedback) -> None:
        """Show what measurements change about planning."""
        self._latest.feedback = feedback

    def refused(self, refused: Iterable[Refused]) -> None:
        """Count what was read and is not used."""
        for one in refused:
            self._refused.labels(one.source, one.reason).inc(one.count)

    def request(self, verb: str, resource: str, outcome: str) -> None:
        """Count one request to the API server."""
        self._requests.labels(verb, resource, outcome).inc()

    def failed(self, kind: str, error: str) -> None:
        """Count one change that could not be made."""
        self._failures.labels(kind, error).inc()

    def drifted(self, kind: str, count: int) -> None:
        """Count deletions found by a re-list."""
        if count:
            self._drift.labels(kind).inc(count)

    def leads(self, leader: bool) -> None:  # noqa: FBT001  (it is the gauge's value)
        """Show whether this process leads."""
        self._leader.set(1 if leader else 0)

    def stored(self, sizes: Mapping[str, int]) -> None:
        """Show the size of the store by kind."""
        for kind, size in sizes.items():
            self._objects.labels(kind).set(size)
