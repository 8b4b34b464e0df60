"""The steps of `kwatt plan -f FILE -o json`, each with its seconds, as JSON on standard output.

    python tests/bench/steps.py FILE

In a process of its own, so that nothing is loaded and nothing in memory that the command would not have.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from argparse import Namespace
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

Value = TypeVar("Value")
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Stopwatch:
    """Seconds by step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def time(self, step: str, work: Callable[[], Value]) -> Value:
        """Do one step."""
        begun = time.perf_counter()
        value = work()
        self.seconds[step] = time.perf_counter() - begun
        return value


def main() -> int:
    """Do what the command does, step by step."""
    gc.disable()  # as the command does
    watch, given = Stopwatch(), Namespace(filename=[sys.argv[1]], set=[])
    plan, observe, world, proven_plan = watch.time("import", _imported)
    entries = watch.time("parse", lambda: plan.read_entries(given, list))
    observation = watch.time("observe", lambda: observe(world.of(entries), NOW))
    planned = watch.time("plan", lambda: proven_plan(observation.snapshot))
    report = plan.Report(observation.snapshot, planned, observation.invalid, observation.notices)
    watch.time("output", lambda: plan.as_json(report))
    print(json.dumps({"seconds": watch.seconds, "placed": planned.totals.placed}))
    return 0


def _imported():
    from kwatt.cli import plan  # noqa: PLC0415 - to be timed
    from kwatt.observation.observe import observe  # noqa: PLC0415
    from kwatt.observation.world import World  # noqa: PLC0415
    from kwatt.planning.plan import proven_plan  # noqa: PLC0415

    return plan, observe, World, proven_plan


if __name__ == "__main__":
    sys.exit(main())
