"""Tables in markdown from results: one per family, medians with the worst of the seeds behind them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.planner.baselines import NAMES
from bench.planner.contest import Contest, Entry, from_json


@dataclass(frozen=True, slots=True)
class Result:
    """What a unit gave; `planner` tells the planner's sources from any other state of them."""

    family: str
    instance: str
    seed: int
    kind: str
    data: dict[str, Any]
    planner: str = ""


Results = Sequence[Result]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a table in markdown with aligned columns."""
    every = [tuple(head), *(tuple(row) for row in rows)]
    widths = [max(len(row[column]) for row in every) for column in range(len(head))]
    lines = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |"
        for row in every
    ]
    return [lines[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *lines[1:]]


def median(values: Iterable[float]) -> float:
    """Return the median, the mean of the two in the middle; 0 of nothing."""
    ordered = sorted(values)
    half = len(ordered) // 2
    if not ordered:
        return 0.0
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def quantile(values: Iterable[float], share: float) -> float:
    """Return the value that `share` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def contests_of(results: Results, family: str) -> dict[str, list[Contest]]:
    """Return the contests of a family by instance, in the order of the results."""
    found: dict[str, list[Contest]] = {}
    for result in results:
        if result.family == family and result.kind == "contest":
            found.setdefault(result.instance, []).append(from_json(result.data))
    return found


def contest_tables(results: Results, family: str) -> Iterator[str]:
    """Yield the plan's table, the table of ratios, and all that is to be known beside each ratio."""
    contests = contests_of(results, family)
    yield from table(_PLAN, (_plan_row(name, runs) for name, runs in contests.items()))
    fought = {name: runs for name, runs in contests.items() if runs[0].entries}
    if not fought:
        return
    yield from _fought_tables(fought)


def _fought_tables(fought: Mapping[str, Sequence[Contest]]) -> Iterator[str]:
    names = [n for n in NAMES if any(_entries(runs, n) for runs in fought.values())]
    yield ""
    yield "Watts of each over ours for the services that both serve in full: median (least)."
    yield ""
    rows = ([name, *(_ratio(_entries(runs, n)) for n in names)] for name, runs in fought.items())
    yield from table(["instance", *names], rows)
    yield ""
    yield "Our served share of all throughput over theirs, under the same caps: median (least)."
    yield ""
    shares = ([name, *(_shares(runs, n) for n in names)] for name, runs in fought.items())
    yield from table(["instance", *names], shares)
    yield ""
    yield "Beside each ratio, medians of the seeds; unserved from the highest to the lowest priority."
    yield ""
    yield from table(_BESIDE, (row for name, runs in fought.items() for row in _beside(name, runs)))


_PLAN = (
    "instance",
    "services, nodes, slices",
    "kW",
    "gap %: median (worst)",
    "unserved by priority, worst seed",
    "served",
    "slots lost",
    "above a cap",
    "plan s",
    "peak MiB (before)",
    "same plan",
    "MIP time / ours",
    "MIP watts / ours",
)


def _plan_row(name: str, runs: Sequence[Contest]) -> list[str]:
    first = runs[0]
    worst = max(runs, key=lambda run: sum(run.unserved.values()))
    return [
        name,
        f"{first.services}, {first.nodes}, {median(r.npus for r in runs):.0f}",
        f"{median(r.watts for r in runs) / 1000:.1f}",
        f"{median(r.gap for r in runs):.2f} ({max(r.gap for r in runs):.2f})",
        _levels(worst.unserved),
        f"{100 * median(r.share for r in runs):.2f} %",
        f"{100 * median(r.slots_lost for r in runs):.2f} %",
        str(sum(r.violations for r in runs)),
        f"{median(median(r.seconds) for r in runs):.2f}" if first.seconds else "",
        f"{max(r.mib for r in runs):.0f} ({max(r.mib_before for r in runs):.0f})"
        if first.mib
        else "",
        _same(runs),
        _mip(runs),
        _mip_watts(runs),
    ]


