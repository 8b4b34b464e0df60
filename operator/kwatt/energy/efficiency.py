"""Units per joule, and how much less energy a unit takes than on the device to compare with. Exact."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from kwatt.model.npu import Baseline, Scope
from kwatt.units import Power, Throughput


def per_joule(rate: Throughput | None, power: Power | None) -> Fraction | None:
    """Return units per joule: rate over watts (MLPerf Power's convention).

    None where either is unknown or 0: no work has no efficiency, and no watts are no measurement.
    """
    if rate is None or power is None or not rate.micros or power.milliwatts <= 0:
        return None
    return Fraction(rate.micros, 1000) / power.milliwatts


@dataclass(frozen=True, slots=True)
class Compared:
    """A baseline in units per joule, and the percent of energy that a unit takes less than there."""

    device: str
    per_joule: Fraction
    saved_percent: Fraction


def compare(own: Fraction, scope: Scope | None, baseline: Baseline | None) -> Compared | str:
    """Compare with the baseline in its scope; where that can't be done say why.

    Joules per unit are the inverse of units per joule, so 100 (1 - J/unit ours / J/unit theirs) is
    100 (1 - theirs / ours).
    """
    if baseline is None:
        return "the profile has no baseline"
    if scope is not baseline.scope:
        watts = f"its own are {scope}" if scope else "its own are of several scopes"
        return f"the watts of the baseline {baseline.device} are {baseline.scope}, {watts}"
    theirs = per_joule(baseline.rate, baseline.power)
    if theirs is None:
        return f"the baseline {baseline.device} has no units per joule"
    return Compared(baseline.device, theirs, 100 * (1 - theirs / own))
