"""A fresh cluster with the nodes of the benchmark, and the operator on it."""

from __future__ import annotations

import contextlib
import re
import secrets
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import load
from bench.api import Api
from bench.audit import POLICY, AuditLog
from bench.load import Size
from bench.processes import component_pids
from cluster.cluster import Cluster, down, folder_of, up
from e2e.harness import REPO, Kubectl, Operator

QUIET_SECONDS = 12.0  # longer than any pause between two cycles that still have something to do


@dataclass(frozen=True, slots=True)
class Ground:
    """A cluster with nodes, ready to be measured."""

    cluster: Cluster
    api: Api
    audit: AuditLog
    pids: dict[str, int]


def say(text: str) -> None:
    """Show progress."""
    print(f"{time.strftime('%H:%M:%S')}  {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def ground(size: Size) -> Iterator[Ground]:
    """Run a fresh cluster without client limits, with an audit log, for the length of a block."""
    name = f"bench-{secrets.token_hex(3)}"
    policy = Path("/tmp") / f"kwatt-{name}-audit.yaml"
    policy.write_text(POLICY)
    try:
        cluster = up(name, audit_policy=policy, disable_qps_limits=True)
        yield _furnished(cluster, size)
    finally:
        down(name)
        policy.unlink()


def _furnished(cluster: Cluster, size: Size) -> Ground:
    folder = folder_of(cluster.name)
    log = folder / "clusters" / cluster.name / "logs" / "audit.log"
    ready = Ground(cluster, Api(cluster.kubeconfig), AuditLog(log), component_pids(folder))
    ready.api.apply(load.namespace())
    ready.api.create_nodes(load.nodes(size))
    patience, pause = max(120.0, size.nodes / 5), max(0.2, size.nodes / 1000)
    wait_until(lambda: _nodes_ready(ready.api) == size.nodes, patience, "all nodes ready", pause)
    return ready


def _nodes_ready(api: Api) -> int:
    nodes = api.list("/api/v1/nodes")["items"]
    ready = {"type": "Ready", "status": "True"}
    return sum(
        any(ready.items() <= one.items() for one in node["status"].get("conditions", []))
        for node in nodes
    )


@contextlib.contextmanager
def operated(on: Ground, size: Size) -> Iterator[Operator]:
    """Install KWatt with classes and budgets; run the operator until the end of the block."""
    kubectl = Kubectl(on.cluster)
    kubectl("apply", "--server-side", "-f", str(REPO / "crds"))
    kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
    on.api.apply_all([*load.catalogue(), *load.budgets(size)])
    operator = Operator(on.cluster, "operator", "--writes-per-second", "0")
    try:
        operator.start()
        wait_for_cycle(operator)
        settle(on)
        yield operator
    finally:
        operator.kill()


def wait_for_cycle(operator: Operator, seconds: float = 90.0) -> None:
    """Wait until this process leads and has been through a whole cycle."""
    wait_until(lambda: cycle_seconds(operator).get("describe", (0.0, 0))[1] > 0, seconds, "a cycle")


def cycle_seconds(operator: Operator) -> dict[str, tuple[float, int]]:
    """Return the seconds and the number of each step of a cycle so far, from /metrics."""
    text = metrics(operator)
    line = re.compile(r'kwatt_cycle_duration_seconds_(sum|count)\{step="(\w+)"\} (\S+)')
    found = {(step, what): float(value) for what, step, value in line.findall(text)}
    steps = sorted({step for step, _ in found})
    return {step: (found[step, "sum"], int(found[step, "count"])) for step in steps}


def metrics(operator: Operator) -> str:
    """Return what the operator's own endpoint tells, nothing while it is not up."""
    address = "serving address=\\[\\('127.0.0.1', (\\d+)\\)\\]"
    ports = re.findall(address, operator.text(), re.DOTALL)
    if not ports or not operator.running:
        return ""
    url = f"http://127.0.0.1:{ports[-1]}/metrics"
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
        return answer.read().decode()
    return ""


def settle(on: Ground, seconds: float = 180.0) -> float:
    """Wait until the operator has written nothing for a while; return when it last wrote."""
    begun = time.time()

    def last() -> float:
        return max((write.at for write in on.audit.by_operator(begun)), default=begun)

    wait_until(lambda: time.time() - last() > QUIET_SECONDS, seconds, "the operator to be quiet")
    return last()


def wait_until(probe: Callable[[], bool], seconds: float, what: str, pause: float = 0.2) -> None:
    """Wait for a condition, with a pause between two looks."""
    end = time.monotonic() + seconds
    while not probe():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds:g} s: {what}")
        time.sleep(pause)
