"""openb 2023: the inventory and the latency-sensitive pods of a heterogeneous GPU cluster (data/README.md).

From the data: nodes in their order with GPUs, cpu and memory; pods with their share of GPUs, cpu and memory;
idle and full watts per CPU package and GPU. Assumed (the data says nothing of it):
* a rack is 16 consecutive nodes; racks may reserve 72-85 % of their peak, the cluster 95 % of its racks;
* speed of a GPU: P100 1, T4 1.6, V100 2.3, A10 and G2 3.6, G3 10; watts bend with load as u^0.9;
* packages of a node are its cores / 2 / cores of a package; G2 has the CPU row of T4 nodes, A10 and G3 that of
  A100 nodes; the idle watts of the packages are spread over the GPUs; their watts under load are left out;
* a GPU is offered as eight slices, and a pod's share is rounded up to 1, 2, 4 or 8 of them;
* a pod is a service. It loads its share of a G2 (71 % of the GPUs) to 60 %. It needs its share of 16 GiB, the
  least GPU memory there is, because no pod names a type that it needs;
* 24 model families, whose speed differs between GPUs by sigma 0.2; latency limits and priorities.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from bench.planner.fleet import (
    GIB,
    NAMESPACE,
    NOW,
    SLICES,
    Caps,
    Product,
    Skill,
    budgets_of,
    densities,
    node_of,
    profile_of,
    sizes_for,
)
from bench.planner.synthetic import LEVELS
from kwatt.model.keys import ServiceKey
from kwatt.model.npu import Profile
from kwatt.model.snapshot import Node, PodShape, Service, Snapshot
from kwatt.units import Throughput

DATA: Final = Path(__file__).parent / "data"
MIB: Final = 1024**2
NODES_PER_RACK: Final = 16
CAPS: Final = Caps(0.72, 0.85, 0.95)
SPEED: Final = {
    "P100": 1.0,
    "T4": 1.6,
    "V100M16": 2.3,
    "V100M32": 2.3,
    "A10": 3.6,
    "G2": 3.6,
    "G3": 10.0,
}
MEMORY: Final = {"P100": 16, "T4": 16, "V100M16": 16, "V100M32": 32, "A10": 24, "G2": 24, "G3": 80}
CPU_OF: Final = {
    "T4": "Intel-Xeon-8163",
    "G2": "Intel-Xeon-8163",
    "P100": "Intel-Xeon-ES-2682-V4",
    "V100M16": "Intel-Xeon-6326",
    "V100M32": "Intel-Xeon-6326",
    "A10": "Intel-Xeon-8369B",
    "G3": "Intel-Xeon-8369B",
}
REFERENCE: Final = "G2"
USED: Final = 0.6
BEND: Final = 0.9
FAMILIES: Final = 24
FAMILY_SIGMA: Final = 0.2
SMALLEST_MEMORY: Final = 16  # GiB
RATE: Final = 100.0  # requests per second of a GPU of speed 1; only a scale
SIZES: Final = 2  # per class: the smallest that holds the model, and twice that


class Pod(NamedTuple):
    """A pod of the trace: GPUs in thousandths, and what it asks of cpu and memory."""

    gpu_milli: int
    cpu_milli: int
    memory_mib: int

    @property
    def slices(self) -> int:
        """Return its GPUs in slices, rounded up to a power of two."""
        wanted, size = -(-self.gpu_milli * SLICES // 1000), 1
        while size < wanted:
            size *= 2
        return size


def openb(percent: int, seed: int, *, hosts: bool = True) -> Snapshot:
    """Return the inventory with `percent` of the pods, drawn by the seed.

    Unless `hosts` matter, pods ask for NPUs only, as in planner reference 14: on this inventory cpu runs
    out before NPUs, and then there is less to choose for everybody.
    """
    rng = np.random.default_rng([seed, percent])
    products, nodes = _inventory()
    pods = _drawn(percent, rng)
    if not hosts:
        pods = [pod._replace(cpu_milli=0, memory_mib=0) for pod in pods]
    profiles = _profiles(list(products.values()), {pod.slices for pod in pods}, rng)
    services = tuple(_service(number, pod, profiles, rng) for number, pod in enumerate(pods))
    density = densities(products.values(), profiles.values())
    return Snapshot(
        now=NOW,
        nodes=nodes,
        classes={name: product.npu_class for name, product in sorted(products.items())},
        profiles=profiles,
        budgets=budgets_of(nodes, density, CAPS, rng),
        services=services,
    )


def rounding_loss(pods: Sequence[Pod]) -> float:
    """Return by how much rounding to slices raises the GPUs asked for, as a share."""
    asked = sum(pod.gpu_milli for pod in pods)
    return sum(1000 * pod.slices / SLICES for pod in pods) / asked - 1


def all_pods() -> list[Pod]:
    """Return the latency-sensitive pods of the trace that ask for a GPU."""
    return [
        Pod(
            int(row["num_gpu"]) * int(row["gpu_milli"]),
            int(row["cpu_milli"]),
            int(row["memory_mib"]),
        )
        for row in read("openb_ls_pods.csv")
        for _ in range(int(row["count"]))
    ]


def read(name: str) -> list[dict[str, str]]:
    """Return the rows of a data file."""
    with (DATA / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _inventory() -> tuple[dict[str, Product], tuple[Node, ...]]:
    watts = {(row["kind"], row["model"]): row for row in read("pwr_watts.csv")}
    products: dict[str, Product] = {}
    nodes: list[Node] = []
    for row in read("openb_nodes.csv"):
        name = f"{row['model']}-{row['gpu']}".lower()
        product = products.setdefault(name, _product(name, row, watts))
        for _ in range(int(row["count"])):
            nodes.append(_node(len(nodes), product, row))
    return products, tuple(nodes)


def _node(number: int, product: Product, row: Mapping[str, str]) -> Node:
    rack = f"{number // NODES_PER_RACK:03d}"
    cpu, memory = int(row["cpu_milli"]), int(row["memory_mib"]) * MIB
    return node_of(f"openb-node-{number:04d}", rack, product, cpu_milli=cpu, memory=memory)


def _product(
    name: str, row: Mapping[str, str], watts: Mapping[tuple[str, str], Mapping[str, str]]
) -> Product:
    """Return the product of the first node of its kind; its idle watts contain a part of the host's."""
    model, devices = row["model"], int(row["gpu"])
    gpu, cpu = watts["gpu", model], watts["cpu", CPU_OF[model]]
    packages = max(1, round(int(row["cpu_milli"]) / 1000 / 2 / int(cpu["cores"])))
    host = packages * float(cpu["idle_watts"]) / devices
    return Product(
        name=name,
        devices=devices,
        idle=float(gpu["idle_watts"]) + host,
        peak=float(gpu["full_watts"]) + host,
        memory=MEMORY[model],
        bend=BEND,
    )


