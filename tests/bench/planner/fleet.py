"""What a generated fleet is made of: classes, curves, nodes and caps. Here nothing is random but the caps.

A device is offered as eight slices, as by vendors who partition their cards; a slice is what the model
calls an NPU, so that a replica may hold an eighth of a device or several devices. A point of a curve is a
share u of the greatest rate mu of a replica of d slices:

    rate = u mu,   mu = mu1 (d/8)^0.97,   watts = d/8 (idle + intensity (peak - idle) u^bend),
    p99  = ln(100) / (mu (1 - u)) seconds: one M/M/1 queue per replica

u goes up to 0.85, beyond that a queue is no longer planned.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np

from kwatt.model.npu import Basis, NpuClass, OperatingPoint, Profile
from kwatt.model.selectors import LabelSelector, Requirement
from kwatt.model.snapshot import Budget, Node
from kwatt.units import Power, Throughput

NOW: Final = datetime(2026, 11, 22, tzinfo=UTC)
GIB: Final = 1024**3
NAMESPACE: Final = "bench"
RACK: Final = "topology.kubernetes.io/rack"
PRODUCT: Final = "example.com/product"
HOSTNAME: Final = "kubernetes.io/hostname"
CLUSTER: Final = "cluster"
SLICES: Final = 8  # of one device
MOST_NPUS: Final = 64  # of one replica, by the schema of ModelProfile
HIGHEST_LOAD: Final = 0.85
SIZE_EXPONENT: Final = 0.97
MOST_POINTS: Final = 128  # of one ModelProfile
SOURCE: Final = "generated for the benchmark; see docs/benchmarks-planner.md"


@dataclass(frozen=True, slots=True)
class Product:
    """A device: watts and GiB of one, how many a node has, and how watts bend with load."""

    name: str
    devices: int
    idle: float
    peak: float
    memory: int
    bend: float

    @property
    def slices(self) -> int:
        """Return the slices of a node."""
        return self.devices * SLICES

    @property
    def npu_class(self) -> NpuClass:
        """Return the class of the snapshot."""
        return NpuClass(
            name=self.name,
            resources=(resource_of(self.name),),
            selector=LabelSelector((Requirement(PRODUCT, "In", (self.name,)),)),
            memory_bytes=self.memory * GIB // SLICES,
            idle=Power(round(1000 * self.idle / SLICES)),
            max=Power(round(1000 * self.peak / SLICES)),
            basis=Basis.ASSUMPTION,
        )


@dataclass(frozen=True, slots=True)
class Skill:
    """A model on a product: `rate` of one device at full load, `intensity` of its watts above idle."""

    product: Product
    rate: float
    intensity: float


def resource_of(product: str) -> str:
    """Return the extended resource of a product."""
    return f"npu.example.com/{product}"


def sizes_for(memory: int, product: Product, count: int) -> tuple[int, ...]:
    """Return the smallest size in slices that holds `memory` bytes, and up to `count` - 1 doublings."""
    smallest = 1
    while smallest * product.memory * GIB < SLICES * memory:
        smallest *= 2
    sizes = (smallest << step for step in range(count))
    return tuple(size for size in sizes if size <= min(product.slices, MOST_NPUS))


def profile_of(
    name: str, memory: int, skills: Sequence[tuple[Skill, tuple[int, ...]]], most: int
) -> Profile:
    """Return the profile of a model; each curve has as many points as fit, from 4 to `most`."""
    curves = sum(len(sizes) for _, sizes in skills)
    count = max(4, min(most, MOST_POINTS // max(1, curves)))
    points = [
        point for skill, sizes in skills for size in sizes for point in _points(skill, size, count)
    ]
    return Profile(name, "requests", memory, tuple(sorted(points, key=_order)))


def _points(skill: Skill, size: int, count: int) -> list[OperatingPoint]:
    mu = skill.rate * (size / SLICES) ** SIZE_EXPONENT
    return [_point(skill, size, mu, HIGHEST_LOAD * step / count) for step in range(1, count + 1)]


def _point(skill: Skill, size: int, mu: float, load: float) -> OperatingPoint:
    product = skill.product
    above = skill.intensity * (product.peak - product.idle) * load**product.bend
    return OperatingPoint(
        npu_class=product.name,
        npus=size,
        name=f"load-{round(1000 * load):03d}",
        rate=Throughput(max(1, round(mu * load * 10**6))),
        power=Power(round(1000 * size / SLICES * (product.idle + above))),
        p99_micros=max(1, math.ceil(10**6 * math.log(100) / (mu * (1 - load)))),
        basis=Basis.ASSUMPTION,
        source=SOURCE,
    )


def _order(point: OperatingPoint) -> tuple[str, int, str]:
    return point.npu_class, point.npus, point.name


def node_of(
    name: str, rack: str, product: Product, *, cpu_milli: int = 512_000, memory: int = 4096 * GIB
) -> Node:
    """Return a ready node; by default cpu and memory never bind."""
    return Node(
        name=name,
        labels={HOSTNAME: name, RACK: rack, PRODUCT: product.name},
        npu_class=product.name,
        resource=resource_of(product.name),
        npus_capacity=product.slices,
        npus_allocatable=product.slices,
        cpu_milli=cpu_milli,
        memory_bytes=memory,
        pods=256,
    )


@dataclass(frozen=True, slots=True)
class Caps:
    """How tight the budgets are: a rack's cap as a share of what could be reserved in it.

    The cluster's cap is `cluster` x the sum of the racks' caps.
    """

    low: float
    high: float
    cluster: float
    powered_off: bool = True


LOOSE: Final = Caps(0.72, 0.85, 0.90)
TIGHT: Final = Caps(0.45, 0.60, 0.90)


def densities(products: Iterable[Product], profiles: Iterable[Profile]) -> dict[str, int]:
    """Return the most milliwatts per NPU that a replica of any model reserves, by product.

    Budgets count reserved watts: the highest of a curve, the part above idle rounded up (design 6).
    """
    most = {product.name: product.npu_class.idle.milliwatts for product in products}
    idle = dict(most)
    for point in (point for profile in profiles for point in profile.points):
        above = point.power.milliwatts - point.npus * idle[point.npu_class]
        whole = -(-above // 1000) * 1000
        density = idle[point.npu_class] + -(-whole // point.npus)
        most[point.npu_class] = max(most[point.npu_class], density)
    return most


def budgets_of(
    nodes: Sequence[Node], density: dict[str, int], caps: Caps, rng: np.random.Generator
) -> tuple[Budget, ...]:
    """Return a budget per rack and one over all, in whole watts."""
    racks: dict[str, list[Node]] = {}
    for node in nodes:
        racks.setdefault(node.labels[RACK], []).append(node)
    found = []
    for rack, members in sorted(racks.items()):
        peak = sum(node.npus_capacity * density[node.npu_class or ""] for node in members)
        cap = round(rng.uniform(caps.low, caps.high) * peak / 1000)
        found.append(_budget(f"rack-{rack}", cap, members, caps))
    total = round(caps.cluster * sum(budget.cap.milliwatts for budget in found) / 1000)
    return (_budget(CLUSTER, total, nodes, caps), *found)


def _budget(name: str, cap: int, nodes: Iterable[Node], caps: Caps) -> Budget:
    names = tuple(sorted(node.name for node in nodes))
    return Budget(name, Power.of_watts(cap), Power(0), names, empty_off=caps.powered_off)
