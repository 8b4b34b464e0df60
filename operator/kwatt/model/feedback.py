"""What measurements change about planning. Without any, planning goes by what was declared alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kwatt.model.keys import ServiceKey
from kwatt.model.measurements import PointKey
from kwatt.units import Power, Throughput


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
class Grounds:
    """What feedback is decided from besides measurements: what people declared, and what is planned."""

    services: Mapping[ServiceKey, Following] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Feedback:
    """Figures to plan with instead of declared ones.

    `points` are watts of one replica where more was measured than declared. `demands` are the rates of
    services that follow their demand. `withheld` is what a PowerBudget with enforcement Measured must plan
    below its cap, because its meter shows more than its plan.
    """

    points: Mapping[PointKey, Power] = field(default_factory=dict)
    demands: Mapping[ServiceKey, Throughput] = field(default_factory=dict)
    withheld: Mapping[str, Power] = field(default_factory=dict)


NO_FEEDBACK = Feedback()
