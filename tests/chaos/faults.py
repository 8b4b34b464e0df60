"""The faults. Each acts on a stage whose services, budgets and nodes change all the time."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench import load
from bench.api import AWAY, Body
from bench.chaos import SERVICES
from bench.ground import wait_until
from bench.load import NAMESPACE
from bench.processes import component_pids, memory
from chaos import world
from chaos.proxy import Fault
from chaos.stage import PatientChurn, Stage
from cluster import cluster as local
from e2e.harness import REPO

Act = Callable[[Stage, bool], str]
GROWTH_MIB = 8.0  # of about 120, in the second half of a day: pages that the allocator keeps
FULL_DISK = Path("/dev/full")
LEADING = 0.8  # share of the kills that wait until it leads
LEASE = "/apis/coordination.k8s.io/v1/namespaces/kwatt-system/leases/kwatt"
MERGE = "application/merge-patch+json"
PLURALS = ("inferenceservices", "npuclasses", "modelprofiles", "powerbudgets")


@dataclass(frozen=True, slots=True)
class Scenario:
    """A fault under churn.

    `blind`: the operator cannot see meanwhile; caps and classes rest then, for nobody can keep what
    he cannot know. `moves`: pods of services that nobody touched may go, since their nodes do.
    `fails`: a cycle may fail by the fault itself. `selected`: CI tries it too.
    """

    name: str
    act: Act
    blind: bool = False
    moves: bool = False
    fails: bool = False
    selected: bool = True


def kills(stage: Stage, full: bool) -> str:
    """Kill the operator at random instants, mostly while it leads; it is started again at once.

    The Lease of the dead one is given back in its name, so that the next need not wait for its end.
    """
    number, led = 200 if full else 5, 0
    for _ in range(number):
        if stage.random.random() < LEADING:
            wait_until(stage.operator.leads, 90, "the operator to lead")
        stage.wait(stage.random.uniform(0.0, 5.0 if full else 2.0))
        led += stage.operator.leads()
        starts = stage.operator.starts
        stage.operator.signal(signal.SIGKILL)
        wait_until(lambda before=starts: stage.operator.starts > before, 60, "another start")
        stage.api.request("PATCH", LEASE, {"spec": {"holderIdentity": ""}}, MERGE)
    return f"{number} kills, {led} of a leader"


def api_server(stage: Stage, full: bool) -> str:
    """Kill the API server and start it again."""
    times = 3 if full else 1
    for _ in range(times):
        local.stop_apiserver(stage.cluster.name)
        stage.wait(15.0 if full else 5.0)
        local.start_apiserver(stage.cluster.name)
        stage.wait(10.0 if full else 3.0)
    return f"{times} kills of the API server"


def etcd(stage: Stage, full: bool) -> str:
    """Stop etcd without ending it."""
    seconds = 60.0 if full else 10.0
    _frozen(component_pids(stage.folder)["etcd"], stage, seconds)
    return f"etcd stopped for {seconds:.0f} s"


def _frozen(pid: int, stage: Stage, seconds: float) -> None:
    subprocess.run(["kill", "-STOP", str(pid)], check=True)
    try:
        stage.wait(seconds)
    finally:
        subprocess.run(["kill", "-CONT", str(pid)], check=True)


def watches_cut(stage: Stage, full: bool) -> str:
    """Cut every watch again and again."""
    before, times = stage.proxy.counts["cut"], 20 if full else 5
    for _ in range(times):
        stage.proxy.cut()
        stage.wait(2.0)
    return f"{stage.proxy.counts['cut'] - before} watches cut"


def compacted(stage: Stage, full: bool) -> str:
    """Keep watches away, delete meanwhile, and forget the history: the way back is 410 Gone."""
    deleted = 0
    for _ in range(3 if full else 1):
        with stage.proxy.failing(Fault(watch_status=503)):
            stage.proxy.cut()
            stage.wait(2.0)
            deleted += _delete_in_gap(stage)
            stage.wait(3.0)
            _compact(stage)
            local.stop_apiserver(stage.cluster.name)  # its own memory of the history goes too
            local.start_apiserver(stage.cluster.name)
        stage.wait(5.0)
        with stage.proxy.failing(Fault(watch_status=410)):
            stage.proxy.cut()
            stage.wait(3.0)
    return f"{deleted} services deleted in the gap"


def _delete_in_gap(stage: Stage) -> int:
    names = [one["metadata"]["name"] for one in stage.api.list(SERVICES)["items"]]
    chosen = [name for name in names if name.startswith("service-")][:3]
    for name in chosen:
        stage.kubectl("delete", "inferenceservices.kwatt.dev", name, "-n", NAMESPACE, check=False)
    return len(chosen)


def _compact(stage: Stage) -> None:
    config = json.loads((stage.folder / "config.json").read_text())
    at = f"http://127.0.0.1:{config['options']['etcdPort']}/v3/kv"

    def ask(verb: str, body: Body) -> Body:
        request = urllib.request.Request(f"{at}/{verb}", json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    revision = ask("range", {"key": "AA=="})["header"]["revision"]
    ask("compaction", {"revision": revision, "physical": True})


def refusals(stage: Stage, full: bool) -> str:
    """Answer half of all requests with 429, then with 500, then all watches too."""
    seconds, before = 30.0 if full else 4.0, stage.proxy.counts["refused"]
    for fault in (Fault(429, 0.5), Fault(500, 0.5), Fault(503, 0.9), Fault(500, 0.3, 0.0, 500)):
        with stage.proxy.failing(fault):
            stage.wait(seconds)
    return f"{stage.proxy.counts['refused'] - before} requests refused"


def slow(stage: Stage, full: bool) -> str:
    """Let every answer take its time."""
    lengths = (0.5, 2.0, 6.0) if full else (0.5, 2.0)
    for length in lengths:
        with stage.proxy.failing(Fault(slow_seconds=length)):
            stage.wait(30.0 if full else 6.0)
    return "answers after " + ", ".join(f"{length:g}" for length in lengths) + " s"


def two_leaders(stage: Stage, full: bool) -> str:
    """Freeze the leader until another one has taken over, and let both run."""
    stage.second.keep()
    for _ in range(3 if full else 1):
        wait_until(lambda: stage.operator.leads() or stage.second.leads(), 90, "a leader")
        leader, other = stage.operator, stage.second
        if not leader.leads():
            leader, other = other, leader
        wait_until(lambda one=other: not one.unhealthy(), 60, "a standby")
        _frozen(leader.pid, stage, 30.0 if full else 22.0)
        wait_until(other.leads, 60, "the standby to lead")
        stage.wait(5.0)
    stage.second.leave()
    return "leader frozen until another led"


def clock(stage: Stage, full: bool) -> str:
    """Let the operator's time of day jump forth and back; the monotonic clock stays."""
    jumps = (7200, -3600, 86400, 0) if full else (7200, -3600, 0)
    for seconds in jumps:
        stage.operator.clock.write_text(str(seconds))
        stage.wait(15.0 if full else 5.0)
    return "jumps to " + ", ".join(f"{one:+d}" for one in jumps) + " s"