def _drawn(percent: int, rng: np.random.Generator) -> list[Pod]:
    pods = all_pods()
    chosen = rng.permutation(len(pods))[: round(len(pods) * percent / 100)]
    return [pods[number] for number in chosen.tolist()]


def _profiles(
    products: Sequence[Product], sizes: set[int], rng: np.random.Generator
) -> dict[str, Profile]:
    """Return a profile for each family and size of pods: the memory decides the smallest size."""
    found = {}
    for family in range(FAMILIES):
        speeds = np.exp(rng.normal(0, FAMILY_SIGMA, len(products))).tolist()
        for size in sorted(sizes):
            name = f"family-{family:02d}-{size}"
            memory = size * SMALLEST_MEMORY * GIB // SLICES
            skills = [
                (Skill(product, RATE * _speed(product) * speed, 1.0), fitting)
                for product, speed in zip(products, speeds, strict=True)
                if (fitting := sizes_for(memory, product, SIZES))
            ]
            found[name] = profile_of(name, memory, skills, most=5)
    return found


def _speed(product: Product) -> float:
    return SPEED[product.name.rpartition("-")[0].upper()]


def _service(
    number: int, pod: Pod, profiles: Mapping[str, Profile], rng: np.random.Generator
) -> Service:
    profile = profiles[f"family-{int(rng.integers(FAMILIES)):02d}-{pod.slices}"]
    level = int(rng.choice(len(LEVELS), p=[share for _, share in LEVELS]))
    target = USED * RATE * SPEED[REFERENCE] * pod.gpu_milli / 1000
    return Service(
        key=ServiceKey(NAMESPACE, f"svc-{number:05d}"),
        model=profile.name,
        target=Throughput(round(target * 10**6)),
        priority=LEVELS[level][0],
        latency_micros=_latency(profile, pod, rng),
        shape=PodShape(pod.cpu_milli, pod.memory_mib * MIB),
    )


def _latency(profile: Profile, pod: Pod, rng: np.random.Generator) -> int | None:
    """Return no limit for a quarter, else 1 to 4 x the p99 of the pod's own size at its load on a G2."""
    free, factor = rng.random() < 0.25, float(rng.choice([1.0, 1.5, 2.5, 4.0]))
    own = [p for p in profile.points if p.npu_class == "g2-8" and p.npus == pod.slices]
    load = USED * RATE * SPEED[REFERENCE] * pod.gpu_milli / 1000
    within = [p.p99_micros for p in own if p.p99_micros and p.rate.per_second >= load]
    return None if free or not within else round(factor * min(within))
