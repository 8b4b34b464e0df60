"""The cluster that schedulers fill: devices, budgets, and that a removal undoes a placement."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.planner.cluster import Cluster
from bench.planner.problem import Curve, problem_of
from kwatt.model.snapshot import PodShape
from unit.bench_planner.fleets import fleet

PROBLEM = problem_of(fleet())
SHAPE = PodShape(1000, 1024)


def curve(npus: int) -> Curve:
    """Return the curve on the good class of this size."""
    return next(c for c in PROBLEM.curves if c.npus == npus and c.kind == PROBLEM.kinds["good"])


def free_devices(cluster: Cluster, node: int) -> dict[int, int]:
    """Return how many devices have how many slices free."""
    return {free: int(count) for free, count in enumerate(cluster.devices[node]) if count}


def test_a_replica_takes_the_device_that_it_fills_best() -> None:
    cluster = Cluster(PROBLEM)

    cluster.place(0, curve(2), SHAPE)
    cluster.place(0, curve(1), SHAPE)

    assert free_devices(cluster, 0) == {5: 1, 8: 1}
    assert int(cluster.free[0]) == 13


def test_a_replica_fits_where_one_device_has_enough() -> None:
    cluster = Cluster(PROBLEM)
    for _ in range(7):
        cluster.place(0, curve(1), SHAPE)

    nodes = np.zeros(4, dtype=np.int64)
    assert cluster.fitting(nodes, np.array([1, 8, 16, 32])).tolist() == [True, True, False, False]


def test_the_first_replica_of_a_node_brings_its_idle_watts() -> None:
    """16 slices idle at 10 W; a replica reserves 30 W, 20 W above idle."""
    cluster = Cluster(PROBLEM)

    cluster.place(0, curve(1), SHAPE)
    cluster.place(0, curve(1), SHAPE)

    assert PROBLEM.room[0] - cluster.room[0] == 160_000 + 2 * 20_000


def test_a_node_without_room_in_any_budget_is_refused() -> None:
    cluster = Cluster(problem_of(fleet(rack=190)))

    nodes, above = np.array([0, 1]), np.array([20_000, 20_000])
    assert cluster.powered(nodes, above).tolist() == [True, True]
    cluster.place(0, curve(1), SHAPE)
    assert cluster.powered(nodes, above).tolist() == [False, True]


def test_cpu_and_pods_are_limits_too() -> None:
    cluster = Cluster(PROBLEM)

    nodes = np.array([0])
    assert cluster.hosting(nodes, PodShape(64_000, 0)).tolist() == [True]
    assert cluster.hosting(nodes, PodShape(64_001, 0)).tolist() == [False]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.sampled_from([1, 2])), max_size=8))
def test_removals_undo_placements(placed: list[tuple[int, int]]) -> None:
    cluster, fresh = Cluster(PROBLEM), Cluster(PROBLEM)

    for node, npus in placed:
        cluster.place(node, curve(npus), SHAPE)
    for node, npus in reversed(placed):
        cluster.remove(node, curve(npus), SHAPE)

    assert cluster.room.tolist() == fresh.room.tolist()
    assert cluster.free.tolist() == fresh.free.tolist()
    assert (cluster.devices @ np.arange(9)).tolist() == cluster.free.tolist()
    assert cluster.devices.sum(axis=1).tolist() == fresh.devices.sum(axis=1).tolist()
    assert (cluster.cpu == fresh.cpu).all()


@pytest.mark.parametrize("npus", [1, 2])
def test_looking_ahead_is_what_placing_does(npus: int) -> None:
    cluster = Cluster(PROBLEM)
    cluster.place(0, curve(1), SHAPE)

    ahead = cluster.after(np.array([0]), np.array([npus]))
    cluster.place(0, curve(npus), SHAPE)

    assert ahead[0].tolist() == cluster.devices[0].tolist()
