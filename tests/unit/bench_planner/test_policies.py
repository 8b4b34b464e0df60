"""Scores against the published formulas, on examples that are worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bench.planner.baselines import scheduler_of
from bench.planner.cluster import Cluster
from bench.planner.policies import (
    Fgd,
    GreedyJoules,
    Pwr,
    PwrFgd,
    Request,
    RoundRobin,
    expected_fragments,
    least_allocated,
    most_allocated,
)
from bench.planner.problem import problem_of
from unit.bench_planner.fleets import fleet

# Three nodes with (millicores, NPUs), and twenty pods in the order in which they come.
CAPACITY = np.array([[16_000, 32_000, 24_000], [8, 16, 12]])
PODS = [
    *((1000, 1), (2000, 2), (500, 1), (4000, 4), (1000, 1), (1000, 2), (2000, 1), (500, 1)),
    *((3000, 2), (1000, 1), (1000, 1), (2000, 2), (1000, 1), (500, 1), (1000, 2), (4000, 4)),
    *((1000, 1), (500, 1), (2000, 1), (1000, 1)),
]
# kube-scheduler, resources cpu and NPUs with weight 1 each. First pod, LeastAllocated:
#   a: cpu (16000 - 1000) 100 / 16000 = 93, NPUs (8 - 1) 100 / 8 = 87, (93 + 87) / 2 = 90
#   b: cpu 31000 100 / 32000 = 96, NPUs 15 100 / 16 = 93, (96 + 93) / 2 = 94: wins
#   c: cpu 23000 100 / 24000 = 95, NPUs 11 100 / 12 = 91, (95 + 91) / 2 = 93
LEAST = [
    *((90, 94, 93), (81, 85, 87), (91, 91, 82), (54, 76, 62), (82, 71, 81), (67, 68, 76)),
    *((70, 70, 68), (62, 72, 71), (48, 61, 62), (60, 67, 55), (60, 63, 55), (51, 53, 49)),
    *((60, 49, 55), (52, 49, 56), (45, 46, 46), (23, 27, 32), (51, 41, 26), (43, 41, 27)),
    *((31, 39, 23), (34, 34, 26)),
]
LEAST_WINNERS = "bcabacabcbbbacbcaaba"
# MostAllocated, first pod: a: 1000 100 / 16000 = 6, 1 100 / 8 = 12, (6 + 12) / 2 = 9: wins. After four pods
# the eight NPUs of a are taken, after thirteen the twelve of c. None: the pod does not fit.
MOST = [
    *((9, 4, 6), (27, 9, 12), (35, 3, 5), (73, 18, 24), (None, 4, 6), (None, 7, 16)),
    *((None, 6, 24), (None, 3, 29), (None, 10, 44), (None, 4, 50), (None, 4, 57)),
    *((None, 9, 69), (None, 4, 76), (None, 3, None), (None, 11, None), (None, 30, None)),
    *((None, 35, None), (None, 38, None), (None, 45, None), (None, 49, None)),
]
MOST_WINNERS = "aaaacccccccccbbbbbbb"


@pytest.mark.parametrize(
    ("score", "scores", "winners"),
    [(least_allocated, LEAST, LEAST_WINNERS), (most_allocated, MOST, MOST_WINNERS)],
    ids=["LeastAllocated", "MostAllocated"],
)
def test_twenty_pods_score_as_in_kube_scheduler(
    score: object, scores: list[tuple[int | None, ...]], winners: str
) -> None:
    used, weights = np.zeros((2, 3), dtype=np.int64), np.ones(2, dtype=np.int64)
    for pod, expected, winner in zip(PODS, scores, winners, strict=True):
        requested = used + np.array(pod)[:, None]
        fits = (requested <= CAPACITY).all(axis=0)
        found = score(requested, CAPACITY, weights)  # type: ignore[operator]
        seen = tuple(int(s) if fit else None for s, fit in zip(found, fits, strict=True))
        assert seen == expected
        best = int(np.argmax(np.where(fits, found, -1)))
        assert "abc"[best] == winner
        used[:, best] = requested[:, best]


def test_weights_count_as_in_kube_scheduler() -> None:
    """cpu free 50 %, NPUs free 75 %: (50 x 1 + 75 x 3) / 4 = 68.75, cut to 68."""
    requested, capacity = np.array([[8000], [2]]), np.array([[16_000], [8]])

    assert least_allocated(requested, capacity, np.array([1, 3])).tolist() == [68]
    assert most_allocated(requested, capacity, np.array([1, 3])).tolist() == [31]


def test_what_a_node_does_not_have_scores_nothing() -> None:
    requested, capacity = np.array([[1]]), np.array([[0]])

    assert least_allocated(requested, capacity, np.array([1])).tolist() == [0]
    assert most_allocated(requested, capacity, np.array([1])).tolist() == [0]


def devices(*free: int) -> np.ndarray:
    """Return one node whose devices have so many slices free."""
    counts = np.zeros((1, 9), dtype=np.int64)
    for one in free:
        counts[0, one] += 1
    return counts


@pytest.mark.parametrize(
    ("free", "size", "fragments"),
    [
        ((8, 4), 4, 0),  # both devices can be used
        ((8, 4, 2), 4, 2),  # the two slices of the third can't
        ((4, 2), 8, 6),  # nothing fits: all that is free is a fragment
        ((8, 8, 3), 16, 3),  # two whole devices are there, the rest of the third is none
        ((8, 3), 16, 11),
        ((0, 0), 1, 0),
    ],
)
def test_fragments_are_the_free_slices_that_a_size_cannot_use(
    free: tuple[int, ...], size: int, fragments: int
) -> None:
    assert expected_fragments(devices(*free), {size: 1.0}, 8).tolist() == [fragments]


def test_fragments_are_weighed_by_the_demand() -> None:
    """Free 8 and 2 slices; half of the demand is 1 slice (0 lost), half 4 slices (2 lost)."""
    assert expected_fragments(devices(8, 2), {1: 0.5, 4: 0.5}, 8).tolist() == [1.0]


def request(nodes: list[int], npus: int, extra: list[float], rate: float = 1.0) -> Request:
    """Make a request of one size."""
    count = len(nodes)
    return Request(np.array(nodes), np.full(count, npus), np.array(extra), np.full(count, rate))


def test_fgd_prefers_the_device_that_is_broken_into_already() -> None:
    """n1 has 8 and 7 slices free, n2 has 8 and 8; only sizes 1 and 8 are in demand, equally.

    n1 with one slice more taken: fragments for size 8 fall from 7 to 6, so (0 + 7) / 2 - (0 + 6) / 2 = 1/2
    slice, 1/16 device: 100 / (1 + exp(-1/16)) = 51.56, cut to 51. n2: they grow from 0 to 7, 7/16 device:
    100 / (1 + exp(7/16)) = 39.2, cut to 39.
    """
    problem = problem_of(fleet())
    cluster = Cluster(problem)
    cluster.place(0, problem.curves[0], problem.services[0].shape)
    fgd = Fgd({kind: {1: 0.5, 8: 0.5} for kind in problem.kinds.values()})

    assert fgd.scores(cluster, request([0, 1], 1, [1, 1])).tolist() == [51, 39]
    assert math.floor(100 / (1 + math.exp(-1 / 16))) == 51


def test_fgd_sees_what_was_placed_since_it_last_scored() -> None:
    problem = problem_of(fleet())
    cluster = Cluster(problem)
    fgd = Fgd({kind: {1: 0.5, 8: 0.5} for kind in problem.kinds.values()})
    assert fgd.scores(cluster, request([0, 1], 1, [1, 1])).tolist() == [39, 39]

    cluster.place(1, problem.curves[0], problem.services[0].shape)

    assert fgd.scores(cluster, request([0, 1], 1, [1, 1])).tolist() == [39, 51]


def test_pwr_prefers_the_least_extra_watts_and_greedy_those_per_rate() -> None:
    cluster = Cluster(problem_of(fleet()))
    asked = Request(
        np.array([0, 2]), np.array([1, 1]), np.array([30e3, 20e3]), np.array([3.0, 1.0])
    )

    assert Pwr().scores(cluster, asked).tolist() == [-30e3, -20e3]
    assert GreedyJoules().scores(cluster, asked).tolist() == [-10e3, -20e3]


def test_the_combination_weighs_pwr_between_its_extremes() -> None:
    """Extra 10, 20 and 30 W become 100, 50 and 0; FGD says 39 for all: 0.1 PWR + 0.9 x 39."""
    problem = problem_of(fleet())
    fgd = Fgd({kind: {1: 0.5, 8: 0.5} for kind in problem.kinds.values()})

    found = PwrFgd(fgd).scores(Cluster(problem), request([0, 1, 2], 1, [10e3, 20e3, 30e3]))

    assert found.tolist() == pytest.approx([45.1, 40.1, 35.1])


def test_round_robin_goes_on_behind_the_last_node() -> None:
    problem = problem_of(fleet())
    cluster = Cluster(problem)
    cluster.place(1, problem.curves[0], problem.services[0].shape)

    scores = RoundRobin().scores(cluster, request([0, 1, 3], 1, [1, 1, 1]))

    assert int(np.argmax(scores)) == 2


def test_spreading_and_packing_differ_on_a_fleet() -> None:
    problem = problem_of(fleet())

    spread = scheduler_of("LeastAllocated", problem, 1).run()
    packed = scheduler_of("MostAllocated", problem, 1).run()

    assert len({row.node for row in spread}) == 4
    assert len({row.node for row in packed}) == 1
