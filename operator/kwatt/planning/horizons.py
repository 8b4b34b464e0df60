"""Which nodes let running replicas move, and over how many seconds a move must pay there."""

from __future__ import annotations

from collections.abc import Mapping

from kwatt.model.snapshot import Snapshot


def horizons_of(snapshot: Snapshot) -> Mapping[str, int]:
    """Return the horizon in seconds of each node that takes part in moves, by name; {} where none does.

    Of several budgets over a node the least horizon counts; the operator's setting serves nodes that no
    budget says anything about.
    """
    horizons: dict[str, int] = {}
    for budget in snapshot.budgets:
        if budget.moves_horizon is not None:
            for node in budget.nodes:
                horizons[node] = min(budget.moves_horizon, horizons.get(node, budget.moves_horizon))
    if snapshot.moves_horizon is not None:
        for one in snapshot.nodes:
            horizons.setdefault(one.name, snapshot.moves_horizon)
    return horizons
