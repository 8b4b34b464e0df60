"""Law: every shortfall is explained, once per class, by figures that are true."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given

from kwatt.model.plan import Plan, Reason, Rejection
from kwatt.model.snapshot import Service, Snapshot
from kwatt.planning.plan import plan
from laws.audit import can_be_whole, counted
from laws.strategies import LAW, snapshots


def higher(snapshot: Snapshot, result: Plan, service: Service) -> list:
    """Return the placements of other services with the same or a higher priority."""
    priority = {s.key: s.priority for s in snapshot.services}
    return [
        p
        for p in result.placements
        if p.service != service.key and priority[p.service] >= service.priority
    ]


def rejections(snapshot: Snapshot, result: Plan) -> list[tuple[Service, Rejection]]:
    """Return all rejections with their services."""
    services = {s.key: s for s in snapshot.services}
    return [(services[u.service], r) for u in result.unplaced for r in u.rejections]


@LAW
@given(snapshots())
def test_there_is_one_rejection_per_measured_and_allowed_class(snapshot: Snapshot) -> None:
    """One rejection per measured and allowed class, npuClass null when there is none (design 5)."""
    services = {s.key: s for s in snapshot.services}

    for unplaced in plan(snapshot).unplaced:
        service = services[unplaced.service]
        profile = snapshot.profiles.get(service.model)
        measured = {p.npu_class for p in profile.points} if profile else set()
        classes = [c for c in sorted(measured) if service.allowed is None or c in service.allowed]
        expected = classes if classes and service.held is None else [None]
        assert [r.npu_class for r in unplaced.rejections] == expected


@LAW
@given(snapshots())
def test_what_is_needed_exceeds_what_is_available(snapshot: Snapshot) -> None:
    """Its figures always have needed, available and unit, numbers where the reason is a lack (design 5)."""
    for _, rejection in rejections(snapshot, plan(snapshot)):
        needed, available = rejection.figures["needed"], rejection.figures["available"]
        assert "unit" in rejection.figures
        if rejection.reason is Reason.LATENCY_UNREACHABLE:
            assert available is None or available > needed
        elif rejection.npu_class and rejection.reason is not Reason.OUTRANKED_BY_PRIORITY:
            assert needed > available


@LAW
@given(snapshots())
def test_a_budget_that_rejects_has_that_headroom(snapshot: Snapshot) -> None:
    """PowerBudgetExceeded: that budget has not the watts for the whole service (design 5)."""
    result = plan(snapshot)
    budgets = {budget.name: budget for budget in snapshot.budgets}

    for service, rejection in rejections(snapshot, result):
        if rejection.reason is Reason.POWER_BUDGET_EXCEEDED:
            budget, others = budgets[rejection.figures["budget"]], higher(snapshot, result, service)
            left = budget.cap.milliwatts - counted(snapshot, budget, others)
            holders = {str(p.service) for p in others if p.node in budget.nodes}
            assert rejection.figures["available"] == left / 1000
            assert rejection.figures["heldBy"] == tuple(sorted(holders))


@LAW
@given(snapshots())
def test_npus_are_missing_where_it_says_so(snapshot: Snapshot) -> None:
    """InsufficientNPUs is false where NPUs are free and only a budget forbids them (design 5)."""
    result = plan(snapshot)

    for service, rejection in rejections(snapshot, result):
        if rejection.reason is Reason.INSUFFICIENT_NPUS:
            here = replace(service, allowed=(rejection.npu_class,))
            others = higher(snapshot, result, service)
            assert not can_be_whole(replace(snapshot, budgets=()), here, others)


@LAW
@given(snapshots())
def test_only_watts_are_missing_where_a_budget_rejects(snapshot: Snapshot) -> None:
    """PowerBudgetExceeded: with enough watts under every budget the class would take the service."""
    result = plan(snapshot)

    for service, rejection in rejections(snapshot, result):
        if rejection.reason is Reason.POWER_BUDGET_EXCEEDED and not service.incumbents:
            here = replace(service, allowed=(rejection.npu_class,))
            others = higher(snapshot, result, service)
            assert can_be_whole(replace(snapshot, budgets=()), here, others)
