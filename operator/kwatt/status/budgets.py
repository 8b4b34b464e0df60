"""The status of a PowerBudget: what it counts, and whether the cap holds in the cluster right now."""

from __future__ import annotations

from datetime import datetime

from kwatt.api.v1alpha1.power_budget import PowerBudgetStatus
from kwatt.model.plan import BudgetUse
from kwatt.status.conditions import Verdict, settled
from kwatt.units import Power, plain


def describe_budget(
    use: BudgetUse,
    window: str | None,
    left_now: Power,
    previous: PowerBudgetStatus | None,
    generation: int,
    now: datetime,
) -> PowerBudgetStatus:
    """Return the whole status. `left_now` is the cap less the most that nodes may draw at this moment."""
    before = previous or PowerBudgetStatus()
    return PowerBudgetStatus(
        observed_generation=generation,
        conditions=settled(before.conditions, _verdicts(use, left_now), generation, now),
        window=window,
        cap_watts=_watts(use.cap),
        host_watts=_watts(use.host),
        idle_watts=_watts(use.idle),
        reserved_watts=_watts(use.reserved),
        foreign_watts=_watts(use.foreign),
        headroom_watts=_watts(use.headroom),
        planned_watts=_watts(use.planned),
        draw_watts=_watts(use.draw),
        measured_watts=before.measured_watts,
        nodes=use.nodes,
    )


def describe_unusable_budget(
    problem: str, previous: PowerBudgetStatus | None, generation: int, now: datetime
) -> PowerBudgetStatus:
    """Say why a budget is not enforced."""
    before = previous or PowerBudgetStatus()
    verdicts = (
        Verdict("Enforced", False, "InvalidSpec", problem),
        Verdict("Exceeded", None, "InvalidSpec", problem),
    )
    conditions = settled(before.conditions, verdicts, generation, now)
    return PowerBudgetStatus(observed_generation=generation, conditions=conditions)


def _verdicts(use: BudgetUse, left_now: Power) -> tuple[Verdict, Verdict]:
    if use.headroom.milliwatts < 0:
        fixed = use.host + use.idle + use.foreign
        why = (
            f"cap {use.cap} is below what cannot be switched off: host {use.host}, idle {use.idle}, "
            f"foreign {use.foreign}, together {fixed}; raise spec.watts by {Power(-use.headroom.milliwatts)}"
        )
        return (
            Verdict("Enforced", False, "CapBelowFixedWatts", why),
            Verdict("Exceeded", True, "CapBelowFixedWatts", why),
        )
    if left_now.milliwatts < 0:
        over = Power(-left_now.milliwatts)
        why = f"pods still hold {over} more than the cap {use.cap} allows; they are being taken off"
        return (
            Verdict("Enforced", False, "Shedding", why),
            Verdict("Exceeded", True, "Shedding", why),
        )
    return (
        Verdict("Enforced", True, "WithinCap", "the kube-scheduler can bind no pod beyond the cap"),
        Verdict("Exceeded", False, "WithinCap", f"{use.headroom} of {use.cap} are left"),
    )


def _watts(power: Power) -> str:
    return plain(power.milliwatts, 1000)
