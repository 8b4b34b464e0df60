"""Tables of what happens over time: replayed days, planning again, single changes, step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.planner.tables import Results, median, quantile, table


def _grouped(results: Results, kind: str) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for result in results:
        if result.kind == kind:
            found.setdefault(result.instance, []).append(result.data)
    return found


def day_table(results: Results) -> list[str]:
    """Return the table of replayed days."""
    rows = []
    for name, runs in _grouped(results, "day").items():
        for number, first in enumerate(runs[0]["days"]):
            days = [run["days"][number] for run in runs]
            ours = [run["days"][0] for run in runs]
            rows.append(_day_row(name, first["name"], days, ours))
    head = (
        "instance",
        "who",
        "J per unit served / ours: median (least)",
        "kWh",
        "of them starts",
        "starts",
        "served",
        "short, % of service x steps",
        "below need in between",
        "states checked",
        "above a cap",
    )
    return table(head, rows)


def _day_row(name: str, who: str, days: Sequence[Any], ours: Sequence[Any]) -> list[str]:
    ratios = [
        joules_per_unit(day) / joules_per_unit(our) for day, our in zip(days, ours, strict=True)
    ]
    total = median(day["joules"] + day["start_joules"] for day in days)
    return [
        name,
        who,
        f"{median(ratios):.3f} ({min(ratios):.3f})",
        f"{total / 3.6e6:.1f}",
        f"{median(day['start_joules'] for day in days) / 3.6e6:.2f}",
        f"{median(day['starts'] for day in days):.0f}",
        f"{100 * median(day['served'] / day['wanted'] for day in days):.2f} %",
        f"{median(100 * day['short'] / _service_steps(day) for day in days):.2f}",
        f"{median(day['dips'] for day in days):.0f}",
        f"{sum(day['states'] for day in days)}",
        f"{sum(day['violations'] for day in days)}",
    ]


def joules_per_unit(day: Mapping[str, float]) -> float:
    """Return the joules of a replayed day per unit served, starts included."""
    return (day["joules"] + day["start_joules"]) / day["served"]


def _service_steps(day: Mapping[str, int]) -> int:
    return max(1, day["steps"] * day["services"])


def sticky_table(results: Results) -> list[str]:
    """Return the table of plans with and without what runs."""
    head = (
        "instance and part changed",
        "replicas",
        "starts: median (worst)",
        "of the changed",
        "starts, from nothing",
        "fewer",
        "watts / from nothing",
        "served in full, from nothing",
        "s, from nothing",
        "above a cap",
    )
    return table(head, (_sticky_row(*item) for item in _grouped(results, "sticky").items()))


def _sticky_row(name: str, runs: Sequence[Any]) -> list[str]:
    def of(key: str) -> float:
        return median(run[key] for run in runs)

    fewer = median(100 * (1 - r["starts"] / max(1, r["fresh_starts"])) for r in runs)
    return [
        name,
        f"{of('replicas'):.0f}",
        f"{of('starts'):.0f} ({max(r['starts'] for r in runs)})",
        f"{of('own_starts'):.0f}",
        f"{of('fresh_starts'):.0f}",
        f"{fewer:.2f} %",
        f"{median(r['watts'] / r['fresh_watts'] for r in runs):.4f}",
        f"{of('whole'):.0f}, {of('fresh_whole'):.0f}",
        f"{of('seconds'):.2f}, {of('fresh_seconds'):.2f}",
        str(sum(r["violations"] for r in runs)),
    ]


def latency_table(results: Results) -> list[str]:
    """Return the table of single changes."""
    head = (
        "instance and change",
        "changes",
        "p50 ms",
        "p99 ms",
        "starts: mean",
        "most",
        "starts / lost",
        "above a cap",
    )
    return table(head, (_latency_row(*item) for item in _grouped(results, "latency").items()))


def _latency_row(name: str, runs: Sequence[Any]) -> list[str]:
    seconds = [value for run in runs for value in run["seconds"]]
    starts = [value for run in runs for value in run["starts"]]
    lost = sum(run["lost"] for run in runs)
    return [
        name,
        str(len(seconds)),
        f"{1000 * median(seconds):.1f}",
        f"{1000 * quantile(seconds, 0.99):.1f}",
        f"{sum(starts) / max(1, len(starts)):.1f}",
        str(max(starts, default=0)),
        f"{sum(starts) / lost:.2f}" if lost else "",
        str(sum(run["violations"] for run in runs)),
    ]


def steps_table(results: Results) -> list[str]:
    """Return the table of steps: percentiles over all seeds, drifts as the median with the worst."""
    head = (
        "instance",
        "step",
        "steps",
        "p50 ms",
        "p99 ms",
        "most ms",
        "starts: mean",
        "starts / lost",
        "above a fresh plan: median (worst)",
        "all planned or priced anew",
        "not covered",
    )
    rows = []
    for name, runs in _grouped(results, "steps").items():
        for number in range(len(runs[0]["steps"])):
            rows.append(_steps_row(name, [run["steps"][number] for run in runs]))
    return table(head, rows)


def _steps_row(name: str, runs: Sequence[Any]) -> list[str]:
    seconds = [value for run in runs for value in run["seconds"]]
    starts, lost = sum(run["starts"] for run in runs), sum(run["lost"] for run in runs)
    drifts = [run["drift"] for run in runs if run["drift"] is not None]
    repricing = [value for run in runs for value in run["repricing"]]
    return [
        name,
        runs[0]["what"],
        str(len(seconds)),
        *(f"{1000 * quantile(seconds, share):.2f}" for share in (0.5, 0.99, 1.0)),
        f"{starts / len(seconds):.2f}",
        f"{starts / lost:.2f}" if lost else "",
        f"{median(drifts):.2f} % ({max(drifts):.2f} %)" if drifts else "",
        f"{len(repricing)} x {1000 * median(repricing):.0f} ms" if repricing else "",
        str(sum(run["not_covered"] for run in runs)),
    ]
