"""Bins for one service after the other: which closed nodes are opened."""

from __future__ import annotations

import numpy as np
import pytest

import builders as b
from kwatt.model.snapshot import Node
from kwatt.planning.bins import Piece
from kwatt.planning.draft import Draft
from kwatt.planning.fitting import FittingBins
from kwatt.planning.options import Demand


def bins_over(*nodes: Node, cap: float = 5000) -> FittingBins:
    """Return bins over nodes that draw nothing while they are empty."""
    names = [node.name for node in nodes]
    draft = Draft(b.snapshot([], nodes, [b.budget("all", cap, names, empty_off=True)]))
    return FittingBins(draft.layout, draft.committed)


def piece(bins: FittingBins, watts: int = 50) -> Piece:
    """Return a replica that all nodes admit."""
    every = np.arange(len(bins.layout.nodes))
    demand = Demand("city", b.variant(), watts, b.watts(10), 0, 0)
    return Piece(bins.pool(every), 1, 1000 * watts, 0, 0, demand)


@pytest.mark.parametrize(
    ("replicas", "opened"),
    [(1, [(1, 1)]), (2, [(1, 2)]), (3, [(2, 3)]), (8, [(0, 8)]), (9, [(0, 8), (1, 1)])],
)
def test_a_rest_opens_the_node_that_costs_least(
    replicas: int, opened: list[tuple[int, int]]
) -> None:
    bins = bins_over(b.node("n1", 8), b.node("n2", 2), b.node("n3", 4))

    assert bins.place(piece(bins), replicas) == opened


def test_a_node_that_is_empty_again_is_opened_again() -> None:
    bins = bins_over(b.node("n1", 8), b.node("n2", 2))
    one = piece(bins)
    first = bins.place(one, 1)
    assert first == [(1, 1)]

    bins.take(one, first)

    assert bins.place(one, 1) == first


def test_a_withdrawn_node_is_not_opened_until_it_is_back() -> None:
    bins = bins_over(b.node("n1", 8), b.node("n2", 2))
    one = piece(bins)

    bins.withdraw(1)
    assert bins.place(one, 1) == [(0, 1)]
    bins.take(one, [(0, 1)])
    bins.readmit(1)

    assert bins.place(one, 1) == [(1, 1)]


def test_nodes_without_watts_are_opened_once_there_are_some() -> None:
    bins = bins_over(b.node("n1", 4), b.node("n2", 4), cap=480)
    large = piece(bins, watts=100)
    small = large._replace(unit=10_000)
    assert bins.place(large, 4) == [(0, 4)]
    assert bins.place(small, 1) is None, "of 480 W 440 are taken, and a node idles at 40"

    bins.take(large, [(0, 1)])

    assert bins.place(small, 2) == [(0, 1), (1, 1)]
