"""What measurements change about planning. Without any, planning goes by what was declared alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from kwatt.model.keys import ServiceKey
from kwatt.model.measurements import PointKey
from kwatt.units import NO_POWER, Power, Throughput


@dataclass(frozen=True, slots=True)
class DemandRange:
    """Between which rates a service follows its demand, and how much more than that it wants in percent."""

    least: Throughput
    most: Throughput
    headroom_percent: int


@dataclass(frozen=True, slots=True)
class Following:
    """A service that follows its demand, which is counted in the profile's `unit`.

    `remembered` is the rate in its status when its spec was last read, None where there is none.
    """

    bounds: DemandRange
    unit: str
    remembered: Throughput | None = None


@dataclass(frozen=True, slots=True)
class DeclaredPoint:
    """The watts that a ModelProfile declares of one replica, and the most that its NPUs can draw."""

    power: Power
    most: Power


@dataclass(frozen=True, slots=True)
class Metered:
    """A PowerBudget with enforcement Measured, as it is planned now.

    `cap` is in force, `planned_cap` is planned with but for what is withheld; `headroom` is what the plan left.
    `sheddable` is the most that may be withheld: beyond it nothing could be switched off any more. `reach` is
    what all its NPUs and hosts can draw. For `sustained_ms` the meter must show too much before anything goes,
    for `calm_ms` room before anything comes back. A step takes `settle_ms` until the meter shows it.
    `unmetered` is what its meter leaves out, the declared watts of hosts where it is the sum of cards.
    """

    cap: Power
    planned_cap: Power
    headroom: Power
    sheddable: Power
    reach: Power
    sustained_ms: int
    calm_ms: int
    settle_ms: int
    unmetered: Power = NO_POWER


@dataclass(frozen=True, slots=True)
class Grounds:
    """What feedback is decided from besides measurements: what people declared, and what is planned."""

    services: Mapping[ServiceKey, Following] = field(default_factory=dict)
    points: Mapping[PointKey, DeclaredPoint] = field(default_factory=dict)
    budgets: Mapping[str, Metered] = field(default_factory=dict)


class DriftDirection(StrEnum):
    """How what is measured at a point differs from what is declared."""

    NONE = "AsDeclared"
    MORE = "More"
    LESS = "Less"


class Confidence(StrEnum):
    """Whether enough was measured to plan with it."""

    LOW = "Low"
    HIGH = "High"


@dataclass(frozen=True, slots=True)
class Drift:
    """What was measured at an operating point against what is declared, as it is shown.

    `ratio` is measured / declared in thousandths; `planned` are the watts that are planned with. `seconds`
    are those of replicas that were observed. `beyond`: measured is more than its NPUs can draw by their class.
    """

    declared: Power
    measured: Power
    planned: Power
    ratio: int
    seconds: int
    confidence: Confidence
    direction: DriftDirection = DriftDirection.NONE
    beyond: bool = False


class ExcessReason(StrEnum):
    """What a meter says of its PowerBudget; reasons of conditions."""

    WITHIN_CAP = "WithinCap"
    METER_ABOVE_CAP = "MeterAboveCap"
    WITHHOLDING = "Withholding"
    METER_LOST = "MeterLost"
    METER_IMPLAUSIBLE = "MeterImplausible"


@dataclass(frozen=True, slots=True)
class Excess:
    """What is withheld of a cap and why, in a sentence with the figures that decided."""

    withheld: Power
    reason: ExcessReason
    message: str


WITHIN_CAP = Excess(NO_POWER, ExcessReason.WITHIN_CAP, "the meter shows no more than the cap")


@dataclass(frozen=True, slots=True)
class Feedback:
    """Figures to plan with instead of declared ones.

    `points` are watts of one replica where more was measured than declared. `demands` are the rates of
    services that follow their demand. `withheld` is what a PowerBudget with enforcement Measured must plan
    below its cap, because its meter shows more than its plan. `drifts` and `excesses` are for the statuses.
    """

    points: Mapping[PointKey, Power] = field(default_factory=dict)
    demands: Mapping[ServiceKey, Throughput] = field(default_factory=dict)
    withheld: Mapping[str, Power] = field(default_factory=dict)
    drifts: Mapping[PointKey, Drift] = field(default_factory=dict)
    excesses: Mapping[str, Excess] = field(default_factory=dict)


NO_FEEDBACK = Feedback()
