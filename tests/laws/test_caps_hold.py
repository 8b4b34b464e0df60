"""Law: no budget is exceeded by what the plan puts under it."""

from __future__ import annotations

from hypothesis import given

from kwatt.model.snapshot import Snapshot
from kwatt.planning.plan import plan
from laws.audit import counted, floor_of
from laws.strategies import LAW, snapshots


@LAW
@given(snapshots())
def test_no_budget_is_exceeded(snapshot: Snapshot) -> None:
    """hostWatts + idleWatts + reservedWatts + foreignWatts <= capWatts (design 6)."""
    placements = plan(snapshot).placements

    for budget in snapshot.budgets:
        under = [p for p in placements if p.node in budget.nodes]
        assert not under or counted(snapshot, budget, placements) <= budget.cap.milliwatts


@LAW
@given(snapshots())
def test_nothing_runs_under_a_budget_below_its_floor(snapshot: Snapshot) -> None:
    """When a cap is cut below what runs, lowest priority goes first (design 7.1), until none is left."""
    placements = plan(snapshot).placements

    for budget in snapshot.budgets:
        if floor_of(snapshot, budget) > budget.cap.milliwatts:
            assert not [p for p in placements if p.node in budget.nodes]


@LAW
@given(snapshots())
def test_budgets_report_what_they_count(snapshot: Snapshot) -> None:
    """What is left is headroomWatts (design 6)."""
    result = plan(snapshot)

    caps = {budget.name: budget for budget in snapshot.budgets}
    for use in result.budgets:
        used = counted(snapshot, caps[use.name], result.placements)
        assert use.headroom.milliwatts == use.cap.milliwatts - used
        assert use.host + use.idle + use.reserved + use.foreign + use.headroom == use.cap
        assert use.draw == use.host + use.idle + use.planned + use.foreign
