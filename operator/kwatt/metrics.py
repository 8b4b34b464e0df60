"""Prometheus metrics of the operator, set here from results and nowhere else. Names end in their unit."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from kwatt.model.plan import BudgetUse, Plan

_CYCLE_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_BUDGET_PARTS = ("cap", "host", "idle", "reserved", "foreign", "headroom", "planned", "draw")


class Metrics:
    """All instruments, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._cycle = Histogram(
            "kwatt_cycle_duration_seconds",
            "Time of one step of a planning cycle.",
            ["step"],
            registry=self.registry,
            buckets=_CYCLE_BUCKETS,
        )
        self._services = Gauge(
            "kwatt_services", "InferenceServices by outcome.", ["outcome"], registry=self.registry
        )
        self._replicas = Gauge(
            "kwatt_replicas_planned", "Replicas in the plan.", registry=self.registry
        )
        self._budget = Gauge(
            "kwatt_power_budget_watts",
            "Watts of a PowerBudget: its cap, what counts against it, and what is left.",
            ["budget", "part"],
            registry=self.registry,
        )
        self._total = Gauge(
            "kwatt_power_planned_watts",
            "Planned watts of all replicas, hosts and idle NPUs left out.",
            registry=self.registry,
        )
        self._draw = Gauge(
            "kwatt_power_draw_watts",
            "What meters should show: planned, idle and foreign watts, hosts left out.",
            registry=self.registry,
        )
        self._invalid = Gauge(
            "kwatt_invalid_objects",
            "Objects that cannot be used, by kind.",
            ["kind"],
            registry=self.registry,
        )
        self._requests = Counter(
            "kwatt_api_requests",
            "Requests to the Kubernetes API by verb, resource and outcome.",
            ["verb", "resource", "outcome"],
            registry=self.registry,
        )
        self._failures = Counter(
            "kwatt_apply_failures",
            "Changes that the API refused or that failed, by kind and error.",
            ["kind", "error"],
            registry=self.registry,
        )
        self._drift = Counter(
            "kwatt_store_drift",
            "Deletions that only a re-list found.",
            ["kind"],
            registry=self.registry,
        )
        self._leader = Gauge("kwatt_leader", "1 while this process leads.", registry=self.registry)
        self._objects = Gauge(
            "kwatt_store_objects", "Objects in the store.", ["kind"], registry=self.registry
        )

    def step(self, name: str, seconds: float) -> None:
        """Record how long one step of the cycle took."""
        self._cycle.labels(name).observe(seconds)

    def planned(self, plan: Plan, invalid: Mapping[str, int]) -> None:
        """Show a plan: services by outcome, watts, budgets, invalid objects by kind."""
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
        self._show_budgets(plan.budgets)
        self._invalid.clear()
        for kind, count in invalid.items():
            self._invalid.labels(kind).set(count)

    def _show_budgets(self, budgets: tuple[BudgetUse, ...]) -> None:
        self._budget.clear()
        for budget in budgets:
            for part in _BUDGET_PARTS:
                self._budget.labels(budget.name, part).set(getattr(budget, part).watts)

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
