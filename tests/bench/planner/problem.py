"""A snapshot as vectors, for baselines, evaluation and bound. Nothing here comes from the planner.

Watts are whole milliwatts, rates millionths of a unit per second. Generated snapshots have no foreign pods,
taints, quotas or settings (`env`); anything of that kind is refused, so that nothing is left out silently.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.planner.loads import best_within, curves_of, reserved_of
from kwatt.model.npu import OperatingPoint
from kwatt.model.plan import Plan
from kwatt.model.snapshot import Service, Snapshot

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
UNLIMITED = 2**60


@dataclass(frozen=True, slots=True)
class Curve:
    """A model on a class with a size. `reserved` of one replica contains `idle`, that of its NPUs."""

    number: int
    kind: int
    npus: int
    points: tuple[OperatingPoint, ...]
    rates: Floats
    watts: Floats
    reserved: int
    idle: int

    @property
    def above(self) -> int:
        """Return the whole watts above idle that a replica reserves, in milliwatts."""
        return self.reserved - self.idle

    def sustained(self, latency: int | None) -> int:
        """Return the rate of one replica within the latency limit, 0 if there is none."""
        point = best_within(self.points, latency)
        return point.rate.micros if point else 0

    def draw(self, rate: float) -> float:
        """Return the milliwatts of a replica: linear between points, the lowest point's below (design 6)."""
        return float(np.interp(rate, self.rates, self.watts))


class Row(NamedTuple):
    """Alike replicas of a service on a node; `rate` is what each serves, None for its share by ability."""

    service: int
    curve: int
    node: int
    replicas: int
    rate: float | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """Nodes, curves and budgets by number, in the snapshot's order."""

    snapshot: Snapshot
    services: tuple[Service, ...]
    kinds: Mapping[str, int]
    kind: Ints  # of each node
    npus: Ints
    idle: Ints  # of one NPU of each node
    cpu: Ints
    memory: Ints
    pods: Ints
    members: tuple[Ints, ...]  # nodes under each budget
    room: Ints  # cap less host of each budget
    empty_off: Bools
    curves: tuple[Curve, ...]
    by_model: Mapping[str, tuple[Curve, ...]]

    @property
    def nodes(self) -> int:
        """Return the number of nodes."""
        return len(self.npus)

    def usable(self, service: Service) -> list[tuple[Curve, int]]:
        """Return the curves that a service may use, with the rate of one replica on each."""
        found = []
        for curve in self.by_model[service.model]:
            rate = curve.sustained(service.latency_micros)
            if rate > 0 and _is_allowed(self, service, curve):
                found.append((curve, rate))
        return found

    def opening(self) -> Ints:
        """Return the milliwatts that each node draws once it holds its first replica, 0 if it does anyway."""
        off = np.zeros(self.nodes, dtype=bool)
        for members in (m for m, o in zip(self.members, self.empty_off, strict=True) if o):
            off[members] = True
        return np.where(off, self.npus * self.idle, 0)


def problem_of(snapshot: Snapshot) -> Problem:
    """Lay a snapshot out. Raises ValueError for what the benchmark does not model."""
    _check(snapshot)
    kinds = {name: number for number, name in enumerate(sorted(snapshot.classes))}
    numbers = {node.name: number for number, node in enumerate(snapshot.nodes)}
    curves, by_model = _curves(snapshot, kinds)
    classes = [snapshot.classes[node.npu_class or ""] for node in snapshot.nodes]
    return Problem(
        snapshot=snapshot,
        services=snapshot.services,
        kinds=kinds,
        kind=_vector([kinds[c.name] for c in classes]),
        npus=_vector([node.npus_allocatable for node in snapshot.nodes]),
        idle=_vector([c.idle.milliwatts for c in classes]),
        cpu=_vector([node.cpu_milli for node in snapshot.nodes]),
        memory=_vector([node.memory_bytes for node in snapshot.nodes]),
        pods=_vector([node.pods for node in snapshot.nodes]),
        members=tuple(_vector([numbers[n] for n in b.nodes]) for b in snapshot.budgets),
        room=_vector([b.cap.milliwatts - b.host.milliwatts for b in snapshot.budgets]),
        empty_off=np.array([b.empty_off for b in snapshot.budgets], dtype=bool),
        curves=curves,
        by_model=by_model,
    )


def rows_of(problem: Problem, plan: Plan) -> list[Row]:
    """Return a plan's placements as rows: who, where, how many, and the rate that the plan claims."""
    nodes = {node.name: number for number, node in enumerate(problem.snapshot.nodes)}
    services = {service.key: number for number, service in enumerate(problem.services)}
    curves = {
        (model, name, curve.npus): curve.number
        for model, of_model in problem.by_model.items()
        for curve in of_model
        for name, kind in problem.kinds.items()
        if kind == curve.kind
    }
    return [
        Row(
            service=services[p.service],
            curve=curves[
                problem.services[services[p.service]].model, p.variant.npu_class, p.variant.npus
            ],
            node=nodes[p.node],
            replicas=p.replicas,
            rate=p.rate.micros / p.replicas,
        )
        for p in plan.placements
    ]


def _curves(
    snapshot: Snapshot, kinds: Mapping[str, int]
) -> tuple[tuple[Curve, ...], dict[str, tuple[Curve, ...]]]:
    every: list[Curve] = []
    by_model: dict[str, tuple[Curve, ...]] = {}
    for name, profile in sorted(snapshot.profiles.items()):
        first = len(every)
        for points in curves_of(profile):
            npu_class = snapshot.classes.get(points[0].npu_class)
            if npu_class and points[0].npus * npu_class.memory_bytes >= profile.memory_bytes:
                every.append(
                    _curve(len(every), kinds[npu_class.name], points, npu_class.idle.milliwatts)
                )
        by_model[name] = tuple(every[first:])
    return tuple(every), by_model


def _curve(number: int, kind: int, points: Sequence[OperatingPoint], idle: int) -> Curve:
    return Curve(
        number=number,
        kind=kind,
        npus=points[0].npus,
        points=tuple(points),
        rates=np.array([p.rate.micros for p in points], dtype=np.float64),
        watts=np.array([p.power.milliwatts for p in points], dtype=np.float64),
        reserved=reserved_of(points, idle),
        idle=points[0].npus * idle,
    )


def _is_allowed(problem: Problem, service: Service, curve: Curve) -> bool:
    if service.allowed is None:
        return True
    return any(problem.kinds.get(name) == curve.kind for name in service.allowed)


def _check(snapshot: Snapshot) -> None:
    for node in snapshot.nodes:
        plain = node.ready and not node.unschedulable and not node.taints
        if not plain or node.foreign_npus or node.stuck_npus or node.npu_class is None:
            raise ValueError(f"node {node.name} is not one that the benchmark models")
    if snapshot.quotas or any(service.held for service in snapshot.services):
        raise ValueError("the benchmark models no quotas and no held services")


def _vector(amounts: Sequence[int]) -> Ints:
    return np.array(amounts, dtype=np.int64)