def flapping(stage: Stage, full: bool) -> str:
    """Let nodes become unready and ready again, several times."""
    times = 8 if full else 2
    for _ in range(times):
        nodes = stage.random.sample([one["metadata"]["name"] for one in world.nodes(stage.size)], 5)
        for ready in ("False", "True"):
            for node in nodes:
                _set_ready(stage, node, ready)
            stage.wait(stage.random.uniform(0.5, 4.0))
    return f"5 nodes unready {times} times"


def _set_ready(stage: Stage, node: str, ready: str) -> None:
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    condition = {"type": "Ready", "status": ready, "reason": "Chaos"}
    condition |= {"lastHeartbeatTime": at, "lastTransitionTime": at}
    patch = {"status": {"conditions": [condition]}}
    kind = "application/strategic-merge-patch+json"
    stage.api.request("PATCH", f"/api/v1/nodes/{node}/status", patch, kind)


def rack_lost(stage: Stage, full: bool) -> str:
    """Lose every node of a rack at once, and get them back."""
    lost = world.nodes(stage.size)[: load.NODES_PER_RACK]
    for node in lost:
        stage.api.delete("Node", "", node["metadata"]["name"])
    stage.wait(60.0 if full else 10.0)
    stage.api.create_nodes(lost)
    return f"{len(lost)} nodes lost"


def full_disk(stage: Stage, full: bool) -> str:
    """Run the operator with its log on a device that is always full."""
    if not FULL_DISK.exists():
        return "SKIPPED: no /dev/full here"
    log, stage.operator.output = stage.operator.output, FULL_DISK
    _again(stage)
    stage.wait(30.0 if full else 8.0)
    assert not stage.operator.unhealthy(), stage.operator.unhealthy()
    wait_until(stage.operator.leads, 30, "the operator to lead without a log")
    stage.operator.output = log
    _again(stage)
    return "log on a device that is always full"


def _again(stage: Stage) -> None:
    starts = stage.operator.starts
    stage.operator.signal(signal.SIGTERM)
    wait_until(lambda: stage.operator.starts > starts, 60, "another start")
    wait_until(stage.operator.leads, 90, "the operator to lead")


def memory_limit(stage: Stage, full: bool) -> str:
    """Let the operator run into its memory limit, then give it memory again."""
    starts, pid = stage.operator.starts, stage.operator.pid
    wait_until(stage.operator.leads, 90, "the operator to lead")
    _limit(pid, str(_address_space(pid)))
    stage.wait(45.0 if full else 10.0)
    ended = stage.operator.starts - starts
    if not ended:
        _limit(pid, "unlimited")
    return f"address space bounded at its size: {'ended and restarted' if ended else 'went on'}"


