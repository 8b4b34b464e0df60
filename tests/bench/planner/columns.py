"""All columns: every curve and every number of replicas at which a service's draw bends. No planner in sight.

With R replicas the draw R W(T/R) is linear in R as long as the share T/R stays between two points, and so are
NPUs and reserved watts. So in a linear program the numbers of replicas at the bends, rounded either way, and
at the bounds stand for all numbers. Of one curve a column with more replicas is left out unless it draws less.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.planner.problem import Bools, Curve, Floats, Ints, Problem
from kwatt.model.snapshot import Service

MOST_REPLICAS = 2**40
GIB = 2**30


@dataclass(frozen=True, slots=True)
class Columns:
    """Vectors, sorted by service: `service` counts the wanted services from 0, `numbers` names them.

    `nodes` is on how many nodes it has to be at least; `cost` the draw above the idle draw of the NPUs taken,
    `above` the reserved watts above idle, both in watts; `cpu` in cores and `memory` in GiB.
    """

    numbers: Ints
    service: Ints
    kind: Ints
    npus: Ints
    nodes: Ints
    above: Floats
    cpu: Floats
    memory: Floats
    cost: Floats
    starts: Ints  # first column of each service


def columns_of(problem: Problem, targets: Mapping[int, float]) -> Columns:
    """Return the columns of the services in `targets` (rates in millionths) that can serve them at all."""
    groups: dict[tuple[str, int | None], list[int]] = {}
    for number in sorted(targets):
        service = problem.services[number]
        groups.setdefault((service.model, service.latency_micros), []).append(number)
    parts = [part for numbers in groups.values() for part in _of_group(problem, numbers, targets)]
    of, kind, npus, nodes, above, cpu, memory, cost = (
        np.concatenate(v) for v in zip(*parts, strict=True)
    )
    order = np.lexsort((cost, npus, kind, of))
    numbers, index = np.unique(of[order], return_inverse=True)
    starts = np.flatnonzero(np.diff(index, prepend=-1))
    return Columns(
        numbers=numbers,
        service=index,
        kind=kind[order],
        npus=npus[order],
        nodes=nodes[order],
        above=above[order],
        cpu=cpu[order],
        memory=memory[order],
        cost=cost[order],
        starts=starts,
    )


def _of_group(
    problem: Problem, numbers: Sequence[int], targets: Mapping[int, float]
) -> list[tuple[Ints, Ints, Ints, Ints, Floats, Floats, Floats, Floats]]:
    services = [problem.services[number] for number in numbers]
    target = np.array([targets[number] for number in numbers])
    cpu = np.array([service.shape.cpu_milli for service in services]) / 1000
    memory = np.array([service.shape.memory_bytes for service in services]) / GIB
    deepest = [
        int(problem.npus[problem.kind == kind].max(initial=0)) for kind in range(len(problem.kinds))
    ]
    found = []
    for curve, rate in problem.usable(services[0]):
        least = np.array([service.min_replicas for service in services], dtype=np.float64)
        first = np.maximum(least, np.ceil(target / rate - 1e-9))
        most = np.array([_most(service, curve) for service in services], dtype=np.float64)
        allowed = np.array([_allows(problem, service, curve) for service in services])
        counts = _counts(curve, rate, target, first, most)
        for chosen, replicas, draw in _falling(curve, target, counts, most, allowed):
            here = np.array(numbers, dtype=np.int64)[chosen]
            many = replicas[chosen]
            found.append(
                (
                    here,
                    np.full(len(here), curve.kind, dtype=np.int64),
                    (many * curve.npus).astype(np.int64),
                    np.ceil(many / max(1, deepest[curve.kind] // curve.npus)).astype(np.int64),
                    many * curve.above / 1000,
                    many * cpu[chosen],
                    many * memory[chosen],
                    (draw[chosen] - many * curve.idle) / 1000,
                )
            )
    return found


def _counts(curve: Curve, rate: int, target: Floats, first: Floats, most: Floats) -> list[Floats]:
    """Return candidates for the number of replicas, ascending for each service."""
    bends = [target / point for point in curve.rates.tolist() if point <= rate]
    rounded = [np.floor(bend + 1e-9) for bend in bends] + [np.ceil(bend - 1e-9) for bend in bends]
    every = np.stack([first, *(np.clip(many, first, np.maximum(first, most)) for many in rounded)])
    return list(np.sort(every, axis=0))


def _falling(
    curve: Curve, target: Floats, counts: Sequence[Floats], most: Floats, allowed: Bools
) -> list[tuple[Bools, Floats, Floats]]:
    """Return, for each candidate, the services for which it draws less than any with fewer replicas."""
    best = np.full(len(target), np.inf)
    found = []
    for replicas in counts:
        draw = replicas * np.interp(target / replicas, curve.rates, curve.watts)
        chosen = (replicas <= most) & (draw < best - 1e-9 * draw) & allowed
        best = np.where(chosen, draw, best)
        found.append((chosen, replicas, draw))
    return found


def _most(service: Service, curve: Curve) -> int:
    most = MOST_REPLICAS if service.max_replicas is None else service.max_replicas
    if service.power_limit is None or curve.reserved <= 0:
        return most
    return min(most, service.power_limit.milliwatts // curve.reserved)


def _allows(problem: Problem, service: Service, curve: Curve) -> bool:
    """Tell whether a service may go to the nodes of a curve, and one of them takes a replica."""
    here, shape = problem.kind == curve.kind, service.shape
    fits = (problem.npus >= curve.npus) & (problem.cpu >= shape.cpu_milli)
    if not (here & fits & (problem.memory >= shape.memory_bytes)).any():
        return False
    return service.allowed is None or any(
        problem.kinds.get(name) == curve.kind for name in service.allowed
    )
