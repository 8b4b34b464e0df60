"""Sizes that do not divide each other: what a replica takes of a node is more than its NPUs."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from fractions import Fraction

import pytest

import builders as b
from kwatt.model.snapshot import Snapshot
from kwatt.planning.patterns import parts_of_node
from kwatt.planning.plan import plan

HALF = Fraction(1, 2)


@pytest.mark.parametrize(
    ("wanted", "parts"),
    [
        ({3: 9, 5: 1}, {3: HALF, 5: HALF}),  # most replicas of 3 share a node with another one
        ({3: 1, 5: 9}, {3: Fraction(0), 5: Fraction(1)}),  # beside one of 5 there is room anyway
        ({3: 5, 6: 5}, {3: HALF, 6: Fraction(1)}),
        ({1: 1, 2: 5, 4: 2}, {1: Fraction(1, 8), 2: Fraction(1, 4), 4: HALF}),
        ({9: 1}, {}),
    ],
)
def test_parts_of_a_node_with_eight_npus(
    wanted: Mapping[int, int], parts: Mapping[int, Fraction]
) -> None:
    assert parts_of_node(8, wanted) == parts


def test_the_parts_need_as_many_nodes_as_the_patterns() -> None:
    """Of 12 NPUs: 5 nodes of {5, 7}, then 5 of {5, 5} and 5 of {3, 3, 3, 3}."""
    parts = parts_of_node(12, {3: 20, 5: 15, 7: 5})

    assert parts
    assert 20 * parts[3] + 15 * parts[5] + 5 * parts[7] == 15


def test_too_many_patterns_are_not_looked_at() -> None:
    assert parts_of_node(128, {size: 1 for size in range(1, 20)}) is None


def test_larger_replicas_that_fill_nodes_leave_room_for_all() -> None:
    """Three replicas of 3 NPUs take one and a half nodes of 8; two of 5, with more watts, one beside such.

    All can be served on 361 nodes: 903 replicas of 3 would need 452, 602 of 5 one each.
    """
    planned = plan(_fleet(services=301, nodes=363))

    assert planned.unplaced == ()


def test_prices_of_what_there_is_too_little_of_overflow_nothing() -> None:
    """No price ends the ascent where nobody has another way; of 361 nodes 300 are there, for 250 of 301."""
    with warnings.catch_warnings(action="error"):
        planned = plan(_fleet(services=301, nodes=300))

    assert len(planned.unplaced) == 51


def _fleet(services: int, nodes: int) -> Snapshot:
    """Return nodes of 8 NPUs, and services that take three replicas of 3 each, or two of 5 for more watts."""
    profile = b.profile(
        b.point(100, 100, npu_class="k", npus=3, name="three"),
        b.point(150, 160, npu_class="k", npus=5, name="five"),
    )
    return b.snapshot(
        [b.service(f"s{i:03}", 300) for i in range(services)],
        [b.node(f"n{i:03}", 8, "k") for i in range(nodes)],
        classes=[b.npu_class("k", idle=2, most=400)],
        profiles=[profile],
    )
