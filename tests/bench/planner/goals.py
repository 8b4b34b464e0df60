"""The goals of the planner beside what was measured: the first table of docs/benchmarks-planner.md.

Each goal is judged by the worst of its instances and seeds. A goal without results has no row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bench.planner.contest import Contest, from_json
from bench.planner.replay_tables import joules_per_unit
from bench.planner.tables import Results, median, quantile, table

Values = Callable[[Results], Iterable[float]]
OPENB, OPENB_30 = "openb-npus-100", "openb-npus-30"
LARGE, CLASSES, MIDDLE, SMALL = "10kx10x5k", "10kx20x5k", "1kx10x1k", "100x5x100"


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure with its bound, which is `most` or `least`. `values` finds one for each instance and seed."""

    what: str
    values: Values
    most: float | None = None
    least: float | None = None
    unit: str = ""
    digits: int = 2

    def row(self, results: Results) -> tuple[str, ...] | None:
        """Return the goal's line of the table, None where nothing was measured."""
        found = list(self.values(results))
        if not found:
            return None
        if self.most is not None:
            worst = max(found)
            met, bound = worst <= self.most, f"at most {self.most:g}{self.unit}"
        else:
            assert self.least is not None
            worst = min(found)
            met, bound = worst >= self.least, f"at least {self.least:g}{self.unit}"
        middle = f"{self._as_text(median(found))} ({self._as_text(worst)})"
        return self.what, str(len(found)), middle, bound, "met" if met else "**missed**"

    def _as_text(self, value: float) -> str:
        return f"{value:.{self.digits}f}{self.unit}"


def goals_table(results: Results) -> list[str]:
    """Return the table of all goals with results."""
    head = ("goal", "results", "median (worst)", "must be", "")
    return table(head, [row for goal in GOALS if (row := goal.row(results))])


def _contests(results: Results, family: str, stem: str) -> Iterator[Contest]:
    for one in results:
        if one.kind == "contest" and one.family == family and one.instance.startswith(stem):
            yield from_json(one.data)


def _ratios(instance: str, *names: str) -> Values:
    """Return what finds the watts of some baselines over ours, at equal served load."""
    return lambda results: [
        entry.ratio
        for contest in _contests(results, "openb", instance)
        for entry in contest.entries
        if entry.name in names
    ]


def _of(family: str, stem: str, figure: Callable[[Contest], float]) -> Values:
    return lambda results: [figure(contest) for contest in _contests(results, family, stem)]


def _gap(family: str, stem: str) -> Values:
    return _of(family, stem, lambda contest: contest.gap)


def _slower(results: Results) -> Iterator[float]:
    """Yield how often the plan's time fits into the solver's until it is as good, or gives up."""
    for contest in _contests(results, "synthetic", f"{LARGE}-loose"):
        if contest.mip and contest.seconds:
            reached = contest.mip["reached"]
            taken = contest.mip["seconds"] if reached is None else reached
            yield taken / median(contest.seconds)


def _served(results: Results) -> Iterator[float]:
    """Yield our served share over each baseline's in a brown-out."""
    for contest in _contests(results, "brown-out", ""):
        yield from (contest.share / entry.share for entry in contest.entries if entry.share)


def _data(results: Results, kind: str) -> Iterator[dict[str, Any]]:
    return (result.data for result in results if result.kind == kind)


def _step(what: str, figure: Callable[[dict[str, Any]], float | None]) -> Values:
    """Return what finds a figure of the steps whose name begins with `what`."""
    return lambda results: [
        value
        for data in _data(results, "steps")
        for step in data["steps"]
        if step["what"].startswith(what)
        if (value := figure(step)) is not None
    ]


def _p99_ms(step: dict[str, Any]) -> float:
    return 1000 * quantile(step["seconds"], 0.99)


def _starts_per_lost(step: dict[str, Any]) -> float | None:
    return step["starts"] / step["lost"] if step["lost"] else None


def _starts(percent: float) -> Values:
    """Return what finds the starts of the sticky plan in percent of those of a plan from nothing."""
    return lambda results: [
        100 * data["starts"] / data["fresh_starts"]
        for data in _data(results, "sticky")
        if data["percent"] == percent and data["fresh_starts"]
    ]


def _starts_over_own(results: Results) -> Iterator[float]:
    """Yield the starts of the sticky plan over those of the services that changed themselves."""
    for data in _data(results, "sticky"):
        if data["own_starts"]:
            yield data["starts"] / data["own_starts"]


