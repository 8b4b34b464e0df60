"""What measurements change about planning. Without any, planning goes by what was declared alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kwatt.model.keys import ServiceKey
from kwatt.model.measurements import PointKey
from kwatt.units import Power, Throughput


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
