"""The families: what is run on which instances, in units that can be run one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Final

from bench.planner.baselines import NAMES
from bench.planner.changes import with_cluster_cap
from bench.planner.contest import Rules, as_json, contest
from bench.planner.instances import instance
from bench.planner.replanning import node_lost, one_change, sticky
from bench.planner.replay import events_of, replay_baseline, replay_kwatt
from bench.planner.stepping import CHANGES, LOSSES, stepping
from bench.planner.stepping import as_json as as_plain

Data = dict[str, Any]
ALL: Final = Rules(NAMES, repeat=5, shuffles=3, mip_seconds=30)
STRONG: Final = Rules(
    tuple(n for n in NAMES if n not in ("RoundRobin", "Random")),
    repeat=5,
    shuffles=3,
    mip_seconds=120,
)
ALONE: Final = Rules((), repeat=5, shuffles=3)
QUICK: Final = Rules(NAMES, repeat=3, shuffles=2, mip_seconds=3)
MANY_SHUFFLES: Final = 20
SMALL: Final = ("100x5x100", "1kx10x1k")
LARGE: Final = ("1kx10x5k", "10kx10x5k", "10kx20x5k")
LOADS: Final = (20, 30, 40)
PERCENT: Final = (0.1, 1.0, 10.0)
CUTS: Final = ((30, 0.7), (55, 0.45))


@dataclass(frozen=True, slots=True)
class Unit:
    """One thing to run; `kind` says what its data is: contest, day, sticky, latency or steps."""

    family: str
    instance: str
    seed: int
    kind: str
    run: Callable[[], Data]

    @property
    def key(self) -> str:
        """Return what tells it from all others."""
        return f"{self.family}/{self.instance}/{self.seed}"


def units(seeds: int) -> Iterator[Unit]:
    """Return all units, the quick families first."""
    for seed in range(1, seeds + 1):
        for stem in ("openb-npus", "openb"):
            yield from (_contest("openb", f"{stem}-{p}", seed, ALL) for p in (30, 60, 100))
        yield from (_contest("always-on", f"{n}-idle", seed, ALL) for n in _ALWAYS_ON)
        yield from _synthetic("synthetic", "loose", SMALL, seed)
        yield from _synthetic("tight racks", "tight", ("1kx10x1k",), seed)
        yield from _brown_out("1kx10x1k-loose-40", seed, ALL)
        yield _day("1kx10x1k-loose-20", seed, 96)
        yield from _changes("1kx10x1k-loose-30", seed, 50)
    for seed in range(1, seeds + 1):
        yield _steps("10kx10x5k-loose-30", seed, CHANGES, LOSSES)
        yield from _synthetic("synthetic", "loose", LARGE, seed)
        yield from _synthetic("tight racks", "tight", ("10kx10x5k",), seed)
        yield from _brown_out("10kx10x5k-loose-40", seed, replace(STRONG, mip_seconds=0))
        yield from _changes("10kx10x5k-loose-30", seed, 20)


def quick_units(seeds: int) -> Iterator[Unit]:
    """Return a small unit of every family."""
    few = Rules(("LeastAllocated", "PWR", "GreedyJ"), repeat=1, shuffles=0, mip_seconds=0)
    for seed in range(1, seeds + 1):
        yield _contest("openb", "openb-npus-30", seed, few)
        yield _contest("openb", "openb-30", seed, few)
        yield _contest("always-on", "100x5x100-loose-30-idle", seed, QUICK)
        for load in LOADS:
            yield _contest("synthetic", f"100x5x100-loose-{load}", seed, QUICK)
        yield _contest("tight racks", "100x5x100-tight-30", seed, QUICK)
        yield from _brown_out("100x5x100-loose-40", seed, QUICK)
        yield _day("100x5x100-loose-20", seed, 24)
        yield from _changes("100x5x100-loose-30", seed, 10)
        yield _steps("100x5x100-loose-30", seed, 100, 20)


_ALWAYS_ON: Final = ("openb-60", "1kx10x1k-loose-30")


def _synthetic(family: str, caps: str, shapes: tuple[str, ...], seed: int) -> Iterator[Unit]:
    """Return the loads of each shape; large ones have baselines at one load only, which takes long enough."""
    for shape in shapes:
        for load in LOADS:
            large = STRONG if load == 30 else ALONE
            rules = ALL if shape in SMALL else large
            if shape == SMALL[0]:
                rules = replace(rules, shuffles=MANY_SHUFFLES)
            yield _contest(family, f"{shape}-{caps}-{load}", seed, rules)


def _brown_out(name: str, seed: int, rules: Rules) -> Iterator[Unit]:
    for percent, factor in CUTS:
        run = partial(_run_brown_out, name, seed, factor, rules)
        yield Unit("brown-out", f"{name} -{percent} %", seed, "contest", run)


def _run_brown_out(name: str, seed: int, factor: float, rules: Rules) -> Data:
    snapshot = with_cluster_cap(instance(name, seed), factor)
    return as_json(contest(f"{name} -{round(100 - 100 * factor)} %", seed, snapshot, rules))


def _contest(family: str, name: str, seed: int, rules: Rules) -> Unit:
    return Unit(family, name, seed, "contest", partial(_run_contest, name, seed, rules))


def _run_contest(name: str, seed: int, rules: Rules) -> Data:
    return as_json(contest(name, seed, instance(name, seed), rules))


def _day(name: str, seed: int, steps: int) -> Unit:
    return Unit("replayed day", name, seed, "day", partial(_run_day, name, seed, steps))


def _run_day(name: str, seed: int, steps: int) -> Data:
    snapshot = instance(name, seed)
    events = events_of(snapshot, steps, seed)
    days = [replay_kwatt(snapshot, events)]
    days += [replay_baseline(n, snapshot, events, seed) for n in ("PWR", "FGD", "PWR+FGD")]
    return {"changes": sum(map(len, events)), "days": [asdict(day) for day in days]}


def _changes(name: str, seed: int, count: int) -> Iterator[Unit]:
    for percent in PERCENT:
        run = partial(_run_sticky, name, seed, percent)
        yield Unit("sticky", f"{name} {percent:g} %", seed, "sticky", run)
    for what, change in (("one service changed", one_change), ("node lost", node_lost)):
        run = partial(_run_latency, name, seed, count, change)
        yield Unit("latency", f"{name} {what}", seed, "latency", run)


def _steps(name: str, seed: int, changes: int, losses: int) -> Unit:
    run = partial(_run_steps, name, seed, changes, losses)
    return Unit("step by step", name, seed, "steps", run)


def _run_steps(name: str, seed: int, changes: int, losses: int) -> Data:
    return as_plain(stepping(instance(name, seed), seed, changes, losses))


def _run_sticky(name: str, seed: int, percent: float) -> Data:
    return asdict(sticky(instance(name, seed), percent, seed))


def _run_latency(name: str, seed: int, count: int, change: Callable[..., Any]) -> Data:
    return asdict(change(instance(name, seed), count, seed))
