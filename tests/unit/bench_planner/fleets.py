"""Small fleets for these tests, from the builders: slices of a device, watts easy to add up by hand."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import builders as b
from bench.planner.fleet import LOOSE, TIGHT
from bench.planner.synthetic import SHAPES, synthetic, with_caps
from kwatt.model.snapshot import Snapshot

GOOD, POOR = "good", "poor"


def fleet(**facts: Any) -> Snapshot:
    """Make two nodes of each of two classes, 16 slices a node, under a rack each and a cluster.

    A slice idles at 10 W; one gives 100/s, at 30 W on `good` and at 60 W on `poor`; two on `good` give
    190/s at 58 W. Half of the rate costs 20 W and 35 W. All p99 are 20 ms.
    """
    classes = [b.npu_class(GOOD), b.npu_class(POOR)]
    points = [
        b.point(50, 20, npu_class=GOOD, name="half"),
        b.point(100, 30, npu_class=GOOD, name="full"),
        b.point(190, 58, npu_class=GOOD, npus=2, name="full"),
        b.point(50, 35, npu_class=POOR, name="half"),
        b.point(100, 60, npu_class=POOR, name="full"),
    ]
    names = [("n1", GOOD), ("n2", GOOD), ("n3", POOR), ("n4", POOR)]
    nodes = [b.node(name, npus=16, npu_class=kind) for name, kind in names]
    budgets = [
        b.budget("cluster", facts.pop("cluster", 10_000), ["n1", "n2", "n3", "n4"], empty_off=True),
        b.budget("rack-1", facts.pop("rack", 10_000), ["n1", "n3"], empty_off=True),
    ]
    services = facts.pop("services", [b.service("a", 100), b.service("b", 250, priority=10)])
    return b.snapshot(
        services, nodes, budgets, classes=classes, profiles=[b.profile(*points)], **facts
    )


@lru_cache(maxsize=8)
def small(seed: int = 1, *, tight: bool = False) -> Snapshot:
    """Return the smallest synthetic fleet."""
    return synthetic(with_caps(SHAPES[0], TIGHT if tight else LOOSE), seed)
