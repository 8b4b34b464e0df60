"""From apply to bound: KWatt against the same pods as plain Deployments, on the same kind of fresh cluster."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bench import audit, load
from bench.api import Body
from bench.ground import Ground, cycle_seconds, say, wait_until
from bench.load import Size
from bench.processes import Meter, Usage
from e2e.harness import Operator

LIMIT_SECONDS = 600.0  # for 1,000 pods or fewer
PLAIN_STAGES: Mapping[str, audit.Test] = {
    "Deployments exist": audit.made("deployments"),
    "pods exist": audit.pod_created,
    "pods bound": audit.pod_bound,
}
KWATT_STAGES: Mapping[str, audit.Test] = {
    "InferenceServices exist": audit.made("inferenceservices"),
    "templates tried (dry run)": audit.rehearsed,
    "Deployments exist": audit.made("deployments"),
    "Services exist": audit.made("services"),
    "shares of watts set": audit.share_set,
    "pods exist": audit.pod_created,
    "pods released": audit.pod_released,
    "pods bound": audit.pod_bound,
}


@dataclass(frozen=True, slots=True)
class Stage:
    """When something happened first, half and last, in seconds after the first apply."""

    name: str
    count: int
    first: float
    half: float
    last: float


@dataclass(frozen=True, slots=True)
class Applying:
    """One measurement."""

    side: str
    seconds: float
    stages: tuple[Stage, ...]
    usage: Usage
    writes: dict[str, int]
    load_average: float
    steps: dict[str, tuple[float, int]] = field(default_factory=dict)


def apply_plain(on: Ground, size: Size, *, services: bool) -> Applying:
    """Apply plain Deployments, with Services too if they are wanted, and wait until all pods are bound."""
    manifests = load.deployments(size)
    if services:
        manifests += load.plain_services(size)
    side = "plain + Services" if services else "plain"
    return _measured(on, size, side, manifests, PLAIN_STAGES, on.pids)


def apply_kwatt(on: Ground, size: Size, operator: Operator) -> Applying:
    """Apply InferenceServices and wait until all pods are bound."""
    pids = {**on.pids, "kwatt": operator.pid}
    before = cycle_seconds(operator)
    found = _measured(on, size, "KWatt", load.services(size), KWATT_STAGES, pids)
    after = cycle_seconds(operator)
    none = (0.0, 0)
    steps = {
        step: (
            after[step][0] - before.get(step, none)[0],
            after[step][1] - before.get(step, none)[1],
        )
        for step in after
    }
    return Applying(**{**_fields(found), "steps": steps})


def _fields(one: Applying) -> dict[str, object]:
    return {name: getattr(one, name) for name in Applying.__slots__}


def _measured(
    on: Ground,
    size: Size,
    side: str,
    manifests: list[Body],
    stages: Mapping[str, audit.Test],
    pids: dict[str, int],
) -> Applying:
    meter, begun = Meter(pids), time.time()
    on.api.apply_all(manifests)
    wait_until(
        lambda: _count(on, begun, audit.pod_bound) >= size.pods,
        LIMIT_SECONDS * max(1.0, size.pods / 1000),
        f"{size.pods} pods bound",
        max(0.2, size.pods / 5000),
    )
    usage = meter.read()
    writes = on.audit.writes(begun)
    seen = tuple(_stage(name, test, writes, begun) for name, test in stages.items())
    seconds = seen[-1].last
    say(f"{side}: {size.pods} pods bound after {seconds:.1f} s")
    return Applying(
        side, seconds, seen, usage, audit.tally(_kwatts(writes)), load_average=os.getloadavg()[0]
    )


def _kwatts(writes: list[audit.Write]) -> list[audit.Write]:
    return [write for write in writes if write.user == audit.OPERATOR]


def _count(on: Ground, since: float, test: Callable[[audit.Write], bool]) -> int:
    return sum(test(write) for write in on.audit.writes(since))


def _stage(name: str, test: audit.Test, writes: list[audit.Write], begun: float) -> Stage:
    times = sorted(write.at - begun for write in writes if test(write)) or [0.0]
    count = sum(test(write) for write in writes)
    return Stage(name, count, times[0], statistics.median(times), times[-1])
