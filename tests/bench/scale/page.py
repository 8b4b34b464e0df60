"""The section on scale of docs/benchmarks.md, from results. `make bench` leaves it as it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from bench.report import table
from bench.results import CALM_CORES
from bench.sections import AT_SCALE

Part = dict[str, Any]
AIM_RATIO, AIM_MIB, AIM_WRITES, AIM_BARE = 1.2, 250.0, 3.0, 3.0
LEAST_CPU = 0.2  # seconds, of ticks of 0.01: with less, a ratio is chance
_BARE = "bare list and watch"
_TITLES = {"plain": "plain Deployments", "kwatt": "KWatt", "fleet": "KWatt, many services"}
_ABOUT = """\
Written by `make bench-cluster` (`tests/bench/scale/run.py --write-docs`). Simulated nodes (KWOK) with 8 NPUs
each, racks of 20 under a budget each, one budget over all. `plain` and `KWatt` are the same pods from apply to
bound, each on a fresh cluster. The rest is measured on the filled cluster beside a process that only lists and
watches the same kinds in Python, one thread per kind, and keeps nothing but versions (`bare.py`). Seconds
of CPU are of processes: they can be compared where others took the cores; wall-clock seconds can't."""

_THREE = """\
Three of the writes for one replica more are the service's own: its Deployment, the release of the pod, its
status. What nodes advertise and budgets tell is written once for all services on them, and comes on top."""


def section(parts: list[Part]) -> list[str]:
    """Return the section as lines of markdown."""
    by_name = {part["part"]: part for part in parts}
    steady = [part for part in parts if "rest" in part]
    lines = [AT_SCALE, "", _ABOUT, "", *_machine(parts), ""]
    lines += [*table(("what", "measured", "aim", ""), list(_verdicts(by_name, steady))), ""]
    if "plain" in by_name and "kwatt" in by_name:
        lines += [*_applying(by_name["plain"], by_name["kwatt"]), ""]
    for part in steady:
        lines += [f"**{_sizes(part)}**, at rest and when services change:", ""]
        lines += [*_cpu(part), "", *_requests(part), "", _THREE, ""]
    return lines


def broken(parts: list[Part]) -> Iterator[str]:
    """Yield each hard requirement that does not hold."""
    for part in parts:
        for name in ("rest", "start"):
            writes = _real(part.get(name, {}).get("writes", {}))
            if writes:
                yield f"{part['key']}: {sum(writes.values())} writes at {name}"


def writes_per_service(change: Part) -> float:
    """Return the writes per changed service, dry runs included."""
    return sum(change["writes"].values()) / change["services"]


def bare_ratio(measured: Part) -> float:
    """Return how many times the CPU of the bare list and watch the operator used."""
    return measured["cpu"]["kwatt"] / max(measured["cpu"][_BARE], 0.01)


def _real(writes: dict[str, int]) -> dict[str, int]:
    return {what: count for what, count in writes.items() if "dry run" not in what}


def _machine(parts: list[Part]) -> list[str]:
    facts = [
        (
            f"{part['key']}",
            f"{part['date']}, load {part['loadBefore']:.1f} to {part['loadAfter']:.1f}",
        )
        for part in parts
    ]
    about = parts[-1]["machine"] if parts else {}
    return table(("machine and parts", ""), [*about.items(), *facts])


def _sizes(part: Part) -> str:
    size = part["size"]
    pods = (size["services"] - size["waiting"]) * size["replicas"]
    return f"{size['nodes']:,} nodes, {size['services']:,} services, {pods:,} pods"


def _verdicts(by_name: dict[str, Part], steady: list[Part]) -> Iterator[Sequence[str]]:
    if "plain" in by_name and "kwatt" in by_name:
        yield from _ratio_verdicts(by_name["plain"], by_name["kwatt"])
    for part in steady:
        yield from _steady_verdicts(part)


def _ratio_verdicts(plain: Part, kwatt: Part) -> Iterator[Sequence[str]]:
    a, b = kwatt["applying"], plain["applying"]
    ratio = a["seconds"] / b["seconds"]
    others = max(one["others"] / one["seconds"] for one in (a, b))
    calm = (
        _mark(ratio <= AIM_RATIO)
        if others <= CALM_CORES
        else f"not judged: {others:.1f} cores taken"
    )
    measured = f"{a['seconds']:.0f} s / {b['seconds']:.0f} s = {ratio:.2f}x"
    yield f"apply to bound, {_sizes(kwatt)}", measured, f"at most {AIM_RATIO}x", calm
    used, plainly = sum(a["cpu"].values()), sum(b["cpu"].values())
    yield "CPU seconds of the same", f"{used:.0f} / {plainly:.0f} = {used / plainly:.2f}x", "", ""


