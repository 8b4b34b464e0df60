"""An operator over a filled cluster, beside a bare list and watch: its start, a time of rest, and changes.

CPU seconds are of processes, from /proc, and so comparable also where others take the cores for a while.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from bench import audit, load
from bench.ground import Ground, metrics, say, settle, wait_for_cycle, wait_until
from bench.load import Size
from bench.processes import Meter, cpu_seconds, memory
from bench.scale.bare import KINDS
from e2e.harness import Operator

Found = dict[str, object]
CHANGES = 100  # services that are changed of each kind
START_SECONDS = 900.0
_COUNTED = re.compile(r"kwatt_api_requests_total\{(.*)\} (\S+)")
_READS = ("get", "list", "watch")


class Watcher(NamedTuple):
    """The bare list and watch as a process, and what it had used when all was listed."""

    process: subprocess.Popen[str]
    seconds: float
    cpu: float


def start_bare(on: Ground) -> Watcher:
    """Start the bare list and watch; return when it has listed every kind."""
    script = Path(__file__).with_name("bare.py")
    begun = time.monotonic()
    command = [sys.executable, str(script), str(on.cluster.kubeconfig)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for _ in KINDS:
        if not process.stdout.readline():
            raise RuntimeError("the bare list and watch ended")
    return Watcher(process, time.monotonic() - begun, cpu_seconds(process.pid))


def measure_start(on: Ground, operator: Operator, bare: Watcher) -> Found:
    """Start the operator anew over a cluster that does not change; CPU until it has been through a cycle."""
    settle(on, START_SECONDS)
    operator.stop()
    begun = time.time()
    operator.start()
    wait_for_cycle(operator, START_SECONDS)
    seconds, cpu = time.time() - begun, cpu_seconds(operator.pid)
    settle(on)
    writes = audit.tally(audit.real(on.audit.by_operator(begun)))
    say(f"start: first cycle after {seconds:.1f} s, {cpu:.1f} CPU s, {sum(writes.values())} writes")
    return {
        "seconds": seconds,
        "cpu": cpu,
        "peakMiB": memory(operator.pid).peak,
        "writes": writes,
        "bareSeconds": bare.seconds,
        "bareCpu": bare.cpu,
        "bareMiB": memory(bare.process.pid).peak,
    }


def measure_rest(on: Ground, operator: Operator, bare: Watcher, seconds: float) -> Found:
    """Count writes and CPU over a span in which nothing is changed."""
    settle(on)
    say(f"rest: {seconds:.0f} s")
    begun = time.time()
    found = _metered(on, operator, bare, lambda: time.sleep(seconds))
    return found | {"writes": audit.tally(on.audit.by_operator(begun))}


def measure_changes(on: Ground, operator: Operator, bare: Watcher, size: Size) -> dict[str, Found]:
    """Change some services, in each of three ways; count what the operator asks of the API server for it."""
    count = min(CHANGES, size.services - size.waiting)
    chosen = [load.service(load.name_of(number), size.replicas) for number in range(count)]

    def rate(per_second: float) -> Callable[[load.Body], load.Body]:
        spec = {"throughput": {"perSecond": per_second}}
        return lambda body: {**body, "spec": {**body["spec"], **spec}}

    full = size.replicas * load.RATE
    ways = {
        "another rate, as many replicas": rate(full - 1),
        "another rate, one replica more": rate(full + load.RATE),
        "another rate, one replica less": rate(full),
    }
    return {
        name: _changed(on, operator, bare, [change(body) for body in chosen])
        for name, change in ways.items()
    }


def _changed(on: Ground, operator: Operator, bare: Watcher, bodies: list[load.Body]) -> Found:
    settle(on)
    before, begun = requests(operator), time.time()

    def change() -> None:
        on.api.apply_all(bodies)
        settle(on, START_SECONDS)

    found = _metered(on, operator, bare, change)
    after = requests(operator)
    asked = {what: after[what] - before.get(what, 0) for what in after}
    writes = on.audit.by_operator(begun)
    return found | {
        "services": len(bodies),
        "requests": {
            what: count for what, count in asked.items() if count and "leases" not in what
        },
        "writes": audit.tally(writes),
    }


def _metered(on: Ground, operator: Operator, bare: Watcher, act: Callable[[], None]) -> Found:
    pids = {**on.pids, "kwatt": operator.pid, "bare list and watch": bare.process.pid}
    meter, begun = Meter(pids), time.monotonic()
    act()
    usage, held = meter.read(), memory(operator.pid)
    return {
        "seconds": time.monotonic() - begun,
        "cpu": usage.by_program,
        "others": usage.others,
        "rssMiB": held.now,
        "peakMiB": held.peak,
    }


def requests(operator: Operator) -> dict[str, int]:
    """Return the requests so far by verb and resource, of any outcome, as the operator counts them."""
    counts: dict[str, int] = {}
    for labels, value in _COUNTED.findall(metrics(operator)):
        said = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        what = f"{said['verb']} {said['resource']}"
        counts[what] = counts.get(what, 0) + int(float(value))
    return counts


def reads(what: str) -> bool:
    """Tell whether a request only reads."""
    return what.partition(" ")[0] in _READS


def stop_bare(bare: Watcher) -> None:
    """End the bare list and watch."""
    bare.process.kill()
    bare.process.wait()


def wait_described(on: Ground, count: int, seconds: float) -> None:
    """Wait until every InferenceService has a status."""
    path = "/apis/kwatt.dev/v1alpha1/inferenceservices"

    def described() -> bool:
        items = on.api.list(path)["items"]
        return sum(bool((one.get("status") or {}).get("conditions")) for one in items) >= count

    wait_until(described, seconds, "a status on every service", pause=5.0)
