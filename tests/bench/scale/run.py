"""`make bench-cluster`: a thousand nodes against plain Deployments, and the most nodes and services.

    python tests/bench/scale/run.py [--only plain|kwatt|fleet ...] [--nodes N] [--services N] [--pods N]
                                    [--fleet-nodes N] [--fleet-services N] [--fleet-pods N]
                                    [--idle-seconds S] [--results FILE] [--again] [--write-docs]

Each part is added to FILE when it is done, and is not run again for the same sizes: a run can be stopped and
continued. Tables go to standard output, progress to standard error. The exit status is 1 when something was
written to an unchanged cluster.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench import load
from bench.applying import Applying, apply_kwatt, apply_plain
from bench.ground import Ground, ground, operated, say
from bench.load import REPLICAS, Size
from bench.processes import cpu_seconds, machine, memory
from bench.scale import steady
from bench.scale.page import broken, section
from bench.sections import write_section
from e2e.harness import REPO, Operator

PARTS = ("plain", "kwatt", "fleet")
Part = dict[str, Any]


def main() -> int:
    """Measure what is missing and print the tables."""
    options = _options()
    for number in (signal.SIGINT, signal.SIGTERM):  # so that no cluster is left
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    os.environ.setdefault("KWATT_CLUSTERS", f"{tempfile.gettempdir()}/kwatt-scale-{os.getuid()}")
    path: Path = options.results
    path.parent.mkdir(parents=True, exist_ok=True)
    if options.again:
        path.unlink(missing_ok=True)
    known = _read(path)
    found = []
    for name in PARTS:
        key = _key(name, options)
        if key not in known and name in options.only:
            known[key] = _measured(name, key, options)
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(known[key]) + "\n")
        found += [known[key]] if key in known else []
    lines = section(found)
    print("\n".join(lines))
    if options.write_docs:
        write_section(REPO / "docs" / "benchmarks.md", lines)
    return 1 if list(broken(found)) else 0


def _measured(name: str, key: str, options: argparse.Namespace) -> Part:
    say(f"{key}: load average {os.getloadavg()[0]:.1f}")
    size = _size(name, options)
    part: Part = {"key": key, "part": name, "size": asdict(size), "date": time.strftime("%Y-%m-%d")}
    part |= {"machine": machine(), "loadBefore": os.getloadavg()[0]}
    match name:
        case "plain":
            with ground(size) as on:
                found: Part = {"applying": _plain_data(apply_plain(on, size, services=False))}
        case "kwatt":
            found = _kwatt(size, options.idle_seconds)
        case _:
            found = _fleet(size, options.idle_seconds)
    return part | found | {"loadAfter": os.getloadavg()[0]}


def _kwatt(size: Size, idle_seconds: float) -> Part:
    with ground(size) as on, operated(on, size) as operator:
        found: Part = {"applying": _plain_data(apply_kwatt(on, size, operator))}
        return found | _steadily(on, operator, size, idle_seconds)


def _fleet(size: Size, idle_seconds: float) -> Part:
    """Fill a cluster with services before the operator starts, let it catch up, then measure as above."""
    with ground(size) as on, operated(on, size) as operator:
        operator.stop()
        say("fleet: applying the services")
        on.api.apply_all(load.services(size))
        begun = time.monotonic()
        operator.start()
        steady.wait_described(on, size.services, 3600.0)
        filled = {"seconds": time.monotonic() - begun, "cpu": cpu_seconds(operator.pid)}
        filled |= {"peakMiB": memory(operator.pid).peak}
        say(f"fleet: every service has a status after {filled['seconds']:.0f} s")
        return {"filled": filled, **_steadily(on, operator, size, idle_seconds)}


def _steadily(on: Ground, operator: Operator, size: Size, idle_seconds: float) -> Part:
    bare = steady.start_bare(on)
    try:
        return {
            "start": steady.measure_start(on, operator, bare),
            "rest": steady.measure_rest(on, operator, bare, idle_seconds),
            "changes": steady.measure_changes(on, operator, bare, size),
        }
    finally:
        steady.stop_bare(bare)


def _plain_data(run: Applying) -> Part:
    return {
        "seconds": run.seconds,
        "cpu": run.usage.by_program,
        "others": run.usage.others,
        "writes": run.writes,
        "stages": [asdict(stage) for stage in run.stages],
        "steps": run.steps,
    }


def _size(name: str, options: argparse.Namespace) -> Size:
    if name == "fleet":
        waiting = options.fleet_services - options.fleet_pods
        return Size(options.fleet_nodes, options.fleet_services, replicas=1, waiting=waiting)
    return Size(options.nodes, options.services, replicas=options.pods // options.services)


def _key(name: str, options: argparse.Namespace) -> str:
    size = _size(name, options)
    return f"{name}/{size.nodes}/{size.services}/{size.pods}"


def _read(path: Path) -> dict[str, Part]:
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    return {part["key"]: part for part in map(json.loads, filter(None, lines))}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure KWatt on large local control planes.")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="parts to run")
    parser.add_argument("--nodes", type=int, default=1000, help="of plain and kwatt, by twenties")
    parser.add_argument("--services", type=int, default=1000)
    parser.add_argument("--pods", type=int, default=1000 * REPLICAS, help="a multiple of them")
    parser.add_argument("--fleet-nodes", type=int, default=5000, help="of fleet, by twenties")
    parser.add_argument("--fleet-services", type=int, default=10000, help="of one pod or none")
    parser.add_argument("--fleet-pods", type=int, default=10000, help="services that have a pod")
    parser.add_argument("--idle-seconds", type=float, default=600.0)
    parser.add_argument("--results", type=Path, default=REPO / "build" / "bench-cluster.jsonl")
    parser.add_argument("--again", action="store_true", help="forget what was measured before")
    parser.add_argument("--write-docs", action="store_true", help="write docs/benchmarks.md too")
    options = parser.parse_args()
    if options.pods % options.services or options.nodes % 20 or options.fleet_nodes % 20:
        parser.error("--pods must be a multiple of --services, and nodes a multiple of 20")
    if not 0 < options.fleet_pods <= options.fleet_services:
        parser.error("--fleet-pods must be positive and at most --fleet-services")
    return options


if __name__ == "__main__":
    sys.exit(main())
