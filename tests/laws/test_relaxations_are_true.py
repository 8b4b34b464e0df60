"""Law: a change that is told to let a service in does let it in."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import assume, given, settings

from kwatt.model.plan import Relaxation
from kwatt.model.snapshot import Service, Snapshot
from kwatt.planning.plan import plan
from kwatt.units import Power
from laws.strategies import LAW, snapshots, with_plan_running

MANY = settings(LAW, max_examples=300)


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


@MANY
@given(snapshots())
def test_the_nearest_change_lets_the_service_in(snapshot: Snapshot) -> None:
    """Typed rejections and the nearest change that would let it in (design 5)."""
    first = plan(snapshot)
    running = with_plan_running(snapshot, first)
    assume(len(first.unplaced) == 1 and first.unplaced[0].nearest)

    unplaced = first.unplaced[0]
    service = next(s for s in running.services if s.key == unplaced.service)
    for relaxation in unplaced.nearest:
        changed = relaxed(running, service, relaxation)
        if changed is not None:
            waiting = {u.service for u in plan(changed).unplaced}
            assert service.key not in waiting
