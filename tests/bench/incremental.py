"""Planning step by step on 10,000 services and 5,000 nodes: latency, starts, and drift from a fresh plan.

python tests/bench/incremental.py --changes 10000 --losses 200

Changes are random: 80 % another rate (times a log-normal factor with median e^(-sigma^2/2), so the mean
stays), 10 % removals, 10 % services that come back. They are made twice: while nothing runs, when others may
move as well (their starts count), and with all that is planned running, when only who changed may move. A
node is lost, and put back before the next one.
Seconds are of the processor, of one thread; the wall clock stands beside them.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

_TESTS = str(Path(__file__).resolve().parents[1])
if _TESTS not in sys.path:
    sys.path.insert(0, _TESTS)

from bench.planner.instances import instance  # noqa: E402
from kwatt.model.keys import ServiceKey  # noqa: E402
from kwatt.model.snapshot import Incumbent, Service, Snapshot  # noqa: E402
from kwatt.planning.accounting import drawn_by, rows_of  # noqa: E402
from kwatt.planning.delta import Delta  # noqa: E402
from kwatt.planning.incremental import REPRICED_AFTER, Planner  # noqa: E402
from kwatt.planning.plan import drafted, plan  # noqa: E402
from kwatt.planning.standing import Standing, standing_of  # noqa: E402
from kwatt.units import Throughput  # noqa: E402

SIGMA = 0.5  # of the logarithm of the factor by which a rate changes; assumed
Step = Callable[[], Delta]
Result = TypeVar("Result")


@dataclass
class Latencies:
    """Seconds of many steps, by the processor and by the wall clock."""

    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)

    def timed(self, step: Callable[[], Result]) -> Result:
        """Take a step, and note how long it took."""
        cpu, wall = time.thread_time(), time.perf_counter()
        result = step()
        self.cpu.append(time.thread_time() - cpu)
        self.wall.append(time.perf_counter() - wall)
        return result

    def __str__(self) -> str:
        return f"cpu {_percentiles(self.cpu)}; wall {_percentiles(self.wall)}"


def _percentiles(seconds: list[float]) -> str:
    ordered = sorted(seconds)
    at = {name: ordered[min(len(ordered) - 1, int(q * len(ordered)))] for name, q in _QUANTILES}
    return ", ".join(f"{name} {1000 * value:.2f} ms" for name, value in at.items())


_QUANTILES = (("p50", 0.5), ("p99", 0.99), ("max", 1.0))


def random_changes(standing: Standing, count: int, rng: random.Random) -> Iterator[Step]:
    """Yield steps, each of which changes one service."""
    keys, gone = sorted(standing.services), []
    for _ in range(count):
        what = rng.random()
        if what < 0.1:
            key = keys.pop(rng.randrange(len(keys)))
            gone.append(replace(standing.services[key], incumbents=()))
            yield lambda key=key: standing.remove(key)
        elif what < 0.2 and gone:
            service = gone.pop(rng.randrange(len(gone)))
            keys.append(service.key)
            yield lambda service=service: standing.change(service)
        else:
            service = _with_other_rate(standing.services[rng.choice(keys)], rng)
            yield lambda service=service: standing.change(service)


def _with_other_rate(service: Service, rng: random.Random) -> Service:
    factor = math.exp(rng.gauss(-SIGMA * SIGMA / 2, SIGMA))
    return replace(service, target=Throughput(max(1, round(service.target.micros * factor))))


def measure_changes(
    snapshot: Snapshot, options: argparse.Namespace, *, running: bool = False
) -> None:
    """Print latency, starts and drift of random changes; `running`: all that is planned runs at once."""
    standing, count = standing_after(snapshot), options.changes
    if running:
        run_all(standing, standing.holdings)
    latencies, starts, not_covered, repricing = Latencies(), [], 0, Latencies()
    for number, step in enumerate(random_changes(standing, count, random.Random(options.seed)), 1):
        delta = latencies.timed(step)
        not_covered += not delta.is_covered
        starts.append(delta.starts)
        if running:
            run_all(standing, delta.after)
        if number % REPRICED_AFTER == 0:
            repricing.timed(standing.reprice)
    print(f"{count} changes, {'all running' if running else 'nothing runs yet'}: {latencies}")
    print(
        f"  prices found anew every {REPRICED_AFTER} changes: {repricing}" if repricing.cpu else ""
    )
    starts.sort()
    print(f"  starts: mean {sum(starts) / count:.2f}, p99 {starts[int(0.99 * count)]}")
    print(f"  not covered, most of them services that no plan can serve: {not_covered}")
    stood = sorted(standing.services.values(), key=lambda service: service.key)
    after = replace(snapshot, services=tuple(replace(one, incumbents=()) for one in stood))
    fresh, kept = plan(after), drawn(standing)
    drift = kept / fresh.totals.draw.milliwatts - 1
    print(f"  draw {kept / 1e6:.3f} kW, fresh {fresh.totals.draw}: drift {100 * drift:.3f} %")
    print(f"  unplaced in the fresh plan: {len(fresh.unplaced)}")


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
            standing.services[key] = replace(standing.services[key], incumbents=running)


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


def measure_losses(snapshot: Snapshot, count: int, seed: int) -> None:
    """Print latency and starts of lost nodes."""
    standing = standing_after(snapshot)
    rng, latencies, starts, lost, not_covered = random.Random(seed), Latencies(), 0, 0, 0
    replicas: dict[int, int] = {}
    for holding in standing.holdings.values():
        for number, replica_count in holding.counts:
            replicas[number] = replicas.get(number, 0) + replica_count
    for number in rng.sample(sorted(replicas), min(count, len(replicas))):
        name = standing.layout.nodes[number].name
        delta = latencies.timed(lambda name=name: standing.lose(name))
        if not delta.is_covered:
            not_covered += 1
            continue
        starts, lost = starts + delta.starts, lost + replicas[number]
        standing.regain(name)
        standing.put_back(delta)
    print(f"{count} nodes lost: {latencies}")
    print(f"  starts / lost replicas: {starts} / {lost} = {starts / max(1, lost):.3f}")
    print(f"  not covered: {not_covered}")


def measure_cycles(snapshot: Snapshot, seed: int) -> None:
    """Print what whole cycles cost in which one service changed."""
    rng, planner, services = random.Random(seed), Planner(), list(snapshot.services)
    began = time.perf_counter()
    planner.plan(snapshot)
    print(f"first plan: {time.perf_counter() - began:.2f} s")
    for number in range(5):
        place = rng.randrange(len(services))
        services[place] = _with_other_rate(services[place], rng)
        changed = replace(snapshot, services=tuple(services))
        began = time.perf_counter()
        planner.plan(changed)
        print(f"plan {number + 2}, one service changed: {time.perf_counter() - began:.3f} s")


def main() -> int:
    """Measure one instance."""
    parser = argparse.ArgumentParser(description="Planning step by step.")
    parser.add_argument("--instance", default="10kx10x5k-loose-30")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--changes", type=int, default=10_000)
    parser.add_argument("--losses", type=int, default=200)
    options = parser.parse_args()
    snapshot = instance(options.instance, options.seed)
    measure_cycles(snapshot, options.seed)
    measure_losses(snapshot, options.losses, options.seed)
    measure_changes(snapshot, options)
    measure_changes(snapshot, options, running=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
