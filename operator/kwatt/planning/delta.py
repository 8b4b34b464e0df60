"""What a step changed: holdings before and after."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from kwatt.model.keys import ServiceKey
from kwatt.planning.draft import Holding


class Delta(NamedTuple):
    """Holdings of the services that a step touched, before and after; None where there are none.

    `is_covered` is False where somebody would be short, or could stay only by a closer look: then
    nothing was changed, and everything has to be planned.
    """

    before: Mapping[ServiceKey, Holding | None] = {}
    after: Mapping[ServiceKey, Holding | None] = {}
    is_covered: bool = True

    @property
    def starts(self) -> int:
        """Return how many replicas start."""
        return sum(
            started(self.before[key], holding) for key, holding in self.after.items() if holding
        )


NOT_COVERED = Delta(is_covered=False)


def started(before: Holding | None, after: Holding) -> int:
    """Return how many replicas of a holding did not run before where they run now."""
    if before is None or before.demand.variant != after.demand.variant:
        return after.replicas
    ran = dict(before.counts)
    return sum(max(0, count - ran.get(number, 0)) for number, count in after.counts)
