"""What of a status says what was measured: figures, energy, the comparison, and the condition Measured.

Figures that were measured last stay with their time while nothing fresh is read; the condition says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from kwatt.api.v1alpha1 import measuring as api
from kwatt.api.v1alpha1.measuring import Comparison, EnergyUsed, Figures
from kwatt.api.v1alpha1.meta import Condition
from kwatt.energy.efficiency import Compared, compare, per_joule
from kwatt.errors import InvalidInput
from kwatt.model.measurements import Counted, Measured
from kwatt.model.npu import Baseline, Scope
from kwatt.status.conditions import Verdict, read_timestamp, timestamp
from kwatt.units import Energy, nearest, plain

NOT_READ = "figures are planned, no meter is read yet"
_HOLDS = "planning holds what it decided"


def measured_part(measured: Measured | None, previous: api.Measured | None) -> api.Measured | None:
    """Return the figures of a status: the fresh ones, else those that were measured last.

    None where nothing is measured: no exporter is read, or nothing is held.
    """
    if measured is None or not _holds(measured):
        return None
    if measured.power is None and measured.counted.at is not None:
        return previous
    power, rate = measured.power, measured.rate
    return api.Measured(
        per_second=plain(rate.micros, 10**6) if rate is not None else None,
        watts=plain(power.milliwatts, 1000) if power is not None else None,
        units_per_joule=four_digits(per_joule(rate, power)),
        window=f"{measured.window_seconds}s" if measured.window_seconds else None,
        scope=measured.scope if power is not None else None,
        estimated=True if measured.estimated and power is not None else None,
        at=timestamp(measured.at) if measured.at else None,
    )


def _holds(measured: Measured) -> bool:
    return measured.counted.at is not None or measured.rate is not None


def energy_part(counted: Counted | None, previous: EnergyUsed | None) -> EnergyUsed | None:
    """Return the energy of a status; what an earlier process counted stays where this one has nothing."""
    if counted is None or counted.since is None:
        return previous
    return EnergyUsed(
        joules=plain(counted.energy.millijoules, 1000),
        since=timestamp(counted.since),
        unmeasured_seconds=counted.unmeasured_seconds,
        scope=counted.scope,
        at=timestamp(counted.at) if counted.at else None,
    )


def comparison(
    own: Fraction | None, scope: Scope | None, baseline: Baseline | None, figures: Figures
) -> Comparison | str:
    """Compare units per joule with the profile's baseline, or say why that can't be done."""
    if own is None:
        return "units per joule are not known"
    compared = compare(own, scope, baseline)
    if not isinstance(compared, Compared):
        return compared
    return Comparison(
        device=compared.device,
        units_per_joule=four_digits(compared.per_joule) or "0",
        saved_percent=plain(nearest(compared.saved_percent * 10), 10),
        figures=figures,
    )


def measured_verdict(
    measured: Measured | None, previous: Iterable[Condition], compared: Comparison | str | None
) -> Verdict:
    """Say whether the figures of a service are measured now, and if not since when or why."""
    if measured is None:
        return Verdict("Measured", None, "NoTelemetry", NOT_READ)
    if measured.lost is not None:
        return Verdict("Measured", False, str(measured.loss), f"{measured.lost}; {_HOLDS}")
    if measured.counted.at is None and measured.rate is not None:
        why = "its throughput is read, the watts of its NPUs are not"
        return Verdict("Measured", None, "RateOnly", why)
    if measured.counted.at is None:
        return Verdict("Measured", None, "NoReplicas", "it holds no NPU that could be measured")
    if measured.doubt is not None:
        return Verdict("Measured", False, "Implausible", f"{measured.doubt}; {_HOLDS}")
    if measured.power is None:
        return _awaited(previous)
    return _holding(measured, compared)


def total_verdict(measured: Measured, previous: Iterable[Condition]) -> Verdict:
    """Say whether the watts of a budget are measured now."""
    if measured.lost is not None:
        return Verdict("Measured", False, str(measured.loss), f"{measured.lost}; {_HOLDS}")
    if measured.power is None:
        return _awaited(previous)
    return Verdict("Measured", True, "Measured", f"its watts are read ({measured.scope})")


def _holding(measured: Measured, compared: Comparison | str | None) -> Verdict:
    shared = ", shared out by plan where pods share a card or its exporter names none"
    how = "watts are read from its cards" + (shared if measured.estimated else "")
    if measured.rate is None:
        return Verdict("Measured", True, "WattsOnly", f"{how}; its runtime's counters are not read")
    not_compared = f"; not compared: {compared}" if isinstance(compared, str) else ""
    return Verdict("Measured", True, "Measured", how + not_compared)


def _awaited(previous: Iterable[Condition]) -> Verdict:
    """Leave the condition as it was until enough samples are there to tell."""
    before = kept_verdict(previous)
    if before.holds is None:
        return Verdict("Measured", None, "Waiting", "the first samples are awaited")
    return before


def kept_verdict(previous: Iterable[Condition]) -> Verdict:
    """Return the condition as it was written last."""
    before = next((one for one in previous if one.type == "Measured"), None)
    if before is None:
        return Verdict("Measured", None, "NoTelemetry", NOT_READ)
    holds = {"True": True, "False": False}.get(str(before.status))
    return Verdict("Measured", holds, before.reason, before.message)


def four_digits(exact: Fraction | None) -> str | None:
    """Render units per joule to four digits, None where they are not known."""
    if exact is None:
        return None
    scale = 10
    while scale < 10**6 and exact * scale < 1000:
        scale *= 10
    return plain(nearest(exact * scale), scale)


def counted_of(energy: EnergyUsed | None) -> Counted | None:
    """Return what a status says was counted, None where it says nothing that can be read."""
    if energy is None:
        return None
    since, at = read_timestamp(energy.since), read_timestamp(energy.at)
    try:
        joules = Energy.parse(energy.joules)
    except InvalidInput:
        return None
    if since is None or joules.millijoules < 0:
        return None
    return Counted(joules, since, energy.unmeasured_seconds or 0, at, energy.scope)
