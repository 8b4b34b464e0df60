"""From a plan to the status of every own object, and which of them have to be written."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias, TypeVar

from pydantic import BaseModel, ValidationError

from kwatt.api.v1alpha1.inference_service import InferenceServiceStatus
from kwatt.api.v1alpha1.model_profile import ModelProfileStatus
from kwatt.api.v1alpha1.npu_class import NPUClassStatus
from kwatt.api.v1alpha1.power_budget import PowerBudgetStatus
from kwatt.manifests.routes import OwnedRoute
from kwatt.model.feedback import NO_FEEDBACK, Drift, Feedback
from kwatt.model.keys import ServiceKey, Variant
from kwatt.model.measurements import Measurements, PointKey
from kwatt.model.npu import Profile
from kwatt.model.plan import BudgetUse, Placement, Plan, Unplaced
from kwatt.model.snapshot import Service, Snapshot
from kwatt.observation.values import Invalid, Notice, NoticeReason
from kwatt.reconciler.memo import Memo
from kwatt.reconciler.status_change import StatusChange, change_of
from kwatt.reconciler.store import Written
from kwatt.status.budgets import BudgetFacts, describe_budget
from kwatt.status.catalogue import describe_class, describe_profile
from kwatt.status.placements import ServiceFacts
from kwatt.status.routes import RouteFacts
from kwatt.status.services import describe_service
from kwatt.units import NO_POWER, Power, Throughput

Status = TypeVar("Status", bound=BaseModel)


class ObjectKey(NamedTuple):
    """One own object."""

    kind: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Findings:
    """What a cycle knows when it describes: the plan, and what the cluster is like right now.

    `left` is the cap of each budget less what nodes may draw at this moment; `missing` the fields that
    keep an NPUClass from being schedulable; `failures` the API server's sentences by service;
    `profiles` are whole, those of the snapshot lack the points that can't be used; `sustained` are the
    services whose old and new replicas do the rate together while they move. `routes` is None where the
    API server serves none; `measurements` is None until telemetry has told anything.
    API server serves none. `feedback` is what was planned with besides what was declared.
    """

    snapshot: Snapshot
    plan: Plan
    invalid: tuple[Invalid, ...]
    missing: Mapping[str, tuple[str, ...]]
    failures: Mapping[ServiceKey, str]
    left: Mapping[str, Power]
    profiles: Mapping[str, Profile]
    notices: tuple[Notice, ...] = ()
    sustained: frozenset[ServiceKey] = frozenset()
    routes: Mapping[ServiceKey, OwnedRoute] | None = field(default_factory=dict)
    measurements: Measurements | None = None
    feedback: Feedback = NO_FEEDBACK


Described: TypeAlias = Memo[StatusChange | None]


def status_changes(
    objects: Iterable[Written],
    findings: Findings,
    now: datetime,
    described: Described | None = None,
) -> list[StatusChange]:
    """Describe every object and return the statuses whose meaning changed.

    With `described`, a status that was as it should be is not made again from equal facts.
    """
    describe = _Describer(findings, now, described or Memo())
    changes = (describe.change(written) for written in objects)
    return [change for change in changes if change is not None]


class _Describer:
    """Looks facts up by name; one per cycle."""

    def __init__(self, findings: Findings, now: datetime, described: Described) -> None:
        self._findings = findings
        self._now = now
        self._described = described
        described.turn()
        self._measuring = findings.measurements is not None
        self._measurements = findings.measurements or Measurements()
        self._problems = {
            ObjectKey(i.kind, i.namespace, i.name): f"{i.field}: {i.message}"
            if i.field
            else i.message
            for i in findings.invalid
        }
        self._rows: defaultdict[ServiceKey, list[Placement]] = defaultdict(list)
        for row in findings.plan.placements:
            self._rows[row.service].append(row)
        self._unplaced: dict[ServiceKey, Unplaced] = {u.service: u for u in findings.plan.unplaced}
        self._services: dict[ServiceKey, Service] = {s.key: s for s in findings.snapshot.services}
        self._ready = _ready_replicas(findings.snapshot)
        self._uses: dict[str, BudgetUse] = {use.name: use for use in findings.plan.budgets}
        self._budgets = {budget.name: budget for budget in findings.snapshot.budgets}
        self._drifts: defaultdict[str, dict[PointKey, Drift]] = defaultdict(dict)
        for key, drift in findings.feedback.drifts.items():
            self._drifts[key.profile][key] = drift
        self._exceeded = dict(_exceeded_over(findings.snapshot, findings.left))
        self._unknown_classes = {
            ObjectKey(n.kind, n.namespace, n.name): n.message
            for n in findings.notices
            if n.reason is NoticeReason.UNKNOWN_CLASS
        }

    def change(self, written: Written) -> StatusChange | None:
        match written.kind:
            case "InferenceService":
                return self._service_change(written)
            case "PowerBudget":
                return change_of(written, self._budget(written))
            case "NPUClass":
                return change_of(written, self._class(written))
            case _:
                return change_of(written, self._profile(written))

    def _service_change(self, written: Written) -> StatusChange | None:
        """Describe a service, unless it was as it should be and nothing that it is told by changed since."""
        facts = self._service(written)

        def change() -> StatusChange | None:
            previous = _previous(InferenceServiceStatus, written.status)
            return change_of(
                written, describe_service(replace(facts, previous=previous), self._now)
            )

        return self._described.value(written.uid, (written, facts), change)

    def _problem(self, written: Written) -> str | None:
        return self._problems.get(_object_key(written))

    def _service(self, written: Written) -> ServiceFacts:
        key = ServiceKey(written.namespace, written.name)
        service = self._services.get(key)
        held = service.held if service else None
        rows = tuple(self._rows.get(key, ()))
        nodes = {row.node for row in rows}
        return ServiceFacts(
            key=key,
            generation=written.generation,
            previous=None,
            target=_target(service),
            profile=self._findings.snapshot.profiles.get(service.model) if service else None,
            classes=self._findings.snapshot.classes,
            rows=rows,
            unplaced=self._unplaced.get(key),
            ready=self._ready.get(key, {}),
            problem=self._problem(written) or held,
            failure=self._findings.failures.get(key),
            exceeded=tuple(sorted({b for node in nodes for b in self._exceeded.get(node, ())})),
            unknown_class=self._unknown_classes.get(_object_key(written)),
            moving=key in self._findings.sustained,
            route=self._route(written, key),
            measured=self._measurements.services.get(key),
            measuring=self._measuring,
            followed=self._findings.feedback.demands.get(key),
        )

    def _route(self, written: Written, key: ServiceKey) -> RouteFacts | None:
        route, routes = written.spec.get("route"), self._findings.routes
        if not isinstance(route, dict):
            return None
        gateway = _gateway(route, written.namespace)
        if routes is None:
            return RouteFacts(gateway, key.name, served=False)
        existing = routes.get(key)
        if existing is None or existing.owner_uid != written.uid:
            return RouteFacts(gateway, key.name)
        weights, answer = tuple(existing.backends), existing.answer
        return RouteFacts(
            gateway, key.name, weights=weights, accepted=answer.accepted, message=answer.message
        )

    def _budget(self, written: Written) -> PowerBudgetStatus:
        budget = self._budgets.get(written.name)
        facts = BudgetFacts(
            generation=written.generation,
            previous=_previous(PowerBudgetStatus, written.status),
            use=self._uses.get(written.name),
            window=budget.window if budget else None,
            left_now=self._findings.left.get(written.name, NO_POWER),
            problem=self._problem(written),
            coming=budget.coming if budget else None,
            measured=self._measurements.budgets.get(written.name),
            measuring=self._measuring,
            excess=self._findings.feedback.excesses.get(written.name),
        )
        return describe_budget(facts, self._now)

    def _class(self, written: Written) -> NPUClassStatus:
        return describe_class(
            written.name,
            self._findings.missing.get(written.name, ()),
            self._problem(written),
            self._findings.snapshot,
            previous=_previous(NPUClassStatus, written.status),
            generation=written.generation,
            now=self._now,
            measured=self._measurements.classes.get(written.name),
            measuring=self._measuring,
        )

    def _profile(self, written: Written) -> ModelProfileStatus:
        return describe_profile(
            self._findings.profiles.get(written.name),
            self._problem(written),
            self._findings.snapshot,
            _previous(ModelProfileStatus, written.status),
            written.generation,
            self._now,
            drifts=self._drifts.get(written.name, {}),
        )


def _object_key(written: Written) -> ObjectKey:
    return ObjectKey(written.kind, written.namespace, written.name)


def _gateway(route: Mapping[str, Any], namespace: str) -> str:
    gateway = route.get("gateway")
    named = gateway if isinstance(gateway, dict) else {}
    return f"{named.get('namespace') or namespace}/{named.get('name')}"


def _target(service: Service | None) -> Throughput | None:
    return service.target if service and service.target.micros else None


def _previous(model: type[Status], status: Mapping[str, Any]) -> Status | None:
    """Read a status as it was written; of one that can't be read the energy is kept, the rest started anew."""
    for readable in (status, {"energy": status.get("energy")}):
        try:
            return model.model_validate(readable)
        except ValidationError:
            continue
    return None


def _ready_replicas(snapshot: Snapshot) -> dict[ServiceKey, dict[Variant, int]]:
    ready: defaultdict[ServiceKey, Counter[Variant]] = defaultdict(Counter)
    for pod in snapshot.pods:
        if pod.ready and not pod.terminating:
            ready[pod.service][pod.variant] += 1
    return {key: dict(counter) for key, counter in ready.items()}


def _exceeded_over(
    snapshot: Snapshot, left: Mapping[str, Power]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each node with the budgets over it that are above their cap now."""
    over: defaultdict[str, list[str]] = defaultdict(list)
    for budget in snapshot.budgets:
        in_force = budget.coming.cap if budget.coming else budget.cap
        if left.get(budget.name, NO_POWER) + in_force - budget.cap < NO_POWER:
            for node in budget.nodes:
                over[node].append(budget.name)
    for node, budgets in over.items():
        yield node, tuple(budgets)
