"""The results as tables in markdown, for the screen and for docs/benchmarks.md."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence

from bench.applying import Applying
from bench.chaos import Chaos
from bench.load import REPLICAS
from bench.offline import AIM_MIB, AIM_SECONDS, Offline, rows
from bench.processes import machine
from bench.quiet import Idle, Restart
from bench.results import AIM, CALM_CORES, Results, broken, median, median_cpu
from bench.sections import OFFLINE

_HEAD = """\
# Benchmarks

[한국어](ko/benchmarks.md)

Written by `make bench` (`tests/bench/bench.py --write-docs`), never by hand. One machine runs everything:
API server, etcd, controllers, scheduler, KWOK, the operator and the benchmark itself; ratios compare runs
of one and the same invocation.
"""


def page(results: Results, versions: dict[str, str]) -> str:
    """Return docs/benchmarks.md without the sections that are written by themselves."""
    return "\n".join([_HEAD, *_about(versions), "", body(results)])


def _about(versions: dict[str, str]) -> Iterator[str]:
    facts = {"date": time.strftime("%Y-%m-%d"), **machine(), **versions}
    return table(("machine and versions", ""), list(facts.items()))


def body(results: Results) -> str:
    """Return all tables of what was measured on clusters."""
    lines: list[str] = [*_summary(results), ""]
    if results.kwatt or results.plain:
        lines += [*_applying(results), ""]
    if results.idle:
        lines += [*_quiet(results.idle, results.restart, results), ""]
    if results.chaos:
        lines += [*_chaos(results.chaos), ""]
    return "\n".join(lines)


def offline_section(measured: list[Offline], versions: dict[str, str]) -> list[str]:
    """Return the section on `kwatt plan -f`, as lines of markdown."""
    titles, *lines = rows(measured)
    verdicts = table(("what", "measured", "aim", ""), list(_offline_verdicts(measured)))
    about = (
        "`kwatt plan -f fleet.json -o json` on a List as `kubectl get -o json` prints it: 20 classes, 40 "
        "profiles of 120 points, a budget for each rack of 20 nodes and one for all, nodes with their labels, "
        "conditions and images (`make bench`, or `tests/bench/bench.py --only offline --write-docs`). The "
        "command in a fresh process, with start and bound; the steps in processes apart. Medians of "
        f"{len(measured[0].commands)} runs, the most memory of all."
    )
    return [OFFLINE, "", about, "", *_about(versions), "", *verdicts, "", *table(titles, lines)]


def _summary(results: Results) -> Iterator[str]:
    rows = list(_verdicts(results))
    yield from table(("what", "measured", "aim", ""), rows)
    for sentence in broken(results):
        yield f"\n**Broken:** {sentence}"


def _verdicts(results: Results) -> Iterator[Sequence[str]]:
    if results.ratio is not None:
        kwatt, plain = median(results.kwatt), median(results.plain)
        what = f"apply to bound, {results.size.services} services, {results.size.pods} pods"
        measured = f"{kwatt:.1f} s / {plain:.1f} s = {results.ratio:.2f}x plain Deployments"
        yield what, measured, f"at most {AIM}x", _calm_mark(results, results.ratio <= AIM)
        kwatt, plain = median_cpu(results.kwatt), median_cpu(results.plain)
        yield "CPU seconds of the same", f"{kwatt:.1f} / {plain:.1f} = {kwatt / plain:.2f}x", "", ""
    if results.idle:
        writes = sum(results.idle.writes.values())
        what = f"writes in {results.idle.seconds / 60:g} idle minutes, Lease left out"
        yield what, str(writes), "0", _mark(not writes)
    if results.restart:
        writes = sum(results.restart.writes.values())
        yield "writes on restart, nothing changed", str(writes), "0", _mark(not writes)
    if results.chaos:
        worst = len(results.chaos.observed["violations"])
        what = f"instants above a cap, {len(results.chaos.kills)} kills during churn"
        yield what, str(worst), "0", _mark(not worst)


def _offline_verdicts(measured: list[Offline]) -> Iterator[Sequence[str]]:
    for one in measured:
        fleet = one.fleet
        what = (
            f"kwatt plan, {fleet.services:,} services, {fleet.nodes:,} nodes, {fleet.pods:,} pods"
        )
        mark = _mark(one.seconds <= AIM_SECONDS)
        calm = mark if one.others <= CALM_CORES else _disturbed(one.others)
        yield what, f"{one.seconds:.2f} s", f"at most {AIM_SECONDS:g} s", calm
        memory = _mark(one.peak_mib <= AIM_MIB)
        yield "its memory", f"{one.peak_mib:.0f} MiB", f"at most {AIM_MIB:g} MiB", memory


def _mark(good: bool) -> str:
    return "met" if good else "**missed**"


def _calm_mark(results: Results, good: bool) -> str:
    """Judge seconds only where nothing else took the cores."""
    if results.others > CALM_CORES:
        return _disturbed(results.others)
    return _mark(good)


def _disturbed(cores: float) -> str:
    return f"not judged: others used up to {cores:.1f} cores"


def _applying(results: Results) -> Iterator[str]:
    size = results.size
    yield "## From apply to bound"
    yield ""
    yield (
        f"{size.services} services of {REPLICAS} replicas on {size.nodes} simulated nodes (KWOK) with 8 "
        "NPUs each; all caps bind. A fresh cluster for each run, no limits on the rate of any client "
        "(`--writes-per-second 0`), manifests sent by server-side apply over 8 connections. Seconds "
        "after the first apply: first, half, last."
    )
    yield ""
    for runs in (results.plain, results.plain_services, results.kwatt):
        if runs:
            middle = sorted(runs, key=lambda run: run.seconds)[len(runs) // 2]
            yield from _stages(middle, [run.seconds for run in runs])
            yield ""
    yield from _cpu([runs[-1] for runs in _sides(results)])
    yield ""
    yield (
        "All of it shares the same cores, with whatever else runs on the machine: once they are busy, the "
        "ratio of seconds follows the ratio of CPU seconds. KWatt adds to the Deployments a Service each, a "
        "dry run, a status, and to each pod the patch that releases it; pods that become ready one by one "
        "also make the controllers write more statuses of ReplicaSets, Deployments and endpoints."
    )
    if results.kwatt:
        yield ""
        yield from _kwatt_details(results.kwatt[-1])


def _sides(results: Results) -> Iterator[list[Applying]]:
    return (runs for runs in (results.plain, results.plain_services, results.kwatt) if runs)


def _stages(run: Applying, all_seconds: list[float]) -> Iterator[str]:
    each = ", ".join(f"{seconds:.1f}" for seconds in all_seconds)
    yield f"**{run.side}**: {each} s, load average {run.load_average:.1f}"
    yield ""
    rows = [
        (one.name, str(one.count), f"{one.first:.1f}", f"{one.half:.1f}", f"{one.last:.1f}")
        for one in run.stages
    ]
    yield from table(("stage", "count", "first", "half", "last"), rows)


def _cpu(runs: list[Applying]) -> list[str]:
    programs = sorted({program for run in runs for program in run.usage.by_program})
    rows = []
    for program in programs:
        used = (run.usage.by_program.get(program) for run in runs)
        rows.append((program, *("" if one is None else f"{one:.1f}" for one in used)))
    rows.append(("together", *(f"{run.usage.together:.1f}" for run in runs)))
    rows.append(("everything else on the machine", *(f"{run.usage.others:.1f}" for run in runs)))
    return table(("CPU seconds until all are bound", *(run.side for run in runs)), rows)


def _kwatt_details(run: Applying) -> Iterator[str]:
    rows = [(step, str(count), f"{seconds:.2f}") for step, (seconds, count) in run.steps.items()]
    yield from table(("step of a cycle", "times", "seconds in all"), rows)
    yield ""
    yield from table(
        ("requests of the operator that write", "count"),
        [(what, str(count)) for what, count in run.writes.items()],
    )


def _quiet(idle: Idle, restart: Restart | None, results: Results) -> Iterator[str]:
    yield "## At rest"
    yield ""
    rows = [
        (f"writes in {idle.seconds:.0f} s", _counts(idle.writes)),
        ("dry runs", str(idle.rehearsals)),
        ("renewals of the Lease", str(idle.leases)),
        ("planning cycles", str(idle.cycles)),
        ("CPU of the operator", f"{idle.cpu_seconds:.1f} s, {idle.cpu_seconds / idle.seconds:.1%}"),
        ("memory of the operator", f"{idle.memory.now:.0f} MiB, peak {idle.memory.peak:.0f} MiB"),
    ]
    if results.kwatt:
        used = results.kwatt[-1].usage.by_program.get("kwatt", 0.0)
        rows.append(("CPU of the operator from apply to bound", f"{used:.1f} s"))
    if restart:
        rows += [
            ("writes after a restart", _counts(restart.writes)),
            ("dry runs after a restart", str(restart.rehearsals)),
            ("restart to first full cycle", f"{restart.ready_seconds:.1f} s"),
            ("CPU of the restarted operator", f"{restart.cpu_seconds:.1f} s"),
        ]
    yield from table(("operator", ""), rows)


def _counts(writes: dict[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in writes.items()) or "0"


def _chaos(chaos: Chaos) -> Iterator[str]:
    yield "## Kills during churn"
    yield ""
    led = [kill for kill in chaos.kills if kill.led]
    busy = sum(kill.since_write is not None and kill.since_write < 0.5 for kill in led)
    changes = ", ".join(f"{count} {what}" for what, count in sorted(chaos.changes.items()))
    rows = [
        ("seed", str(chaos.seed)),
        ("changes meanwhile", changes),
        ("length", f"{chaos.seconds:.0f} s"),
        (
            "kills (SIGKILL)",
            f"{len(chaos.kills)}, {len(led)} after writes, {busy} within 0.5 s of one",
        ),
        ("states checked by the observer", str(chaos.observed["instants"])),
        ("states above a cap", str(len(chaos.observed["violations"]))),
        ("last write after the last kill", f"{chaos.converged_seconds:.1f} s"),
        ("services not settled then", str(len(chaos.unsettled))),
    ]
    yield from table(("", ""), rows)
    yield ""
    yield from _budgets(chaos)


def _budgets(chaos: Chaos) -> Iterator[str]:
    rows = [
        (
            name,
            _watts(one["worstMarginWatts"]),
            _watts(one["worstGrantMarginWatts"]),
            str(one["cutsBelowUse"]),
            f"{one['longestOverCutSeconds']:g} s",
        )
        for name, one in chaos.observed["budgets"].items()
    ]
    yield from table(
        (
            "budget",
            "least margin, drawn",
            "least margin, granted",
            "cuts below use",
            "longest over",
        ),
        rows,
    )
    yield ""
    yield (
        "Drawn: host, idle NPUs, watts of bound pods (terminating ones too) and of foreign pods. Granted: the "
        "most that nodes advertise to the kube-scheduler. A cap that is cut below what runs can't be kept "
        "before pods have ended; from then on neither sum may grow, and the longest such span is shown."
    )


def _watts(watts: float | None) -> str:
    return "" if watts is None else f"{watts:.0f} W"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a table in markdown."""
    all_rows = [tuple(head), *(tuple(row) for row in rows)]
    widths = [max(len(row[column]) for row in all_rows) for column in range(len(head))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in all_rows
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return [lines[0], rule, *lines[1:]]
