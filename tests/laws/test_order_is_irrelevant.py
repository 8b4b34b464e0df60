"""Law: the order of a snapshot's parts doesn't matter, nor does planning twice."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bench.planner.measure import shuffled
from kwatt.model.snapshot import Snapshot
from kwatt.planning.plan import plan
from laws.strategies import LAW, snapshots


@LAW
@given(snapshots(), st.integers(0, 99))
def test_the_same_cluster_gives_the_same_plan(snapshot: Snapshot, seed: int) -> None:
    """Same snapshot, same plan: sort, break ties by name (design 5)."""
    assert plan(shuffled(snapshot, seed)) == plan(snapshot)
