"""Kill the operator again and again while everything changes; an observer watches every cap."""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import load
from bench.api import Api, ApiError, Body
from bench.ground import Ground, say, settle, wait_for_cycle, wait_until
from bench.load import Size
from e2e.harness import Operator

SERVICES = "/apis/kwatt.dev/v1alpha1/inferenceservices"
PAUSE_SECONDS = 0.6  # on average, between two changes
LEADS = "lease acquired"
EARLY = 0.25  # share of the kills that hit an operator that may not lead yet


@dataclass(frozen=True, slots=True)
class Kill:
    """How old the operator was, whether it led, and how long before it had written."""

    age: float
    led: bool
    since_write: float | None


@dataclass(frozen=True, slots=True)
class Chaos:
    """What came of it."""

    seed: int
    kills: tuple[Kill, ...]
    changes: dict[str, int]
    seconds: float
    converged_seconds: float
    unsettled: tuple[str, ...]
    observed: Body


class Churn(threading.Thread):
    """Changes services and caps without pause; the same seed makes the same changes in the same order."""

    pause = PAUSE_SECONDS

    def __init__(self, api: Api, size: Size, seed: int) -> None:
        super().__init__(daemon=True)
        self.counts: dict[str, int] = {}
        self.failure = ""
        self._api = api
        self._random = random.Random(f"churn-{seed}")
        self._caps = {body["metadata"]["name"]: body for body in load.budgets(size)}
        self._names = [load.name_of(number) for number in range(size.services)]
        self._next = size.services
        self._end = threading.Event()

    def run(self) -> None:
        """Change something, wait, and so on."""
        acts = {self._rate: 4, self._add: 2, self._remove: 2, self._cap: 2}
        while not self._end.wait(self._random.expovariate(1 / self.pause)):
            act = self._random.choices(list(acts), list(acts.values()))[0]
            try:
                self.make(act)
            except (ApiError, OSError) as error:
                self.failure = f"{act.__name__}: {error}"
                return

    def make(self, act: Callable[[], None]) -> None:
        """Make one change and count it."""
        act()
        name = act.__name__.strip("_")
        self.counts[name] = self.counts.get(name, 0) + 1

    def stop(self) -> None:
        """End after the change that is being made."""
        self._end.set()
        self.join()

    def _rate(self) -> None:
        name = self._random.choice(self._names)
        self._api.apply(load.service(name, self._random.randint(1, 9)))

    def _add(self) -> None:
        name = load.name_of(self._next)
        self._next += 1
        self._names.append(name)
        self._api.apply(load.service(name, self._random.randint(1, 9)))

    def _remove(self) -> None:
        name = self._names.pop(self._random.randrange(len(self._names)))
        self._api.delete("InferenceService", load.NAMESPACE, name)

    def _cap(self) -> None:
        name = self._random.choice(sorted(self._caps))
        body = self._caps[name]
        watts = int(body["spec"]["watts"] * self._random.uniform(0.5, 1.2))
        self._api.apply({**body, "spec": {**body["spec"], "watts": watts}})


def run_chaos(on: Ground, operator: Operator, size: Size, kills: int, seed: int) -> Chaos:
    """Kill the operator at random instants during churn, let it converge, and ask the observer."""
    say(f"chaos: {kills} kills, seed {seed}")
    begun, rng = time.time(), random.Random(f"kills-{seed}")
    with observed(on) as observer:
        churn = Churn(on.api, size, seed)
        churn.start()
        done = [_kill(on, operator, rng, number, kills) for number in range(1, kills + 1)]
        churn.stop()
        converged, unsettled = _converge(on, operator)
    if churn.failure:
        raise RuntimeError(f"the churn ended early: {churn.failure}")
    report = json.loads(observer.read_text())
    seconds = time.time() - begun
    return Chaos(seed, tuple(done), churn.counts, seconds, converged, tuple(unsettled), report)


@contextlib.contextmanager
def observed(on: Ground) -> Iterator[Path]:
    """Run the observer as a program of its own; its report is complete after the block."""
    out = Path(tempfile.mkdtemp(prefix="kwatt-observer-")) / "report.json"
    program = Path(__file__).with_name("observer.py")
    command = [sys.executable, str(program), "--kubeconfig", str(on.cluster.kubeconfig)]
    process = subprocess.Popen([*command, "--out", str(out)], stderr=subprocess.PIPE)
    try:
        assert process.stderr is not None
        if b"watching" not in process.stderr.readline():
            raise RuntimeError("the observer did not start")
        yield out
    finally:
        process.terminate()
        process.wait(timeout=300)


def _kill(on: Ground, operator: Operator, rng: random.Random, number: int, kills: int) -> Kill:
    begun, led = time.time(), operator.text().count(LEADS) - operator.running
    if not operator.running:
        operator.start()
    if rng.random() < EARLY:
        time.sleep(rng.uniform(0.0, 20.0))
    else:
        wait_until(lambda: operator.text().count(LEADS) > led, 60, "the operator to lead")
        time.sleep(rng.uniform(0.0, 12.0))
    operator.kill()
    now = time.time()
    writes = [write.at for write in on.audit.by_operator(begun)]
    kill = Kill(now - begun, bool(writes), now - max(writes) if writes else None)
    say(f"chaos: kill {number}/{kills} after {kill.age:.1f} s, {len(writes)} writes")
    return kill


def _converge(on: Ground, operator: Operator) -> tuple[float, list[str]]:
    """Return how long after the last kill the last write was, and the services that are not settled."""
    killed = time.time()
    operator.start()
    wait_for_cycle(operator)
    with contextlib.suppress(TimeoutError):
        wait_until(lambda: not unsettled(on.api), 240, "all services settled")
    last = settle(on, 300)
    return max(last, killed) - killed, unsettled(on.api)


def unsettled(api: Api) -> list[str]:
    """Name the services whose status is not about their last change, or that lack planned replicas."""
    return [body["metadata"]["name"] for body in api.list(SERVICES)["items"] if not _settled(body)]


def _settled(body: Body) -> bool:
    status, generation = body.get("status", {}), body["metadata"]["generation"]
    placed = [c for c in status.get("conditions", []) if c["type"] == "Placed"]
    ready, _, planned = status.get("summary", {}).get("replicas", "0/0").partition("/")
    return bool(placed) and placed[0].get("observedGeneration") == generation and ready == planned
