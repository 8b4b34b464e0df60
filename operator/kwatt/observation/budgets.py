"""Budgets of the snapshot: the cap in force now and the nodes under it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from kwatt.model.snapshot import Budget
from kwatt.observation.matching import NodeIndex
from kwatt.observation.values import Notice, NoticeReason, ParsedBudget
from kwatt.observation.windows import cap_at


def resolve_budgets(
    budgets: Iterable[ParsedBudget], index: NodeIndex, now: datetime
) -> tuple[tuple[Budget, ...], tuple[Notice, ...]]:
    """Find each budget's nodes and its cap at `now`; a notice for each that covers no node."""
    resolved = [_budget(one, index, now) for one in sorted(budgets, key=lambda one: one.name)]
    notices = [_without_nodes(budget.name) for budget in resolved if not budget.nodes]
    return tuple(resolved), tuple(notices)


def _budget(budget: ParsedBudget, index: NodeIndex, now: datetime) -> Budget:
    cap, window = cap_at(budget, now)
    return Budget(
        name=budget.name,
        cap=cap,
        host=budget.host,
        nodes=tuple(index.nodes[number].name for number in index.matching(budget.selector)),
        empty_off=budget.empty_off,
        window=window,
    )


def _without_nodes(name: str) -> Notice:
    message = f"PowerBudget {name} covers no node; its nodeSelector matches none"
    return Notice("PowerBudget", "", name, NoticeReason.BUDGET_WITHOUT_NODES, message)
