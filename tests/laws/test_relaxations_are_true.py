"""Law: a change that is told to let a service in does let it in."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given

from kwatt.model.plan import Relaxation
from kwatt.model.snapshot import Service, Snapshot
from kwatt.planning.plan import plan
from kwatt.units import Power
from laws.strategies import LAW, snapshots, with_plan_running


def relaxed(snapshot: Snapshot, service: Service, relaxation: Relaxation) -> Snapshot | None:
    """Return the snapshot with the change made, None for changes that this law doesn't try."""
    figures = relaxation.figures
    if "budget" in figures:
        more = Power.of_watts(figures["watts"])
        budgets = [
            replace(b, cap=b.cap + more) if b.name == figures["budget"] else b
            for b in snapshot.budgets
        ]
        return replace(snapshot, budgets=tuple(budgets))
    if "field" in figures:
        changed = {
            "spec.power.watts": lambda n: {"power_limit": Power.of_watts(n)},
            "spec.replicas.max": lambda n: {"max_replicas": n},
            "spec.latency.p99Milliseconds": lambda n: {"latency_micros": n * 1000},
        }[figures["field"]](figures["amount"])
        services = [replace(s, **changed) if s.key == service.key else s for s in snapshot.services]
        return replace(snapshot, services=tuple(services))
    return None


def with_one_waiting(snapshot: Snapshot) -> Snapshot:
    """Return the planned world, without those that wait behind the first one that waits."""
    first = plan(snapshot)
    waiting = {u.service for u in first.unplaced}
    running = with_plan_running(snapshot, first)
    one = sorted(waiting)[:1]
    services = tuple(s for s in running.services if s.key not in waiting or s.key in one)
    return replace(running, services=services)


@LAW
@given(snapshots())
def test_the_nearest_change_lets_the_service_in(snapshot: Snapshot) -> None:
    """Typed rejections and the nearest change that would let it in (design 5)."""
    running = with_one_waiting(snapshot)

    for unplaced in plan(running).unplaced:
        service = next(s for s in running.services if s.key == unplaced.service)
        for relaxation in unplaced.nearest:
            changed = relaxed(running, service, relaxation)
            waiting = {u.service for u in plan(changed).unplaced} if changed else set()
            assert service.key not in waiting
