"""Budgets of the snapshot: the cap in force now and the nodes under it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from kwatt.model.snapshot import Budget
from kwatt.observation.values import Notice, NoticeReason, ParsedBudget, ParsedNode
from kwatt.observation.windows import cap_at


def resolve_budgets(
    budgets: Iterable[ParsedBudget], nodes: Iterable[ParsedNode], now: datetime
) -> tuple[tuple[Budget, ...], tuple[Notice, ...]]:
    """Find each budget's nodes and its cap at `now`; a notice for each that covers no node."""
    nodes = sorted(nodes, key=lambda node: node.name)
    resolved = [_budget(one, nodes, now) for one in sorted(budgets, key=lambda one: one.name)]
    notices = [_without_nodes(budget.name) for budget in resolved if not budget.nodes]
    return tuple(resolved), tuple(notices)


def _budget(budget: ParsedBudget, nodes: list[ParsedNode], now: datetime) -> Budget:
    cap, window = cap_at(budget, now)
    return Budget(
        name=budget.name,
        cap=cap,
        host=budget.host,
        nodes=tuple(node.name for node in nodes if budget.selector.matches(node.labels)),
        empty_off=budget.empty_off,
        window=window,
    )


def _without_nodes(name: str) -> Notice:
    message = f"PowerBudget {name} covers no node; its nodeSelector matches none"
    return Notice("PowerBudget", "", name, NoticeReason.BUDGET_WITHOUT_NODES, message)