def _steady_verdicts(part: Part) -> Iterator[Sequence[str]]:
    rest, start, where = part["rest"], part["start"], f", {_sizes(part)}"
    idle = sum(_real(rest["writes"]).values())
    yield f"writes in {rest['seconds']:.0f} s of rest{where}", str(idle), "0", _mark(not idle)
    again = sum(start["writes"].values())
    yield "writes on restart, nothing changed", str(again), "0", _mark(not again)
    peak = max(start["peakMiB"], rest["peakMiB"])
    memory = f"{rest['rssMiB']:.0f} MiB, peak {peak:.0f} MiB"
    yield "memory", memory, f"at most {AIM_MIB:.0f} MiB", _mark(rest["rssMiB"] <= AIM_MIB)
    share = rest["cpu"]["kwatt"] / rest["seconds"]
    yield "CPU at rest", f"{share:.2%} of a core", "", ""
    yield from _bare_verdicts(part)
    for name, change in part["changes"].items():
        each = writes_per_service(change)
        yield (
            f"writes per service: {name}",
            f"{each:.2f}",
            f"at most {AIM_WRITES:.0f}",
            _mark(each <= AIM_WRITES),
        )


def _bare_verdicts(part: Part) -> Iterator[Sequence[str]]:
    aim, start = f"at most {AIM_BARE:.0f}x", part["start"]
    ratio = start["cpu"] / start["bareCpu"]
    figures = f"{start['cpu']:.1f} / {start['bareCpu']:.1f} CPU s = {ratio:.2f}x"
    yield f"start ({start['seconds']:.0f} s) against the bare loop", figures, "", ""
    spans = [("rest", part["rest"]), *part["changes"].items()]
    for name, one in spans:
        ratio, judged = bare_ratio(one), name == "rest"
        figures = f"{one['cpu']['kwatt']:.2f} / {one['cpu'][_BARE]:.2f} CPU s = {ratio:.2f}x"
        short = one["cpu"][_BARE] < LEAST_CPU
        mark = "not judged: too short to tell" if short else _mark(ratio <= AIM_BARE)
        verdict = (aim, mark) if judged else ("", "")
        yield f"CPU against the bare loop: {name}", figures, *verdict


def _applying(plain: Part, kwatt: Part) -> Iterator[str]:
    columns = [plain["applying"], kwatt["applying"]]
    programs = sorted({program for one in columns for program in one["cpu"]})
    rows = [
        (program, *(f"{one['cpu'].get(program, 0):.0f}" for one in columns)) for program in programs
    ]
    rows.append(("everything else on the machine", *(f"{one['others']:.0f}" for one in columns)))
    yield from table(
        ("CPU seconds from apply to bound", *(_TITLES[p["part"]] for p in (plain, kwatt))), rows
    )
    yield ""
    stages = [
        (title, one["name"], str(one["count"]), f"{one['half']:.0f}", f"{one['last']:.0f}")
        for title, run in (("plain", columns[0]), ("KWatt", columns[1]))
        for one in run["stages"]
    ]
    yield from table(("side", "stage", "count", "half, s", "last, s"), stages)
    yield ""
    yield _where_it_goes(plain["applying"]["cpu"], kwatt["applying"]["cpu"])


def _where_it_goes(plain: dict[str, float], kwatt: dict[str, float]) -> str:
    """Say who uses the CPU seconds that KWatt costs more."""
    more = {name: seconds - plain.get(name, 0.0) for name, seconds in kwatt.items()}
    first, second = sorted(more, key=lambda name: -more[name])[:2]
    return (
        f"Of the {sum(more.values()):.0f} CPU seconds more, {first} uses {more[first]:.0f} and {second} "
        f"{more[second]:.0f}. The cores are busy on both sides, so seconds follow CPU seconds. Each pod is "
        "patched once more, when it is released to its node; each service has a dry run and a status."
    )


def _cpu(part: Part) -> list[str]:
    spans = {"rest": part["rest"], **part["changes"]}
    programs = sorted({program for one in spans.values() for program in one["cpu"]})
    rows = [
        (program, *(f"{one['cpu'][program]:.1f}" for one in spans.values())) for program in programs
    ]
    rows.append(("everything else", *(f"{one['others']:.0f}" for one in spans.values())))
    rows.append(("wall-clock seconds", *(f"{one['seconds']:.0f}" for one in spans.values())))
    return table(("CPU seconds", *spans), rows)


def _requests(part: Part) -> list[str]:
    changes = part["changes"]
    kinds = sorted({what for one in changes.values() for what in one["requests"]})
    rows = [
        (what, *(str(one["requests"].get(what, 0)) for one in changes.values()))
        for what in kinds
        if not what.startswith(("watch ", "list "))
    ]
    dry = ("of them dry runs", *(str(_dry(one["writes"])) for one in changes.values()))
    count = next(iter(changes.values()))["services"]
    return table((f"requests for {count} changed services", *changes), [*rows, dry])


def _dry(writes: dict[str, int]) -> int:
    return sum(count for what, count in writes.items() if "dry run" in what)


def _mark(good: bool) -> str:
    return "met" if good else "**missed**"