def _above_fresh(results: Results) -> Iterator[float]:
    """Yield the draw of the sticky plan above that of a plan from nothing, in percent."""
    for data in _data(results, "sticky"):
        yield 100 * (data["watts"] / data["fresh_watts"] - 1)


def _day_joules(who: str) -> Values:
    """Return what finds the joules per unit served that a baseline takes for each of ours, starts charged."""
    return lambda results: [
        joules_per_unit(day) / joules_per_unit(data["days"][0])
        for data in _data(results, "day")
        for day in data["days"]
        if day["name"] == who
    ]


def _day_violations(results: Results) -> Iterator[float]:
    return (data["days"][0]["violations"] for data in _data(results, "day"))


def _violations(results: Results) -> Iterator[float]:
    return (result.data["violations"] for result in results if result.kind == "contest")


def _watts(what: str, instance: str, least: float, *names: str) -> Goal:
    return Goal(f"watts of {what} over ours, {instance}", _ratios(instance, *names), least=least)


def _gaps(what: str, family: str, stem: str, most: float) -> Goal:
    return Goal(f"gap, {what}", _gap(family, stem), most=most, unit=" %")


GOALS: Final[Sequence[Goal]] = (
    _watts("LeastAllocated", OPENB, 1.4, "LeastAllocated"),
    _watts("MostAllocated", OPENB, 1.35, "MostAllocated"),
    _watts("LeastAllocated", OPENB_30, 2.4, "LeastAllocated"),
    _watts("MostAllocated", OPENB_30, 1.8, "MostAllocated"),
    _watts("FGD, PWR and PWR+FGD", OPENB, 1.3, "FGD", "PWR", "PWR+FGD"),
    _watts("GreedyJ", OPENB, 1.2, "GreedyJ"),
    _gaps(f"loose caps, {LARGE}", "synthetic", f"{LARGE}-loose", 0.3),
    _gaps(f"loose caps, {CLASSES}", "synthetic", f"{CLASSES}-loose", 0.5),
    _gaps(f"loose caps, {MIDDLE}", "synthetic", f"{MIDDLE}-loose", 0.8),
    _gaps(f"loose caps, {SMALL}", "synthetic", f"{SMALL}-loose", 4.0),
    _gaps(f"tight racks, {LARGE}", "tight racks", f"{LARGE}-tight", 1.5),
    Goal(
        f"cold plan, loose caps, {LARGE}",
        _of("synthetic", f"{LARGE}-loose", lambda contest: median(contest.seconds)),
        most=1.0,
        unit=" s",
    ),
    Goal(
        f"peak memory, loose caps, {LARGE}",
        _of("synthetic", f"{LARGE}-loose", lambda contest: contest.mib),
        most=256,
        unit=" MiB",
        digits=0,
    ),
    Goal(f"time of HiGHS MIP over ours, {LARGE}", _slower, least=50, digits=0),
    Goal("one change, p99", _step("a service changed", _p99_ms), most=1, unit=" ms"),
    Goal("node lost, p99", _step("a node lost", _p99_ms), most=5, unit=" ms"),
    Goal("starts over replicas lost", _step("a node lost", _starts_per_lost), most=1.05),
    *(
        Goal(
            f"draw above a fresh plan after 10,000 changes, {who} runs",
            _step(f"a service changed, {who} runs", lambda step: step["drift"]),
            most=0.3,
            unit=" %",
        )
        for who in ("nothing", "all")
    ),
    *(
        Goal(f"starts, sticky over fresh, {p:g} % changed", _starts(p), most=p, unit=" %")
        for p in (0.1, 1.0, 10.0)
    ),
    Goal("starts, sticky over the changed services' own (stretch)", _starts_over_own, most=1.2),
    Goal("draw of a sticky plan above a fresh one", _above_fresh, most=0.1, unit=" %"),
    Goal("states above a cap, replayed day", _day_violations, most=0, digits=0),
    Goal("joules per unit, PWR over ours, replayed day", _day_joules("PWR"), least=1.333),
    Goal("joules per unit, FGD over ours, replayed day", _day_joules("FGD"), least=1.429),
    Goal("served in a brown-out, ours over each baseline", _served, least=1.2),
    Goal(
        f"slots lost, loose caps, {MIDDLE}",
        _of("synthetic", f"{MIDDLE}-loose", lambda contest: 100 * contest.slots_lost),
        most=1,
        unit=" %",
    ),
    Goal(
        f"slots lost, loose caps, {LARGE}",
        _of("synthetic", f"{LARGE}-loose", lambda contest: 100 * contest.slots_lost),
        most=1,
        unit=" %",
    ),
    Goal("plans above a cap", _violations, most=0, digits=0),
)
