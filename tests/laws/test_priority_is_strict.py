"""Law: priority is strict, checked by trying every assignment."""

from __future__ import annotations

from hypothesis import given

from kwatt.model.snapshot import Snapshot
from kwatt.planning.plan import plan
from laws.audit import can_be_whole
from laws.strategies import LAW, snapshots


@LAW
@given(snapshots())
def test_nobody_waits_for_what_lower_priorities_hold(snapshot: Snapshot) -> None:
    """No service waits while services of lower priority, however many, hold what it needs (design 5)."""
    services = {service.key: service for service in snapshot.services}
    result = plan(snapshot)

    for unplaced in result.unplaced:
        waiting = services[unplaced.service]
        others = [
            p
            for p in result.placements
            if services[p.service].priority >= waiting.priority and p.service != waiting.key
        ]
        assert waiting.held is not None or not can_be_whole(snapshot, waiting, others)
