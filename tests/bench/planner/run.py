"""`make bench-planner`: the planner against baselines, bound and clock, family by family.

    python tests/bench/planner/run.py [--quick] [--only FAMILY ...] [--instances WORD] [--seeds N]
                                      [--results FILE] [--kept] [--again] [--write-docs]

Each result is added to FILE as soon as it is there, and what is there is not run again as long as the
planner's sources are the same: a long run can be stopped and continued. Tables go to standard output,
progress to standard error. The exit status is 1 when anybody exceeded a cap, or equal inputs gave different
plans.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

_TESTS = Path(__file__).resolve().parents[2]
REPO = _TESTS.parent
for _folder in (str(_TESTS), str(REPO / "operator")):
    if _folder not in sys.path:
        sys.path.insert(0, _folder)

from bench.planner.families import Unit, quick_units, units  # noqa: E402
from bench.planner.page import body, page  # noqa: E402
from bench.planner.plots import plots_of  # noqa: E402
from bench.planner.tables import Result  # noqa: E402
from bench.processes import commit  # noqa: E402
from kwatt.planning.incremental import Planner  # noqa: E402
from kwatt.planning.plan import plan  # noqa: E402

QUICK_SEEDS, SEEDS = 2, 5


def main() -> int:
    """Run what is missing and print the tables."""
    options = _options()
    wanted = _wanted(options)
    path: Path = options.results
    path.parent.mkdir(parents=True, exist_ok=True)
    planner = _fingerprint(plan.__module__)
    planners = {unit.kind: planner for unit in wanted} | {"steps": _fingerprint(Planner.__module__)}
    known = {} if options.again else _read(path, planners)
    if options.again:
        path.unlink(missing_ok=True)
    if options.kept:
        wanted = [unit for unit in wanted if unit.key in known]
    for number, unit in enumerate(wanted, start=1):
        if unit.key not in known:
            known[unit.key] = _run(unit, planners[unit.kind], f"{number}/{len(wanted)}")
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(known[unit.key])) + "\n")
    results = [known[unit.key] for unit in wanted]
    print("\n".join(body(results)))
    if options.write_docs:
        _write_docs(results, options)
    return 1 if any(_is_broken(result) for result in results) else 0


def _run(unit: Unit, planner: str, place: str) -> Result:
    began = time.perf_counter()
    result = Result(unit.family, unit.instance, unit.seed, unit.kind, unit.run(), planner)
    seconds = time.perf_counter() - began
    print(f"{place} {unit.key}: {seconds:.1f} s", file=sys.stderr, flush=True)
    return result


def _fingerprint(module: str) -> str:
    """Return a hash of all sources that a result depends on: what the planner's module imports of KWatt."""
    files = "(m.__file__ for n, m in sys.modules.items() if n.split('.')[0] == 'kwatt')"
    listing = f"import sys, {module}; print(*{files})"
    environment = {**os.environ, "PYTHONPATH": str(REPO / "operator")}
    command = [sys.executable, "-c", listing]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    text = b"".join(Path(name).read_bytes() for name in sorted(done.stdout.split()))
    return hashlib.sha256(text).hexdigest()[:12]


def _is_broken(result: Result) -> bool:
    data = result.data
    if result.kind == "contest":
        same, shuffles = data["same"]
        faults = data["violations"] + sum(entry["violations"] for entry in data["entries"])
        return bool(faults) or same != shuffles
    if result.kind == "day":
        return any(day["violations"] for day in data["days"])
    return bool(data.get("violations"))


def _read(path: Path, planners: Mapping[str, str]) -> dict[str, Result]:
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    found = [Result(**json.loads(line)) for line in lines if line.strip()]
    return {
        f"{one.family}/{one.instance}/{one.seed}": one
        for one in found
        if one.planner == planners.get(one.kind)
    }


def _wanted(options: argparse.Namespace) -> list[Unit]:
    every: Iterable[Unit] = (
        quick_units(options.seeds or QUICK_SEEDS)
        if options.quick
        else units(options.seeds or SEEDS)
    )
    found = [
        unit
        for unit in every
        if (not options.only or unit.family in options.only) and options.instances in unit.instance
    ]
    order = list(dict.fromkeys(unit.family for unit in found))
    return sorted(found, key=lambda unit: order.index(unit.family))


def _write_docs(results: list[Result], options: argparse.Namespace) -> None:
    version = commit()  # before anything is written
    plots = plots_of(results)
    folder = REPO / "docs" / "plots"
    folder.mkdir(exist_ok=True)
    for name, text in plots.items():
        (folder / name).write_text(text, encoding="utf-8")
    seeds = len({result.seed for result in results})
    how = f"{'quick selection' if options.quick else 'full'}, {seeds} seeds"
    if options.only or options.instances:
        how += f", only {' '.join([*options.only, options.instances])}"
    if options.kept:
        how += f", {len(results)} results of a run that was stopped"
    (REPO / "docs" / "benchmarks-planner.md").write_text(
        page(results, {"KWatt": version, "run": how}, plots), encoding="utf-8"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Benchmark the planner.")
    parser.add_argument("--quick", action="store_true", help="small sizes, 2 seeds, two minutes")
    parser.add_argument("--only", nargs="+", default=[], metavar="FAMILY")
    parser.add_argument(
        "--instances", default="", metavar="WORD", help="those with WORD in the name"
    )
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--results", type=Path, help="where results are kept")
    parser.add_argument("--kept", action="store_true", help="show what is kept, run nothing")
    parser.add_argument("--again", action="store_true", help="forget the results that are kept")
    parser.add_argument(
        "--write-docs", action="store_true", help="write docs/benchmarks-planner.md"
    )
    options = parser.parse_args()
    if options.results is None:
        name = "quick" if options.quick else "full"
        options.results = REPO / "build" / "bench-planner" / f"{name}.jsonl"
    return options


if __name__ == "__main__":
    sys.exit(main())
