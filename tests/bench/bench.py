"""`make bench`: KWatt against plain Deployments, and what it writes, uses and withstands.

    python tests/bench/bench.py [--quick] [--only apply|idle|restart|chaos|offline] [--runs N] [--seed N]

Tables go to standard output, progress to standard error. The exit status is 1 when a cap was exceeded, or
something was written to an unchanged cluster.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import signal
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import load, offline
from bench.applying import apply_kwatt, apply_plain
from bench.chaos import run_chaos
from bench.ground import Ground, ground, operated, say
from bench.processes import commit
from bench.quiet import restart, stay_idle
from bench.report import body, offline_section, page
from bench.results import Results, broken
from bench.sections import kept_from, write_section
from e2e.harness import REPO, Operator

ON_CLUSTERS = ("apply", "idle", "restart", "chaos")
PARTS = (*ON_CLUSTERS, "offline")


def main() -> int:
    """Run the benchmark."""
    options = _options()
    for number in (signal.SIGINT, signal.SIGTERM):  # so that no cluster is left
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    os.environ.setdefault("KWATT_CLUSTERS", f"{tempfile.gettempdir()}/kwatt-bench-{os.getuid()}")
    results = Results(load.QUICK if options.quick else load.FULL)
    say(f"load average {os.getloadavg()[0]:.2f}, seed {options.seed}")
    if "offline" in options.parts:
        fleets = offline.QUICK if options.quick else offline.FULL
        results.offline = [offline.measure(fleet, max(3, options.runs)) for fleet in fleets]
    for run in range(options.runs if set(options.parts) & set(ON_CLUSTERS) else 0):
        if "apply" in options.parts:
            _run_plain(results)
        _run_kwatt(results, options, last=run == options.runs - 1)
    print(body(results))
    if results.offline:
        print("\n".join(offline_section(results.offline, _versions())))
    if options.write_docs:
        _write_docs(REPO / "docs" / "benchmarks.md", results, options)
    return 1 if list(broken(results)) else 0


def _write_docs(path: Path, results: Results, options: argparse.Namespace) -> None:
    if set(options.parts) & set(ON_CLUSTERS):
        others = kept_from(path.read_text(encoding="utf-8"))
        path.write_text(page(results, _versions()) + others, encoding="utf-8")
    if results.offline:
        write_section(path, offline_section(results.offline, _versions()))


def _run_plain(results: Results) -> None:
    for services, runs in ((False, results.plain), (True, results.plain_services)):
        with ground(results.size) as on:
            runs.append(apply_plain(on, results.size, services=services))


def _run_kwatt(results: Results, options: argparse.Namespace, *, last: bool) -> None:
    with ground(results.size) as on, operated(on, results.size) as operator:
        results.kwatt.append(apply_kwatt(on, results.size, operator))
        if last:
            _run_parts(results, options, on, operator)


def _run_parts(
    results: Results, options: argparse.Namespace, on: Ground, operator: Operator
) -> None:
    if "idle" in options.parts:
        results.idle = stay_idle(on, operator, options.idle_seconds)
    if "restart" in options.parts:
        results.restart = restart(on, operator)
    if "chaos" in options.parts:
        results.chaos = run_chaos(on, operator, results.size, options.kills, options.seed)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure KWatt on local control planes.")
    parser.add_argument("--quick", action="store_true", help="40 services, 5 kills, 60 s idle")
    parser.add_argument(
        "--only", choices=PARTS, help="one part (all but apply need its KWatt side)"
    )
    parser.add_argument("--runs", type=int, default=1, help="runs of each side, for the median")
    parser.add_argument("--idle-seconds", type=float)
    parser.add_argument("--kills", type=int)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--write-docs", action="store_true", help="write docs/benchmarks.md too")
    options = parser.parse_args()
    options.parts = (options.only,) if options.only else PARTS
    options.idle_seconds = options.idle_seconds or (60.0 if options.quick else 600.0)
    options.kills = options.kills or (5 if options.quick else 20)
    return options


def _versions() -> dict[str, str]:
    modules = (REPO / "tests" / "cluster" / "go.mod").read_text()
    found = {
        title: re.search(rf"{module} v(\S+)", modules)
        for title, module in (("Kubernetes", "k8s.io/kubernetes"), ("KWOK", "sigs.k8s.io/kwok"))
    }
    pinned = {title: match[1] for title, match in found.items() if match}
    return {"KWatt": commit(), **pinned}


if __name__ == "__main__":
    sys.exit(main())
