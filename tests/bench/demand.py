"""`make bench-demand`: a service that follows its demand against a fixed peak and an autoscaler's rule.

    python tests/bench/demand.py [--trace FOLDER] [--seed N] [--write-docs]

A day is replayed at 5 s a step in four shapes. Equal arguments give equal tables. The table goes to standard
output; the exit status is 1 when a fixed peak was short, for then the others have no measure.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

_TESTS = Path(__file__).resolve().parents[1]
REPO = _TESTS.parent
for _folder in (str(_TESTS), str(REPO / "operator")):
    sys.path.insert(0, _folder)  # before this file's own folder, where bench.py is

from bench.following.rules import Autoscaler, KWatt, fixed  # noqa: E402
from bench.following.shapes import STEPS, Floats, shapes_of  # noqa: E402
from bench.following.world import Day, Pool, Rule, replay  # noqa: E402
from kwatt.observation.parsing.table import parse  # noqa: E402
from kwatt.observation.values import Invalid, ParsedClass, ParsedProfile  # noqa: E402
from kwatt.observation.world import World  # noqa: E402
from kwatt.planning.curves import Curve, curves_of  # noqa: E402

CLASS: Final = "furiosa-rngd"
MODEL: Final = "llama-3.1-8b"
HEADROOM_PERCENT: Final = 20
PEAK: Final = 9000.0  # tokens per second: 18 cards with headroom
CARDS: Final = 24
PER_NODE: Final = 8
SEED: Final = 2023
_PAGE: Final = "docs/benchmarks-demand.md"
_HEAD: Final = REPO / "tests" / "bench" / "following" / "introduction.md"


def main() -> int:
    """Replay all days and print the table."""
    options = _options()
    shapes = shapes_of(options.trace, PEAK, options.seed)
    days = {name: _replayed(demand) for name, demand in shapes.items()}
    text = "\n".join(_table(days))
    print(text)
    if options.write_docs:
        (REPO / _PAGE).write_text(
            f"{_HEAD.read_text(encoding='utf-8')}\n{text}\n", encoding="utf-8"
        )
    return 1 if any(rules["fixed peak"].met < STEPS * 0.99 for rules in days.values()) else 0


def _replayed(demand: Floats) -> dict[str, Day]:
    catalogue = _catalogue()
    capacity = catalogue[1].rates[-1] / 10**6
    target = capacity * 100 / (100 + HEADROOM_PERCENT)
    peak = math.ceil(PEAK / target)
    world = _world()
    rules: dict[str, Callable[[], Rule]] = {
        "fixed peak": lambda: fixed(peak),
        "HPA, served": lambda: Autoscaler(target, CARDS, counts_arrivals=False),
        "KWatt, served": lambda: KWatt(world, counts_arrivals=False),
        "HPA, arrived": lambda: Autoscaler(target, CARDS, counts_arrivals=True),
        "KWatt, arrived": lambda: KWatt(world, counts_arrivals=True),
    }
    return {name: replay(demand, _pool(catalogue, peak), make()) for name, make in rules.items()}


def _pool(catalogue: tuple[ParsedClass, Curve], ready: int) -> Pool:
    npu_class, curve = catalogue
    assert npu_class.npu_class is not None
    return Pool(CARDS, npu_class.npu_class, curve, ready)


def _catalogue() -> tuple[ParsedClass, Curve]:
    npu_class = parse("NPUClass", _example(f"10-classes/{CLASS}"))
    profile = parse("ModelProfile", _example(f"20-profiles/{MODEL}"))
    assert isinstance(npu_class, ParsedClass)
    assert isinstance(profile, ParsedProfile)
    (curve,) = (one for one in curves_of(profile.profile) if one.npu_class == CLASS)
    return npu_class, curve


def _world() -> World:
    bodies = [
        ("NPUClass", _example(f"10-classes/{CLASS}")),
        ("ModelProfile", _example(f"20-profiles/{MODEL}")),
        ("InferenceService", _service()),
        *(("Node", _node(number)) for number in range(CARDS // PER_NODE)),
    ]
    entries = [parse(kind, body) for kind, body in bodies]
    assert not any(isinstance(one, Invalid) for one in entries)
    return World.of(entries)


def _service() -> dict[str, Any]:
    return {
        "metadata": {"name": "assistant", "namespace": "city"},
        "spec": {
            "model": MODEL,
            "throughput": {"min": 100, "max": str(PEAK * 1.2), "headroomPercent": HEADROOM_PERCENT},
            "npuClasses": [CLASS],
            "template": {"spec": {"containers": [{"name": "server", "image": "server"}]}},
        },
    }


def _node(number: int) -> dict[str, Any]:
    room = {"cpu": "256", "memory": "2Ti", "pods": "110", "furiosa.ai/rngd": str(PER_NODE)}
    labels = {"furiosa.ai/npu.product": "rngd", "kubernetes.io/hostname": f"n{number}"}
    return {
        "metadata": {"name": f"n{number}", "labels": labels},
        "spec": {"taints": [{"key": "furiosa.ai/npu", "effect": "NoSchedule"}]},
        "status": {
            "capacity": room,
            "allocatable": room,
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


def _example(name: str) -> dict[str, Any]:
    body: dict[str, Any] = yaml.safe_load((REPO / "examples" / f"{name}.yaml").read_text())
    return body


def _table(days: Mapping[str, Mapping[str, Day]]) -> Iterator[str]:
    yield (
        "| demand | rule | kWh a day | of fixed | rate met | waiting | longest queue | replicas, mean "
        "| starts | changes |"
    )
    yield "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|"
    for shape, rules in days.items():
        peak = rules["fixed peak"].joules
        for name, day in rules.items():
            yield (
                f"| {shape} | {name} | {day.joules / 3.6e6:.1f} | {100 * day.joules / peak:.1f} % "
                f"| {100 * day.met / day.steps:.2f} % | {100 * day.late / day.asked:.2f} % "
                f"| {day.longest_queue_seconds:.0f} s | {day.replica_steps / day.steps:.1f} "
                f"| {day.starts} | {day.changes} |"
            )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Replay days of demand.")
    parser.add_argument("--trace", type=Path, help="folder with AzureLLMInferenceTrace_*.csv")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--write-docs", action="store_true", help=f"write {_PAGE} too")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
