"""Law: a plan that was carried out is its own next plan."""

from __future__ import annotations

from hypothesis import given

from kwatt.model.snapshot import Snapshot
from kwatt.planning.plan import plan
from laws.strategies import LAW, snapshots, with_plan_running


@LAW
@given(snapshots())
def test_replanning_without_a_change_moves_nothing(snapshot: Snapshot) -> None:
    """Replanning without a change moves nothing (design 5)."""
    first = plan(snapshot)

    second = plan(with_plan_running(snapshot, first))

    assert second.placements == first.placements
    assert (second.totals.starts, second.totals.evictions, second.totals.moves) == (0, 0, 0)
