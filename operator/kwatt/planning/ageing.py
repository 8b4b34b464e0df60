"""When what stands is out of date: what a plan of everything, or new prices, would mend by now."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from kwatt.planning.bins import Bins
from kwatt.planning.columns import SCALE
from kwatt.planning.draft import Holding
from kwatt.planning.tidying import runs

if TYPE_CHECKING:
    from kwatt.planning.standing import Standing

REGRETTED: Final = 1000  # part of the draw that services may pay more than for what they want
LEAST_STEPS: Final = 100  # between two plans of everything that only lower the draw
OUTDATED_AFTER: Final = 500  # steps after which a plan of everything draws less if most may move
REPRICED_AFTER: Final = 1000  # steps after which prices are found anew: by then demand is another


def is_outdated(standing: Standing, steps: int) -> bool:
    """Tell whether a plan of everything would draw less, so many steps after the last one.

    It can where services of which nothing runs found no room for what they want: what they pay more all
    together is about what such a plan saves. No regret counts what nodes that are partly used draw for
    nothing: that grows with the steps, and a plan of everything saves it where most may still move.
    """
    if steps < LEAST_STEPS:
        return False
    if standing.displaced.regret * REGRETTED > standing.drawn * SCALE:
        return True
    return steps >= OUTDATED_AFTER and 2 * _movable(standing) >= len(standing.services)


def _movable(standing: Standing) -> int:
    return sum(not runs(service) for service in standing.services.values())


def drawn_by_services(bins: Bins, holdings: Iterable[Holding]) -> int:
    """Return the milliwatts that services draw, without NPUs that are idle and draw all the same."""
    held = list(holdings)
    nodes = {number for holding in held for number, _ in holding.counts}
    busy = sum(one.option.cost(one.replicas) for one in held if one.option) // 1000
    return busy + sum(bins.opening[number] for number in nodes)