def _levels(unserved: Mapping[str, int]) -> str:
    return " / ".join(str(count) for count in unserved.values()) if unserved else ""


def _same(runs: Sequence[Contest]) -> str:
    total = sum(run.same[1] for run in runs)
    return f"{sum(run.same[0] for run in runs)} of {total}" if total else ""


def _mip(runs: Sequence[Contest]) -> str:
    """Return the median of the ratios of times; `>` where some came to their limit first."""
    timed = [run for run in runs if run.mip and run.seconds]
    if not timed:
        return ""
    late = sum(run.mip["reached"] is None for run in timed)
    ratio = median(
        (run.mip["seconds"] if run.mip["reached"] is None else run.mip["reached"])
        / median(run.seconds)
        for run in timed
    )
    return f"> {ratio:.1f} ({late} of {len(timed)} not reached)" if late else f"{ratio:.1f}"


def _mip_watts(runs: Sequence[Contest]) -> str:
    """Return the MIP's watts over ours at its time limit."""
    found = [run.mip["watts"] / run.watts for run in runs if run.mip.get("watts")]
    return f"{median(found):.4f}" if found else ""


def _entries(runs: Sequence[Contest], name: str) -> list[Entry]:
    return [entry for run in runs for entry in run.entries if entry.name == name]


def _ratio(entries: Sequence[Entry]) -> str:
    if not entries:
        return ""
    ratios = [entry.ratio for entry in entries]
    return f"{median(ratios):.2f} ({min(ratios):.2f})"


def _shares(runs: Sequence[Contest], name: str) -> str:
    found = [
        run.share / entry.share
        for run in runs
        for entry in run.entries
        if entry.name == name and entry.share
    ]
    return f"{median(found):.2f} ({min(found):.2f})" if found else ""


_ASLEEP = 8.0  # watts of an empty node; assumed, reference section 14
_BESIDE = (
    "instance",
    "who",
    "ratio",
    f"with {_ASLEEP:g} W asleep",
    "all its pods",
    "served by both",
    "unserved",
    "served",
    "replicas",
    "slots lost",
    "above a cap",
    "s",
)


def _beside(name: str, runs: Sequence[Contest]) -> Iterator[list[str]]:
    yield [
        name,
        "KWatt",
        "1",
        "1",
        "1",
        "",
        _levels(_median_levels([run.unserved for run in runs])),
        f"{100 * median(r.share for r in runs):.2f} %",
        f"{median(r.replicas for r in runs):.0f}",
        f"{100 * median(r.slots_lost for r in runs):.1f} %",
        str(sum(r.violations for r in runs)),
        f"{median(median(r.seconds) for r in runs):.1f}" if runs[0].seconds else "",
    ]
    for who in NAMES:
        entries = _entries(runs, who)
        if entries:
            yield [name, who, *_beside_entry(entries, runs)]


def _beside_entry(entries: Sequence[Entry], runs: Sequence[Contest]) -> list[str]:
    every = [entry.watts / run.watts for entry, run in zip(entries, runs, strict=True)]
    return [
        f"{median(e.ratio for e in entries):.2f}",
        f"{median(e.ratio_with(_ASLEEP, runs[0].nodes) for e in entries):.2f}",
        f"{median(every):.2f}",
        f"{median(e.common for e in entries):.0f}",
        _levels(_median_levels([e.unserved for e in entries])),
        f"{100 * median(e.share for e in entries):.2f} %",
        f"{median(e.replicas for e in entries):.0f}",
        f"{100 * median(e.slots_lost for e in entries):.1f} %",
        str(sum(e.violations for e in entries)),
        f"{median(e.seconds for e in entries):.1f}",
    ]


def _median_levels(found: Sequence[Mapping[str, int]]) -> dict[str, int]:
    return {level: round(median(one[level] for one in found)) for level in found[0]}
