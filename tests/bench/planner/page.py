"""docs/benchmarks-planner.md from results."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

from bench.planner.goals import goals_table
from bench.planner.openb import all_pods, rounding_loss
from bench.planner.replay_tables import day_table, latency_table, steps_table, sticky_table
from bench.planner.tables import Results, contest_tables, table
from bench.processes import machine

_INTRODUCTION = Path(__file__).parent / "introduction.md"
_JUDGED = """\
The goals, each judged by the worst of its results (instances and seeds). What has no row was not measured in
this run. That equal input gives the same plan in every Python is measured [apart](benchmarks.md#same-plan).
The goals on MostAllocated lie [above what any plan can reach](adr/0010-ceilings-of-the-ratios.md) on seed 1."""


def page(results: Results, run: Mapping[str, str], plots: Mapping[str, str]) -> str:
    """Return the whole page; `run` says what was run."""
    facts = {
        "date": time.strftime("%Y-%m-%d"),
        **machine(),
        **{name: version(name) for name in ("numpy", "highspy")},
        **run,
    }
    about = table(("machine and versions", ""), [(key, str(value)) for key, value in facts.items()])
    text = _INTRODUCTION.read_text(encoding="utf-8")
    text = text.replace("ROUNDING_LOSS", f"{100 * rounding_loss(all_pods()):.1f} %")
    head, _, rest = text.partition("<!-- results -->\n")
    tables = [*about, "", _JUDGED, "", *goals_table(results), "", *body(results)]
    shown = "\n".join(["## Results", "", *tables, "", *_shown(plots)])
    return f"{head}{shown}\n{rest}"


def body(results: Results) -> Iterator[str]:
    """Yield the tables of all families that have results."""
    for family in dict.fromkeys(result.family for result in results):
        kinds = {result.kind for result in results if result.family == family}
        yield f"### {family[0].upper()}{family[1:]}"
        yield ""
        if "contest" in kinds:
            yield from contest_tables(results, family)
        elif "day" in kinds:
            yield from day_table(results)
        elif "sticky" in kinds:
            yield from sticky_table(results)
        elif "steps" in kinds:
            yield from steps_table(results)
        else:
            yield from latency_table(results)
        yield ""


def _shown(plots: Mapping[str, str]) -> Iterator[str]:
    if plots:
        yield "### Plots"
        yield ""
    for name in plots:
        title = name.removesuffix(".svg").replace("-", " ")
        yield f"![{title}](plots/{name})"
        yield ""
