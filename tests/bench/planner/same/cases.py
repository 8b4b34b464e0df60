"""What `make same-plan` plans: a few instances for each way that a plan can come about, seconds each.

From nothing with loose and with tight racks, with services that find no place, after a brown-out, by the
solver that small clusters are left to, and with replicas that run: some targets changed, moves allowed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

from bench.planner.changes import changed_targets, with_cluster_cap, with_incumbents, with_targets
from bench.planner.fleet import TIGHT
from bench.planner.instances import instance
from bench.planner.synthetic import Shape, synthetic
from kwatt.model.snapshot import Snapshot
from kwatt.planning.plan import plan

SEED: Final = 1
HORIZON: Final = 3600  # seconds over which a move must pay
SOLVED: Final = Shape(6, 2, 3, 1, load=0.4, caps=TIGHT)  # few enough columns for the solver


def cases() -> dict[str, Callable[[], Snapshot]]:
    """Return every case by its name: what makes it. Plans are hashed as they come, none is stored."""
    plain = ("100x5x100-loose-30", "100x5x100-tight-30", "1kx10x1k-loose-30", "openb-30")
    return {
        **{name: partial(instance, name, SEED) for name in plain},
        f"{SOLVED.name}-tight-40 -50 %": lambda: with_cluster_cap(synthetic(SOLVED, SEED), 0.5),
        "100x5x100-loose-40 -60 %, running": _cut,
        "1kx10x1k-loose-30, running, 1 % changed": partial(_changed, "1kx10x1k-loose-30", 1),
        "100x5x100-loose-30, running, 10 % changed, moves": _moving,
    }


def _cut() -> Snapshot:
    """Return a fleet whose cap is cut while everything runs."""
    return with_cluster_cap(_changed("100x5x100-loose-40", 10), 0.4)


def _moving() -> Snapshot:
    """Return a fleet whose replicas may move where that pays."""
    return replace(_changed("100x5x100-loose-30", 10), moves_horizon=HORIZON)


def _changed(name: str, percent: float) -> Snapshot:
    """Return an instance in which its plan runs and some of the services have other targets."""
    snapshot = instance(name, SEED)
    running = with_incumbents(snapshot, plan(snapshot))
    count = max(1, round(len(snapshot.services) * percent / 100))
    return with_targets(running, changed_targets(running, count, SEED))
