"""The plots that docs show: ratio of power against load, gap against size, time against size."""

from __future__ import annotations

from collections.abc import Iterable

from bench.planner.baselines import NAMES
from bench.planner.contest import Contest
from bench.planner.svg import Line, Plot, render
from bench.planner.synthetic import SHAPES
from bench.planner.tables import Results, contests_of, median

_Found = dict[tuple[str, int], list[Contest]]  # by shape and load


def plots_of(results: Results) -> dict[str, str]:
    """Return the plots that the results have figures for, by file name."""
    loose, tight = _by_load(results, "synthetic"), _by_load(results, "tight racks")
    plots = {
        "gap-by-size.svg": _by_size("Gap to the bound, load 30 %", "gap, %", loose, tight),
        "time-by-size.svg": _times(loose, tight),
    }
    for shape in sorted({shape for shape, _ in loose}):
        plots[f"power-by-load-{shape}.svg"] = _power(shape, loose)
    return {name: render(plot) for name, plot in sorted(plots.items()) if plot.lines}


def _by_load(results: Results, family: str) -> _Found:
    found: _Found = {}
    for name, runs in contests_of(results, family).items():
        shape, _, load = name.split("-")
        found[shape, int(load)] = runs
    return found


def _power(shape: str, found: _Found) -> Plot:
    """Draw watts at equal served load over ours; ours is 1."""
    lines = []
    loads = sorted(load for name, load in found if name == shape)
    for who in NAMES:
        points = [(float(load), _ratio(found[shape, load], who)) for load in loads]
        known = tuple((load, ratio) for load, ratio in points if ratio is not None)
        if known:
            lines.append(Line(who, known))
    if lines:
        lines.insert(0, Line("KWatt", tuple((float(load), 1.0) for load in loads)))
    title = f"Watts over KWatt's at equal served load, {shape}"
    return Plot(title, "load, % of slices", "ratio", tuple(lines))


def _ratio(runs: Iterable[Contest], who: str) -> float | None:
    ratios = [entry.ratio for run in runs for entry in run.entries if entry.name == who]
    return median(ratios) if ratios else None


def _sizes(*found: _Found) -> list[tuple[float, str]]:
    known = {shape for one in found for shape, load in one if load == 30}
    names = [shape.name for shape in SHAPES if shape.name in known]
    return [(float(number), name) for number, name in enumerate(names)]


def _by_size(title: str, y: str, loose: _Found, tight: _Found) -> Plot:
    sizes = _sizes(loose, tight)
    lines = []
    for word, found in (("loose caps", loose), ("tight racks", tight)):
        runs = [(at, found[name, 30]) for at, name in sizes if (name, 30) in found]
        if runs:
            lines.append(
                Line(f"{word}, median", tuple((at, median(r.gap for r in g)) for at, g in runs))
            )
            lines.append(
                Line(f"{word}, worst", tuple((at, max(r.gap for r in g)) for at, g in runs))
            )
    return Plot(title, "services x classes x nodes", y, tuple(lines), tuple(sizes))


def _times(loose: _Found, tight: _Found) -> Plot:
    sizes = _sizes(loose, tight)
    lines = []
    for word, found in (("KWatt, loose", loose), ("KWatt, tight", tight)):
        runs = [(at, found[name, 30]) for at, name in sizes if (name, 30) in found]
        points = [(at, median(median(r.seconds) for r in g)) for at, g in runs if g[0].seconds]
        if points:
            lines.append(Line(word, tuple(points)))
    lines += _baseline_times(sizes, loose)
    title = "Seconds to plan from nothing, load 30 %"
    return Plot(title, "services x classes x nodes", "s", tuple(lines), tuple(sizes), log_y=True)


def _baseline_times(sizes: Iterable[tuple[float, str]], loose: _Found) -> list[Line]:
    lines = []
    for who in ("MostAllocated", "PWR", "FGD", "GreedyJ"):
        points = []
        for at, name in sizes:
            runs = loose.get((name, 30), [])
            seconds = [e.seconds for run in runs for e in run.entries if e.name == who]
            if seconds:
                points.append((at, median(seconds)))
        if points:
            lines.append(Line(who, tuple(points)))
    return lines
