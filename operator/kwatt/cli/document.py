"""A plan as plain data, with exactly the keys of design 4b. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from kwatt.model.plan import (
    Bound,
    BudgetUse,
    Figure,
    Placement,
    Plan,
    Rejection,
    Relaxation,
    Totals,
    Unplaced,
    Worth,
)
from kwatt.observation.values import Invalid
from kwatt.units import Power, Throughput

Document = dict[str, Any]


def document(plan: Plan, invalid: Iterable[Invalid], now: datetime) -> Document:
    """Render `plan`, made at `now`, and the objects that could not be used."""
    return {
        "now": rfc3339(now),
        "planHash": plan.hash,
        "placements": [_placement(placement) for placement in plan.placements],
        "unplaced": [_unplaced(unplaced) for unplaced in plan.unplaced],
        "budgets": [_budget(budget) for budget in plan.budgets],
        "totals": _totals(plan.totals),
        "bound": _bound(plan.bound) if plan.bound else None,
        "invalid": [_invalid(one) for one in invalid],
    }


def rfc3339(time: datetime) -> str:
    """Write an aware time in UTC, to the second."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def watts(power: Power) -> int | float:
    """Return watts as a plain number, exact to the milliwatt."""
    return _number(power.milliwatts, 1000)


def per_second(rate: Throughput) -> int | float:
    """Return units per second as a plain number, exact to the millionth."""
    return _number(rate.micros, 10**6)


def _number(amount: int, scale: int) -> int | float:
    """Divide; a whole number has no decimals, and the nearest float prints exactly as many as it needs."""
    return amount // scale if amount % scale == 0 else amount / scale


def _placement(placement: Placement) -> Document:
    return {
        "namespace": placement.service.namespace,
        "service": placement.service.name,
        "npuClass": placement.variant.npu_class,
        "node": placement.node,
        "replicas": placement.replicas,
        "npus": placement.variant.npus,
        "operatingPoint": placement.operating_point,
        "perSecond": per_second(placement.rate),
        "reservedWatts": watts(placement.reserved),
        "plannedWatts": watts(placement.planned),
    }


def _unplaced(unplaced: Unplaced) -> Document:
    return {
        "namespace": unplaced.service.namespace,
        "service": unplaced.service.name,
        "shortfallPerSecond": per_second(unplaced.shortfall),
        "rejections": [_rejection(rejection) for rejection in unplaced.rejections],
        "nearest": [_relaxation(relaxation) for relaxation in unplaced.nearest],
    }


def _rejection(rejection: Rejection) -> Document:
    return {
        "npuClass": rejection.npu_class,
        "reason": rejection.reason.value,
        "message": rejection.message,
        "figures": _figures(rejection.figures),
    }


def _relaxation(relaxation: Relaxation) -> Document:
    return {"change": relaxation.change, "figures": _figures(relaxation.figures)}


def _figures(figures: Mapping[str, Figure]) -> Document:
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in figures.items()
    }


def _budget(budget: BudgetUse) -> Document:
    return {
        "name": budget.name,
        "capWatts": watts(budget.cap),
        "hostWatts": watts(budget.host),
        "idleWatts": watts(budget.idle),
        "reservedWatts": watts(budget.reserved),
        "foreignWatts": watts(budget.foreign),
        "headroomWatts": watts(budget.headroom),
        "plannedWatts": watts(budget.planned),
        "drawWatts": watts(budget.draw),
        "worth": _worth(budget.worth) if budget.worth else None,
    }


def _worth(worth: Worth) -> Document:
    return {"message": worth.message, "figures": _figures(worth.figures)}


def _totals(totals: Totals) -> Document:
    return {
        "plannedWatts": watts(totals.planned),
        "reservedWatts": watts(totals.reserved),
        "idleWatts": watts(totals.idle),
        "foreignWatts": watts(totals.foreign),
        "drawWatts": watts(totals.draw),
        "services": totals.services,
        "placed": totals.placed,
        "partly": totals.partly,
        "replicas": totals.replicas,
        "starts": totals.starts,
        "moves": totals.moves,
        "evictions": totals.evictions,
    }


def _bound(bound: Bound) -> Document:
    return {"watts": watts(bound.power), "gapPercent": bound.gap_percent}


def _invalid(one: Invalid) -> Document:
    return {
        "kind": one.kind,
        "namespace": one.namespace,
        "name": one.name,
        "field": one.field,
        "message": one.message,
    }
