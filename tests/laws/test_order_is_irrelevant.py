"""Law: the order of a snapshot's parts doesn't matter, nor does planning twice."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kwatt.model.snapshot import Snapshot
from kwatt.planning.plan import plan
from laws.strategies import LAW, snapshots


def shuffled(snapshot: Snapshot, seed: int) -> Snapshot:
    """Return an equal world whose parts are in another order."""
    random = Random(seed)

    def mixed(items: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(random.sample(items, len(items)))

    return replace(
        snapshot,
        nodes=mixed(snapshot.nodes),
        budgets=mixed(tuple(replace(b, nodes=mixed(b.nodes)) for b in snapshot.budgets)),
        services=mixed(
            tuple(replace(s, incumbents=mixed(s.incumbents)) for s in snapshot.services)
        ),
        profiles={
            name: replace(p, points=mixed(p.points))
            for name, p in mixed(tuple(snapshot.profiles.items()))
        },
        classes=dict(mixed(tuple(snapshot.classes.items()))),
    )


@LAW
@given(snapshots(), st.integers(0, 99))
def test_the_same_cluster_gives_the_same_plan(snapshot: Snapshot, seed: int) -> None:
    """Same snapshot, same plan: sort, break ties by name (design 5)."""
    assert plan(shuffled(snapshot, seed)) == plan(snapshot)
