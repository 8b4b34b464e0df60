"""The rate of a service that follows its demand: up at once, down slowly, held while nobody tells.

    wanted = (arrivals + waiting / DRAIN_SECONDS) x (1 + headroom), rounded up, within the service's bounds

What was asked for counts, not what a saturated service happened to serve. Where the runtime only counts what
it served, nobody can tell the one from the other: then the headroom is at least HEADROOM_UNTOLD_PERCENT, and a
service that serves SATURATED_PERCENT of its rate is taken for saturated and grows by GROWTH_PERCENT.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from kwatt.model.feedback import DemandRange
from kwatt.model.measurements import Demand
from kwatt.units import Throughput, ceiling

# as `stabilizationWindowSeconds` of a HorizontalPodAutoscaler that scales down, and its tolerance
# https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#stabilization-window
STABLE_MS: Final = 300_000
TOLERANCE_PERCENT: Final = 10
# assumptions
DRAIN_SECONDS: Final = 60
HEADROOM_UNTOLD_PERCENT: Final = (
    20  # so that without saturation less than SATURATED_PERCENT is served
)
SATURATED_PERCENT: Final = 90
GROWTH_PERCENT: Final = 50
_FINE, _COARSE = (
    20,
    50,
)  # of the first two digits: below and from there on steps are finer and coarser
COUNTED_AS_REQUESTS: Final = frozenset({"requests", "images", "samples"})


@dataclass(frozen=True, slots=True)
class Followed:
    """The rate planned for, and what was wanted since it could have been lowered.

    `peaks` are instants in milliseconds and wanted micro-units per second; later ones are lower. `since` is
    from when on demand was told without a gap, None while it is not.
    """

    target: Throughput
    since: int | None = None
    peaks: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked of a service and what it served, in the profile's `unit`; None is unknown."""

    unit: str
    demand: Demand
    served: Throughput | None = None


def follow(
    before: Followed | None, asked: Asked | None, bounds: DemandRange, now_ms: int
) -> Followed | None:
    """Return what to plan for from `now_ms` on; None until demand was told for the first time.

    `asked` is None where demand is not known: then the last rate holds, and nothing is lowered before it was
    told again for STABLE_MS.
    """
    target = _within(before.target, bounds).micros if before else bounds.most.micros
    wanted = _wanted(asked, target, bounds) if asked else None
    if wanted is None:
        return Followed(Throughput(target)) if before else None
    since = before.since if before and before.since is not None else now_ms
    recent = before.peaks if before and before.since is not None else ()
    peaks = _peaks(recent, now_ms, wanted)
    highest = peaks[0][1]
    if wanted > target:
        return Followed(Throughput(wanted), since, peaks)
    if now_ms - since >= STABLE_MS and _is_less(highest, target):
        return Followed(Throughput(highest), since, peaks)
    return Followed(Throughput(target), since, peaks)


def _wanted(asked: Asked, target: int, bounds: DemandRange) -> int | None:
    """Return the rate that the demand of this moment wants, in millionths, within the bounds."""
    demand = asked.demand
    percent = 100 + bounds.headroom_percent
    if demand.arrivals is not None:
        base = max(0, demand.arrivals.micros) + _drain(asked)
    elif asked.served is not None:
        percent = max(percent, 100 + HEADROOM_UNTOLD_PERCENT)
        base = _untold(asked, max(0, asked.served.micros), target)
    else:
        return None
    wanted = _rounded_up(ceiling(base * percent, 100))
    return min(max(wanted, bounds.least.micros), bounds.most.micros)


def _drain(asked: Asked) -> int:
    """Return the rate that works the queue off, 0 where a request is no unit."""
    if asked.unit not in COUNTED_AS_REQUESTS:
        return 0
    return ceiling(max(0, asked.demand.waiting or 0) * 10**6, DRAIN_SECONDS)


def _untold(asked: Asked, served: int, target: int) -> int:
    """Return the demand at least, where only what was served is known."""
    queue_is_empty = asked.demand.waiting == 0
    if queue_is_empty or served * 100 < target * SATURATED_PERCENT:
        return served + _drain(asked)
    return max(ceiling(served * (100 + GROWTH_PERCENT), 100), served + _drain(asked))


def _rounded_up(micros: int) -> int:
    """Round up to two digits and a half, so that noise is no change: 1, 1.05, ... 2, 2.1, ... 5, 5.2, ..."""
    unit: int = 10 ** max(0, len(str(micros)) - 2)
    first = micros // unit
    halves = 1 if first < _FINE else 2 if first < _COARSE else 4
    step = max(1, unit * halves // 2)
    return ceiling(micros, step) * step


def _peaks(
    before: tuple[tuple[int, int], ...], now_ms: int, wanted: int
) -> tuple[tuple[int, int], ...]:
    """Keep what may be the highest of the last STABLE_MS at some later time."""
    kept = (one for one in before if one[0] > now_ms - STABLE_MS and one[1] > wanted)
    return (*kept, (now_ms, wanted))


def _is_less(highest: int, target: int) -> bool:
    return highest * 100 <= target * (100 - TOLERANCE_PERCENT)


def _within(rate: Throughput, bounds: DemandRange) -> Throughput:
    return min(max(rate, bounds.least), bounds.most)