def _limit(pid: int, size: str) -> None:
    subprocess.run(["prlimit", "--pid", str(pid), f"--as={size}:unlimited"], check=True)


def _address_space(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmSize:")) * 1024


def definitions(stage: Stage, full: bool) -> str:
    """Delete a CRD, with all its objects, and restore both."""
    for plural in PLURALS if full else PLURALS[:1]:
        stage.kubectl("delete", "crd", f"{plural}.kwatt.dev", "--wait=true", "--timeout=60s")
        stage.wait(15.0 if full else 5.0)
        stage.kubectl("apply", "--server-side", "-f", str(REPO / "crds"))
        stage.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        wait_until(lambda: _restored(stage), 60, "the objects to be accepted again")
        stage.wait(5.0)
    return "deleted and restored: " + ", ".join(PLURALS if full else PLURALS[:1])


def _restored(stage: Stage) -> bool:
    try:
        stage.apply_world()
        stage.api.apply_all(load.services(stage.size)[:5])
    except AWAY:
        return False
    return True


def day(stage: Stage, full: bool) -> str:
    """Make as many changes as a day brings with one every ten seconds, as fast as they are accepted.

    Only the time is simulated: operator and API server are the real ones. Memory may grow while caches fill
    and the allocator takes what the largest cycles need; the second half of the day must add little.
    """
    wait_until(stage.operator.leads, 90, "the operator to lead")
    warm, changes = (1_000, 8_640) if full else (60, 240)
    pid = stage.operator.pid
    _hurry(stage, warm, lambda: None)
    held = [memory(pid).now]
    seconds = _hurry(stage, changes, lambda: held.append(memory(pid).now))
    assert stage.operator.pid == pid, "the operator ended"
    told = ", ".join(f"{mib:.1f}" for mib in held)
    assert held[4] - held[2] < GROWTH_MIB, f"memory grew: {told} MiB at quarters of the day"
    return f"{changes:,} changes in {seconds:.0f} s: {told} MiB at 0, 25, 50, 75 and 100 % of them"


def _hurry(stage: Stage, changes: int, look: Callable[[], None]) -> float:
    """Make so many changes, look after each quarter, let the operator catch up; return the seconds."""
    churn, begun = PatientChurn(stage, changes), time.monotonic()
    churn.pause = 0.02
    churn.start()
    for quarter in (1, 2, 3, 4):
        due = changes * quarter // 4
        wait_until(lambda due=due: sum(churn.counts.values()) >= due, 3600, "the changes of a day")
        look()
    churn.stop()
    seconds = time.monotonic() - begun
    stage.converge(120)
    return seconds


def telemetry(stage: Stage, full: bool) -> str:
    """Take the exporters and the Prometheus server away; what was decided holds until they are back.

    The meter of a budget may be silent for a minute before it counts as lost: only the full run waits.
    """
    metered = (world.METERED,) if full else ()
    ways = {"killed": stage.exporters.dead, "answering 503": stage.exporters.refusing}
    chosen = list(ways) if full else list(ways)[:1]
    for way in chosen:
        with ways[way](), stage.prometheus.gone():
            wait_until(lambda: stage.measured(*metered) == {"False"}, 180, "Measured=False")
            stage.wait(60.0 if full else 3.0)
        wait_until(lambda: stage.measured(*metered) == {"True"}, 180, "measured again")
        if full:
            _grows(stage)
    return f"exporters {', then '.join(chosen)}; Prometheus away meanwhile"


def _grows(stage: Stage) -> None:
    """Wait until the joules of every steady service go on: they are written once a minute."""
    before = stage.steady_joules()

    def grown() -> bool:
        with contextlib.suppress(*AWAY):
            now = stage.steady_joules()
            return all(now[uid] > joules for uid, joules in before.items())
        return False

    wait_until(grown, 150, "joules that grow")


SCENARIOS = (
    Scenario("operator killed", kills),
    Scenario("API server killed", api_server, blind=True),
    Scenario("etcd stopped", etcd, blind=True),
    Scenario("watches cut", watches_cut, blind=True, selected=False),
    Scenario("history compacted", compacted, blind=True),
    Scenario("429, 500, 503", refusals, blind=True),
    Scenario("slow answers", slow, blind=True, selected=False),
    Scenario("two leaders", two_leaders),
    Scenario("clock jumped", clock),
    Scenario("nodes flapping", flapping, moves=True, selected=False),
    Scenario("rack lost", rack_lost, moves=True),
    Scenario("log device full", full_disk),
    Scenario("memory limit", memory_limit, fails=True, selected=False),
    Scenario("CRDs deleted", definitions, blind=True, moves=True),
    Scenario("a day of churn", day, selected=False),
    Scenario("telemetry gone", telemetry),
)
