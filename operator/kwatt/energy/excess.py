"""Watts of a PowerBudget's meter above its cap: what is withheld from planning until the meter shows less.

    withheld += headroom + (measured - cap) + margin        once measured > cap for the budget's own time
    withheld -= back, where measured + gain (headroom + back) <= cap - margin, gain = max(1, measured / planned)

So the plan falls by what the meter shows too much, and only as much comes back as the meter has room for even
if all of it draws what it reserves. Between two steps the first one takes effect. A meter that is lost, or
that shows more than anything under the cap can draw, changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from kwatt.model.feedback import WITHIN_CAP, Excess, ExcessReason, Metered
from kwatt.units import NO_POWER, Power

# assumptions
MARGIN_PERCENT: Final = 2  # of the cap, for the error of a meter
LOST_MS: Final = 60_000  # without a reading before that is said
LONGEST_CALM: Final = 16  # times the budget's calm, where what came back had to go again
BEYOND_REACH_PERCENT: Final = 150  # of what NPUs and hosts can draw: losses and fans on top


@dataclass(frozen=True, slots=True)
class Withholding:
    """What is withheld, and the memory of how that came; instants are milliseconds.

    `over_since` and `calm_since` are from when on the meter showed more or not more than the cap, `peak` the
    most since it is calm. Until `settles` the last step may not show yet. `patience` times its calm is waited.
    """

    withheld: Power = NO_POWER
    over_since: int | None = None
    calm_since: int | None = None
    peak: Power = NO_POWER
    settles: int | None = None
    planned_cap: Power | None = None
    returned: int | None = None
    patience: int = 1
    lost_since: int | None = None
    excess: Excess = WITHIN_CAP


def withhold(
    before: Withholding, measured: Power | None, budget: Metered, now_ms: int
) -> Withholding:
    """Return what to withhold from `now_ms` on; `measured` is None where the meter is lost."""
    before = _noticing_cap(before, budget, now_ms)
    if measured is None:
        return _lost(before, now_ms)
    before = replace(before, lost_since=None)
    if measured.milliwatts * 100 > budget.reach.milliwatts * BEYOND_REACH_PERCENT:
        why = (
            f"the meter shows {measured}, its NPUs and hosts can draw {budget.reach} at most; "
            "it is not used, look at the query or raise spec.hostWatts"
        )
        return _held(before, ExcessReason.METER_IMPLAUSIBLE, why)
    if measured > budget.cap:
        return _above(before, measured, budget, now_ms)
    return _below(before, measured, budget, now_ms)


def _noticing_cap(before: Withholding, budget: Metered, now_ms: int) -> Withholding:
    """Wait for what a lower cap takes off by itself."""
    fell = before.planned_cap is not None and budget.planned_cap < before.planned_cap
    settles = now_ms + budget.settle_ms if fell else before.settles
    withheld = min(before.withheld, max(budget.sheddable, NO_POWER))
    return replace(before, planned_cap=budget.planned_cap, settles=settles, withheld=withheld)


def _lost(before: Withholding, now_ms: int) -> Withholding:
    """Hold; say so only after a while, as after a start nothing was read yet."""
    since = now_ms if before.lost_since is None else before.lost_since
    held = replace(before, lost_since=since, over_since=None, calm_since=None)
    if now_ms - since < LOST_MS:
        return held
    return _held(held, ExcessReason.METER_LOST, "the meter is lost")


def _held(before: Withholding, reason: ExcessReason, why: str) -> Withholding:
    held = replace(before, over_since=None, calm_since=None)
    if (
        before.excess.reason is reason
    ):  # the first figures stay: a status is not written for each reading
        return held
    still = f"; {before.withheld} stay withheld" if before.withheld.milliwatts else ""
    return replace(held, excess=Excess(before.withheld, reason, why + still))


def _above(before: Withholding, measured: Power, budget: Metered, now_ms: int) -> Withholding:
    since = now_ms if before.over_since is None else before.over_since
    now = replace(before, over_since=since, calm_since=None)
    if now_ms - since < budget.sustained_ms or _is_settling(before, now_ms):
        return now
    more = max(budget.headroom, NO_POWER) + (measured - budget.cap) + margin_of(budget.cap)
    withheld = min(before.withheld + more, max(budget.sheddable, NO_POWER))
    why = (
        f"the meter shows {measured}, the cap is {budget.cap}; {withheld} are withheld from planning, "
        "the lowest priority goes first"
    )
    if withheld <= before.withheld:
        why = f"the meter shows {measured}, the cap is {budget.cap}, and nothing is left to switch off"
    soon = (
        before.returned is not None and now_ms - before.returned < before.patience * budget.calm_ms
    )
    return replace(
        now,
        withheld=withheld,
        settles=now_ms + budget.settle_ms,
        patience=min(LONGEST_CALM, 2 * before.patience) if soon else before.patience,
        excess=Excess(withheld, ExcessReason.METER_ABOVE_CAP, why),
    )


def _below(before: Withholding, measured: Power, budget: Metered, now_ms: int) -> Withholding:
    if _is_settling(before, now_ms):
        return replace(before, over_since=None, calm_since=None, excess=calm(before.withheld))
    starts = before.calm_since is None
    now = replace(
        before,
        over_since=None,
        calm_since=now_ms if starts else before.calm_since,
        peak=measured if starts else max(before.peak, measured),
        excess=calm(before.withheld),
    )
    if not now.withheld.milliwatts:
        rested = now.returned is None or now_ms - now.returned >= LONGEST_CALM * budget.calm_ms
        return replace(now, patience=1) if rested else now
    if now.calm_since is None or now_ms - now.calm_since < now.patience * budget.calm_ms:
        return now
    return _returning(now, measured, budget, now_ms)


def _returning(now: Withholding, measured: Power, budget: Metered, now_ms: int) -> Withholding:
    """Give back what the meter has room for; a part only if it is worth a step."""
    back = min(now.withheld, _room(now, budget))
    if back < min(now.withheld, margin_of(budget.cap)):
        return replace(now, calm_since=now_ms, peak=measured)
    left = now.withheld - back
    given = replace(
        now,
        withheld=left,
        calm_since=None,
        settles=now_ms + budget.settle_ms,
        returned=now_ms,
    )
    return replace(given, excess=calm(left))


def _room(now: Withholding, budget: Metered) -> Power:
    """Return what may come back: beyond the headroom, which may be used as well."""
    room = (budget.cap - margin_of(budget.cap) - now.peak).milliwatts
    headroom = max(0, budget.headroom.milliwatts)
    planned = (budget.planned_cap - now.withheld - budget.headroom).milliwatts
    return Power(room * max(1, planned) // max(1, planned, now.peak.milliwatts) - headroom)


def calm(withheld: Power) -> Excess:
    """Say what is withheld while the meter shows no more than the cap."""
    if not withheld.milliwatts:
        return WITHIN_CAP
    why = f"{withheld} of the cap stay withheld until the meter leaves room for them"
    return Excess(withheld, ExcessReason.WITHHOLDING, why)


def _is_settling(before: Withholding, now_ms: int) -> bool:
    return before.settles is not None and now_ms < before.settles


def margin_of(cap: Power) -> Power:
    """Return what is kept below a cap for the error of its meter."""
    return Power(cap.milliwatts * MARGIN_PERCENT // 100)
