"""The status of a PowerBudget: what it counts, and whether the cap holds in the cluster right now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from kwatt.api.v1alpha1.power_budget import PowerBudgetStatus
from kwatt.model.feedback import Excess, ExcessReason
from kwatt.model.measurements import Measured
from kwatt.model.plan import BudgetUse
from kwatt.model.snapshot import Coming
from kwatt.status.conditions import Verdict, settled
from kwatt.status.measuring import energy_part, kept_verdict, total_verdict
from kwatt.units import NO_POWER, Power, plain


@dataclass(frozen=True, slots=True)
class BudgetFacts:
    """All that the status of one budget is made of.

    `problem` says what of the spec can't be read; `use` is what the plan counts under the cap to plan with,
    None where none is. `left_now` is that cap less the most that pods hold at this moment. `coming` says
    until when another cap is in force. `measured` is None where nothing was ever read under it; until
    `measuring`, nobody has looked yet. `excess` is what the meter says, None where only the plan holds the cap.
    """

    generation: int
    previous: PowerBudgetStatus | None
    use: BudgetUse | None
    window: str | None
    left_now: Power
    problem: str | None = None
    coming: Coming | None = None
    measured: Measured | None = None
    measuring: bool = False
    excess: Excess | None = None


def describe_budget(facts: BudgetFacts, now: datetime) -> PowerBudgetStatus:
    """Return the whole status; equal facts give an equal status whatever `now` is."""
    before = facts.previous or PowerBudgetStatus()
    measured = _measured(facts, before)
    verdicts = (_accepted(facts), *_enforced(facts), *measured)
    conditions = settled(before.conditions, verdicts, facts.generation, now)
    use, counted = facts.use, facts.measured.counted if facts.measured else None
    if use is None:
        return PowerBudgetStatus(
            observed_generation=facts.generation,
            conditions=conditions,
            energy=energy_part(counted, before.energy),
        )
    return PowerBudgetStatus(
        observed_generation=facts.generation,
        conditions=conditions,
        window=facts.window,
        cap_watts=_watts(use.cap),
        host_watts=_watts(use.host),
        idle_watts=_watts(use.idle),
        reserved_watts=_watts(use.reserved),
        foreign_watts=_watts(use.foreign),
        headroom_watts=_watts(use.headroom),
        planned_watts=_watts(use.planned),
        draw_watts=_watts(use.draw),
        measured_watts=_measured_watts(facts) if facts.measuring else before.measured_watts,
        energy=energy_part(counted, before.energy),
        withheld_watts=_withheld(facts.excess),
        nodes=use.nodes,
    )


def _measured_watts(facts: BudgetFacts) -> str | None:
    power = facts.measured.power if facts.measured else None
    return _watts(power) if power is not None else None


def _measured(facts: BudgetFacts, before: PowerBudgetStatus) -> tuple[Verdict, ...]:
    """Return the condition Measured, where anything was ever read under the budget."""
    if not facts.measuring:
        kept = any(one.type == "Measured" for one in before.conditions)
        return (kept_verdict(before.conditions),) if kept else ()
    return (total_verdict(facts.measured, before.conditions),) if facts.measured else ()


def _accepted(facts: BudgetFacts) -> Verdict:
    if facts.problem is None:
        return Verdict("Accepted", True, "Valid", "the spec can be used")
    kept = "; until it is mended the least cap that can be read holds" if facts.use else ""
    return Verdict("Accepted", False, "InvalidSpec", facts.problem + kept)


def _enforced(facts: BudgetFacts) -> tuple[Verdict, Verdict]:
    if facts.use is None:
        why = facts.problem or "the budget was not planned with"
        return (
            Verdict("Enforced", False, "InvalidSpec", why),
            Verdict("Exceeded", None, "InvalidSpec", why),
        )
    enforced, exceeded = _verdicts(facts.use, facts.left_now, facts.coming)
    return _metered(facts.excess, enforced, exceeded) if facts.excess else (enforced, exceeded)


def _metered(excess: Excess, enforced: Verdict, exceeded: Verdict) -> tuple[Verdict, Verdict]:
    """Add what the meter says; that it shows too much decides, all else is told beside."""
    reason = str(excess.reason)
    if excess.reason is ExcessReason.WITHIN_CAP:
        return enforced, exceeded
    if excess.reason is ExcessReason.METER_ABOVE_CAP:
        return (
            Verdict("Enforced", False, reason, excess.message),
            Verdict("Exceeded", True, reason, excess.message),
        )
    message = f"{exceeded.message}; {excess.message}"
    return enforced, exceeded._replace(reason=_reason(exceeded, reason), message=message)


def _reason(exceeded: Verdict, reason: str) -> str:
    return exceeded.reason if exceeded.holds else reason


def _withheld(excess: Excess | None) -> str | None:
    if excess is None or not excess.withheld.milliwatts:
        return None
    return _watts(excess.withheld)


def _verdicts(use: BudgetUse, left_now: Power, coming: Coming | None) -> tuple[Verdict, Verdict]:
    if coming is not None and coming.cap - use.cap + left_now >= NO_POWER:
        return _early(use, left_now, coming)
    if use.headroom.milliwatts < 0:
        fixed = use.host + use.idle + use.foreign + use.reserved
        stuck = f", replicas on lost nodes {use.reserved}" if use.reserved.milliwatts else ""
        why = (
            f"cap {use.cap} is below what cannot be switched off: host {use.host}, idle {use.idle}, "
            f"foreign {use.foreign}{stuck}, together {fixed}; "
            f"raise spec.watts by {Power(-use.headroom.milliwatts)}"
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
        Verdict(
            "Exceeded", False, "WithinCap", f"{use.headroom} of {use.cap} are left{_worth(use)}"
        ),
    )


def _early(use: BudgetUse, left_now: Power, coming: Coming) -> tuple[Verdict, Verdict]:
    """Say that the cap in force is kept, and what is done for the one that comes."""
    still = ""
    if left_now.milliwatts < 0:
        still = (
            f"; pods still hold {Power(-left_now.milliwatts)} more than the {use.cap} from then on"
        )
    why = _announced(coming) + still
    return (
        Verdict("Enforced", True, "SheddingEarly", why),
        Verdict("Exceeded", False, "SheddingEarly", why),
    )


def _announced(coming: Coming) -> str:
    zone = ZoneInfo(coming.zone)
    at, since = coming.at.astimezone(zone), coming.since.astimezone(zone)
    verb = "begins" if coming.opens else "ends"
    return f"{coming.window} {verb} at {at:%H:%M} {coming.zone}, shedding since {since:%H:%M:%S}"


def _worth(use: BudgetUse) -> str:
    return f"; {use.worth.message}" if use.worth else ""


def _watts(power: Power) -> str:
    return plain(power.milliwatts, 1000)
