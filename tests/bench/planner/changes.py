"""Snapshots after something changed: incumbents from a plan, other targets, a lost node, a lower cap."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np

from bench.planner.fleet import CLUSTER
from bench.planner.problem import Problem
from kwatt.model.keys import ServiceKey
from kwatt.model.plan import Plan
from kwatt.model.snapshot import Incumbent, Snapshot
from kwatt.units import Power, Throughput

CHANGED_SIGMA = 0.5  # of the factor by which a changed target differs; assumed


def with_incumbents(snapshot: Snapshot, plan: Plan) -> Snapshot:
    """Return the snapshot in which all that was planned runs."""
    running: dict[ServiceKey, list[Incumbent]] = {}
    for placed in plan.placements:
        idle = snapshot.classes[placed.variant.npu_class].idle.milliwatts * placed.variant.npus
        watts = (placed.reserved.milliwatts // placed.replicas - idle) // 1000
        incumbent = Incumbent(placed.variant, placed.node, placed.replicas, watts)
        running.setdefault(placed.service, []).append(incumbent)
    services = tuple(
        replace(
            service,
            incumbents=tuple(
                sorted(running.get(service.key, ()), key=lambda i: (i.variant, i.node))
            ),
        )
        for service in snapshot.services
    )
    return replace(snapshot, services=services)


def without_incumbents(snapshot: Snapshot) -> Snapshot:
    """Return the snapshot in which nothing runs."""
    return replace(snapshot, services=tuple(replace(s, incumbents=()) for s in snapshot.services))


def with_targets(snapshot: Snapshot, targets: Mapping[ServiceKey, int]) -> Snapshot:
    """Return the snapshot with other targets, in millionths of a unit per second."""
    services = tuple(
        replace(s, target=Throughput(targets[s.key])) if s.key in targets else s
        for s in snapshot.services
    )
    return replace(snapshot, services=services)


def changed_targets(snapshot: Snapshot, count: int, seed: int) -> dict[ServiceKey, int]:
    """Return other targets for `count` services, drawn by the seed."""
    rng = np.random.default_rng([seed, count])
    chosen = rng.permutation(len(snapshot.services))[:count].tolist()
    factors = np.exp(rng.normal(0, CHANGED_SIGMA, count)).tolist()
    return {
        snapshot.services[number].key: max(
            1, round(snapshot.services[number].target.micros * factor)
        )
        for number, factor in zip(chosen, factors, strict=True)
    }


def without_node(snapshot: Snapshot, name: str) -> Snapshot:
    """Return the snapshot without a node and what ran there."""
    services = tuple(
        replace(s, incumbents=tuple(i for i in s.incumbents if i.node != name))
        if any(i.node == name for i in s.incumbents)
        else s
        for s in snapshot.services
    )
    budgets = tuple(
        replace(b, nodes=tuple(n for n in b.nodes if n != name)) for b in snapshot.budgets
    )
    nodes = tuple(node for node in snapshot.nodes if node.name != name)
    return replace(snapshot, nodes=nodes, budgets=budgets, services=services)


def with_cluster_cap(snapshot: Snapshot, factor: float) -> Snapshot:
    """Return the snapshot with the cap over all nodes multiplied, in whole watts."""
    budgets = tuple(
        replace(b, cap=Power.of_watts(round(b.cap.milliwatts * factor / 1000)))
        if b.name == CLUSTER
        else b
        for b in snapshot.budgets
    )
    return replace(snapshot, budgets=budgets)


def restricted(problem: Problem, numbers: Collection[int]) -> Snapshot:
    """Return the snapshot with only some of its services."""
    kept = tuple(problem.services[number] for number in sorted(numbers))
    return replace(problem.snapshot, services=kept)
