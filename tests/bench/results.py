"""All that one run of the benchmark found, and which hard requirements it breaks."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field

from bench.applying import Applying
from bench.chaos import Chaos
from bench.load import Size
from bench.offline import Offline
from bench.quiet import Idle, Restart

AIM = 1.5
CALM_CORES = 0.3  # what else may run on the machine while seconds are compared


@dataclass(slots=True)
class Results:
    """What was measured so far."""

    size: Size
    plain: list[Applying] = field(default_factory=list)
    plain_services: list[Applying] = field(default_factory=list)
    kwatt: list[Applying] = field(default_factory=list)
    idle: Idle | None = None
    restart: Restart | None = None
    chaos: Chaos | None = None
    offline: list[Offline] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def ratio(self) -> float | None:
        """Return how much longer KWatt takes than plain Deployments."""
        if not self.plain or not self.kwatt:
            return None
        return median(self.kwatt) / median(self.plain)

    @property
    def others(self) -> float:
        """Return how many cores other programs kept busy, at most over the runs that are compared."""
        return max(run.usage.others / run.seconds for run in (*self.plain, *self.kwatt))


def median(runs: list[Applying]) -> float:
    """Return the median of the seconds from apply to bound."""
    return statistics.median(run.seconds for run in runs)


def median_cpu(runs: list[Applying]) -> float:
    """Return the median of the CPU seconds of control plane, KWOK and operator until all pods are bound."""
    return statistics.median(run.usage.together for run in runs)


def broken(results: Results) -> Iterator[str]:
    """Yield each hard requirement that does not hold, as a sentence."""
    yield from results.failures
    if results.idle is not None and results.idle.writes:
        yield f"idle: {sum(results.idle.writes.values())} writes besides the Lease"
    if results.restart is not None and results.restart.writes:
        yield f"restart: {sum(results.restart.writes.values())} writes over an unchanged cluster"
    if results.chaos is not None:
        yield from _broken_by_chaos(results.chaos)


def _broken_by_chaos(chaos: Chaos) -> Iterator[str]:
    violations = chaos.observed["violations"]
    if violations:
        first = violations[0]
        yield (
            f"caps: {len(violations)} instants above a cap, first {first['budget']}: {first['what']} "
            f"{first['watts']:.0f} W, allowed {first['allowed']:.0f} W, by {first['cause']}"
        )
    yield from (f"observer: {failure}" for failure in chaos.observed["failures"])
    if chaos.unsettled:
        yield f"chaos: {len(chaos.unsettled)} services did not settle: {chaos.unsettled[:5]}"
