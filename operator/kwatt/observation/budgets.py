"""Budgets of the snapshot: the cap to plan with now and the nodes under it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from kwatt.model.snapshot import Budget
from kwatt.observation.caps import PlannedCap, lead_of, planned_cap
from kwatt.observation.matching import NodeIndex
from kwatt.observation.values import Notice, NoticeReason, ParsedBudget
from kwatt.units import NO_POWER, Power


def resolve_budgets(
    budgets: Iterable[ParsedBudget],
    index: NodeIndex,
    usual_lead: timedelta,
    now: datetime,
    withheld: Mapping[str, Power],
) -> tuple[tuple[Budget, ...], tuple[Notice, ...]]:
    """Find each budget's nodes and its cap at `now`; a notice for each that covers no node.

    `usual_lead` is how long shedding takes where a budget does not say it itself; `withheld` is what their
    meters show too much.
    """
    resolved = [
        _budget(one, index, planned_cap(one, lead_of(one, usual_lead), now), withheld)
        for one in sorted(budgets, key=lambda one: one.name)
    ]
    notices = [_without_nodes(budget.name) for budget in resolved if not budget.nodes]
    return tuple(resolved), tuple(notices)


def _budget(
    budget: ParsedBudget, index: NodeIndex, planned: PlannedCap, withheld: Mapping[str, Power]
) -> Budget:
    is_enforced = budget.enforced_after is not None
    less = min(withheld.get(budget.name, NO_POWER), planned.cap) if is_enforced else NO_POWER
    return Budget(
        name=budget.name,
        cap=planned.cap - less,
        host=budget.host,
        nodes=tuple(index.nodes[number].name for number in index.matching(budget.selector)),
        empty_off=budget.empty_off,
        window=planned.window,
        coming=planned.coming,
        moves_horizon=budget.moves_horizon,
        withheld=less,
    )


def _without_nodes(name: str) -> Notice:
    message = f"PowerBudget {name} covers no node; its nodeSelector matches none"
    return Notice("PowerBudget", "", name, NoticeReason.BUDGET_WITHOUT_NODES, message)
