"""Planning step by step: latency, starts and drift from a fresh plan, change by change and node by node.

    python tests/bench/planner/stepping.py [--instance NAME] [--seed N] [--changes N] [--losses N]

Changes are random: 80 % another rate (times a log-normal factor with median e^(-sigma^2/2), so the mean
stays), 10 % removals, 10 % services that come back. They are made twice: while nothing runs, when others may
move as well (their starts count), and with all that is planned running, when only who changed may move. A
node is lost, and put back before the next one. Seconds are of the processor, of one thread.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeVar

_TESTS = Path(__file__).resolve().parents[2]
for _folder in (str(_TESTS), str(_TESTS.parent / "operator")):
    if _folder not in sys.path:
        sys.path.insert(0, _folder)

from bench.planner.instances import instance  # noqa: E402
from bench.planner.replay_tables import steps_table  # noqa: E402
from bench.planner.tables import Result  # noqa: E402
from kwatt.model.keys import ServiceKey  # noqa: E402
from kwatt.model.snapshot import Incumbent, Service, Snapshot  # noqa: E402
from kwatt.planning.accounting import drawn_by, rows_of  # noqa: E402
from kwatt.planning.ageing import REPRICED_AFTER, is_outdated  # noqa: E402
from kwatt.planning.delta import Delta  # noqa: E402
from kwatt.planning.plan import drafted, plan  # noqa: E402
from kwatt.planning.standing import Standing, standing_of  # noqa: E402
from kwatt.units import Throughput  # noqa: E402

SIGMA: Final = 0.5  # of the logarithm of the factor by which a rate changes; assumed
CHANGES: Final = 10_000
LOSSES: Final = 200
Step = Callable[[Standing], Delta]
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Steps:
    """What steps of one kind took and led to; `lost` are the replicas that ran on lost nodes.

    `drift` is the draw above that of a fresh plan in percent, None where all was put back.
    """

    what: str
    seconds: tuple[float, ...]
    starts: int
    lost: int
    not_covered: int
    repricing: tuple[float, ...] = ()
    drift: float | None = None


def changed(snapshot: Snapshot, seed: int, count: int, *, running: bool) -> Steps:
    """Change one service after the other; `running`: all that is planned runs at once."""
    standing, since = standing_after(snapshot), 0
    if running:
        run_all(standing, standing.holdings)
    seconds, renewal, starts, not_covered = [], [], 0, 0
    changes = RandomChanges(standing.services.values(), random.Random(seed))
    for _ in range(count):
        if is_outdated(standing, since) or since >= REPRICED_AFTER:
            standing, taken = _timed(
                lambda last=standing, steps=since: _renewed(last, steps, snapshot)
            )
            renewal.append(taken)
            since = 0
        step = changes.next(standing)
        delta, taken = _timed(lambda last=standing, step=step: step(last))
        seconds.append(taken)
        since += 1
        not_covered += not delta.is_covered
        starts += delta.starts
        if running:
            run_all(standing, delta.after)
    what = f"a service changed, {'all' if running else 'nothing'} runs"
    drift = _drift(standing, snapshot)
    return Steps(what, tuple(seconds), starts, 0, not_covered, tuple(renewal), drift)


def _renewed(standing: Standing, steps: int, snapshot: Snapshot) -> Standing:
    """Do what a planner does after so many steps: plan everything, or find prices anew."""
    if is_outdated(standing, steps):
        stood = sorted(standing.services.values(), key=lambda service: service.key)
        made = drafted(replace(snapshot, services=tuple(stood)))
        anew = None if made.unplaced else standing_of(made.draft, made.market)
        if anew and drawn(anew) < drawn(standing):
            return anew
    standing.reprice()
    return standing


def node_lost(snapshot: Snapshot, seed: int, count: int) -> Steps:
    """Lose one node with replicas after the other; each is put back before the next."""
    standing = standing_after(snapshot)
    replicas: dict[int, int] = {}
    for holding in standing.holdings.values():
        for number, replica_count in holding.counts:
            replicas[number] = replicas.get(number, 0) + replica_count
    seconds, starts, lost, not_covered = [], 0, 0, 0
    for number in random.Random(seed).sample(sorted(replicas), min(count, len(replicas))):
        name = standing.layout.nodes[number].name
        delta, taken = _timed(lambda name=name: standing.lose(name))
        seconds.append(taken)
        if not delta.is_covered:
            not_covered += 1
            continue
        starts, lost = starts + delta.starts, lost + replicas[number]
        standing.regain(name)
        standing.put_back(delta)
    return Steps("a node lost", tuple(seconds), starts, lost, not_covered)


def stepping(
    snapshot: Snapshot, seed: int, changes: int = CHANGES, losses: int = LOSSES
) -> tuple[Steps, ...]:
    """Take all kinds of steps. Raises ValueError where a fresh plan does not serve everybody."""
    return (
        changed(snapshot, seed, changes, running=False),
        changed(snapshot, seed, changes, running=True),
        node_lost(snapshot, seed, losses),
    )


def as_json(found: Iterable[Steps]) -> dict[str, Any]:
    """Return steps as plain values."""
    return {"steps": [asdict(one) for one in found]}


class RandomChanges:
    """Steps, each of which changes one service; who found no room when it came back stays away."""

    def __init__(self, services: Iterable[Service], rng: random.Random) -> None:
        self._keys, self._rng = sorted(service.key for service in services), rng
        self._gone: list[Service] = []
        self._back: Service | None = None

    def next(self, standing: Standing) -> Step:
        """Return the next step, after all those before were taken."""
        keys, gone, rng = self._keys, self._gone, self._rng
        if self._back:
            came = self._back.key in standing.services
            keys.append(self._back.key) if came else gone.append(self._back)
            self._back = None
        what = rng.random()
        if what < 0.1:
            key = keys.pop(rng.randrange(len(keys)))
            gone.append(replace(standing.services[key], incumbents=()))
            return lambda standing: standing.remove(key)
        if what < 0.2 and gone:
            self._back = back = gone.pop(rng.randrange(len(gone)))
            return lambda standing: standing.change(back)
        service = _with_other_rate(standing.services[rng.choice(keys)], rng)
        return lambda standing: standing.change(service)


def _with_other_rate(service: Service, rng: random.Random) -> Service:
    factor = math.exp(rng.gauss(-SIGMA * SIGMA / 2, SIGMA))
    return replace(service, target=Throughput(max(1, round(service.target.micros * factor))))


def run_all(standing: Standing, keys: Iterable[ServiceKey]) -> None:
    """Let all replicas of some services run where they are planned."""
    nodes = standing.layout.nodes
    for key in keys:
        if holding := standing.holdings.get(key):
            demand = holding.demand
            running = tuple(
                Incumbent(demand.variant, nodes[number].name, count, demand.watts)
                for number, count in holding.counts
            )
            standing.see([replace(standing.services[key], incumbents=running)])


def standing_after(snapshot: Snapshot) -> Standing:
    """Return what stands after a full plan; raise ValueError if not everybody is served."""
    made = drafted(snapshot)
    standing = None if made.unplaced else standing_of(made.draft, made.market)
    if standing is None:
        raise ValueError("not everybody is served: nothing to do step by step")
    return standing


def drawn(standing: Standing) -> int:
    """Return the draw of all that stands, in milliwatts, counted from nothing."""
    holdings = {key: (holding,) for key, holding in standing.holdings.items()}
    return drawn_by(standing.layout, rows_of(standing.layout, holdings)).milliwatts


def _drift(standing: Standing, snapshot: Snapshot) -> float:
    """Return how far the draw is above that of a plan from nothing, in percent."""
    stood = sorted(standing.services.values(), key=lambda service: service.key)
    after = replace(snapshot, services=tuple(replace(one, incumbents=()) for one in stood))
    return 100 * (drawn(standing) / plan(after).totals.draw.milliwatts - 1)


def _timed(step: Callable[[], Found]) -> tuple[Found, float]:
    began = time.thread_time()
    found = step()
    return found, time.thread_time() - began


def main() -> int:
    """Measure one instance and print the table."""
    parser = argparse.ArgumentParser(description="Planning step by step.")
    parser.add_argument("--instance", default="10kx10x5k-loose-30")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--changes", type=int, default=CHANGES)
    parser.add_argument("--losses", type=int, default=LOSSES)
    options = parser.parse_args()
    snapshot = instance(options.instance, options.seed)
    found = stepping(snapshot, options.seed, options.changes, options.losses)
    result = Result("step by step", options.instance, options.seed, "steps", as_json(found))
    print("\n".join(steps_table([result])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
