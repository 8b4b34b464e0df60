"""Synthetic fleets, seeded: services with log-normal loads on classes that differ strongly.

Every figure below is an assumption (reference section 14): no public data has thousands of inference
services with their watts on dozens of accelerators.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from bench.planner.fleet import (
    GIB,
    LOOSE,
    NAMESPACE,
    NOW,
    Caps,
    Product,
    Skill,
    budgets_of,
    densities,
    node_of,
    profile_of,
    sizes_for,
)
from bench.planner.loads import Wish, cheapest, curves_of, scale_for
from kwatt.model.keys import ServiceKey
from kwatt.model.npu import NpuClass, Profile
from kwatt.model.snapshot import Node, PodShape, Service, Snapshot
from kwatt.units import Power, Throughput

MODELS: Final = 40
LOAD_SIGMA: Final = 1.4
AFFINITY_SIGMA: Final = 0.3
EFFICIENCY_SIGMA: Final = 0.4
UNSUPPORTED: Final = 0.05
SWAPPED: Final = 0.12
LIMITED: Final = 0.10
SIZES: Final = 3  # of a model on a class: the smallest that holds it, twice and four times that
CLASSES_MEASURED: Final = 10  # of one model: a ModelProfile holds 128 points
LEVELS: Final = ((400, 0.1), (300, 0.2), (200, 0.4), (100, 0.2), (0, 0.1))


@dataclass(frozen=True, slots=True)
class Shape:
    """How big a fleet is, how loaded, and how tight its caps are."""

    services: int
    classes: int
    nodes: int
    racks: int
    load: float = 0.3
    caps: Caps = LOOSE

    @property
    def name(self) -> str:
        """Return services x classes x nodes."""
        return f"{_short(self.services)}x{self.classes}x{_short(self.nodes)}"


def _short(count: int) -> str:
    return f"{count // 1000}k" if count >= 1000 and count % 1000 == 0 else str(count)


SHAPES: Final = (
    Shape(100, 5, 100, 10),
    Shape(1_000, 10, 1_000, 50),
    Shape(1_000, 10, 5_000, 250),
    Shape(10_000, 10, 5_000, 250),
    Shape(10_000, 20, 5_000, 250),
)


def synthetic(shape: Shape, seed: int) -> Snapshot:
    """Return the fleet of a shape; equal arguments give equal snapshots."""
    rng = np.random.default_rng([seed, shape.services, shape.classes, shape.nodes])
    products = _products(shape.classes, rng)
    profiles = _profiles(products, rng)
    nodes = _nodes(shape, products, rng)
    used = {node.npu_class for node in nodes}
    classes = {p.name: p.npu_class for p in products if p.name in used}
    density = densities(products, profiles.values())
    services = _services(shape, profiles, classes, nodes, rng)
    return Snapshot(
        now=NOW,
        nodes=nodes,
        classes=classes,
        profiles=profiles,
        budgets=budgets_of(nodes, density, shape.caps, rng),
        services=services,
    )


def with_caps(shape: Shape, caps: Caps) -> Shape:
    """Return the shape under other caps; all else of the snapshot stays the same."""
    return replace(shape, caps=caps)


def _products(count: int, rng: np.random.Generator) -> list[Product]:
    return [_product(number, rng) for number in range(count)]


def _product(number: int, rng: np.random.Generator) -> Product:
    peak = round(math.exp(rng.uniform(math.log(75), math.log(600))), 1)
    return Product(
        name=f"npu-{number:02d}",
        devices=int(rng.choice([4, 8, 16])),
        idle=round(peak * rng.uniform(0.12, 0.35), 1),
        peak=peak,
        memory=int(rng.choice([16, 32, 48, 64])),
        bend=float(rng.uniform(0.65, 1.0)),
    )


def _profiles(products: Sequence[Product], rng: np.random.Generator) -> dict[str, Profile]:
    per_watt = np.exp(rng.normal(0, EFFICIENCY_SIGMA, len(products)))
    profiles = (_profile(number, products, per_watt, rng) for number in range(MODELS))
    return {profile.name: profile for profile in profiles}


def _profile(
    number: int, products: Sequence[Product], per_watt: np.ndarray, rng: np.random.Generator
) -> Profile:
    memory = int(rng.choice([2, 4, 8, 16, 40], p=[0.3, 0.3, 0.2, 0.1, 0.1])) * GIB
    work, intensity = math.exp(rng.normal(0, 1)), float(rng.uniform(0.6, 1.0))
    affinity = np.exp(rng.normal(0, AFFINITY_SIGMA, len(products)))
    supported = rng.random(len(products)) >= UNSUPPORTED
    order = rng.permutation(len(products))
    skills = []
    for place in sorted(order[supported[order]][:CLASSES_MEASURED].tolist()):
        product = products[place]
        sizes = sizes_for(memory, product, SIZES)
        rate = product.peak * float(per_watt[place] * affinity[place]) / work
        if sizes:
            skills.append((Skill(product, rate, intensity), sizes))
    return profile_of(f"model-{number:02d}", memory, skills, most=6)


def _nodes(shape: Shape, products: Sequence[Product], rng: np.random.Generator) -> tuple[Node, ...]:
    """Return nodes rack by rack, mostly one class per rack; some are swapped between racks."""
    shares = rng.uniform(0.5, 1.5, len(products))
    bounds = np.round(np.cumsum(shares) / shares.sum() * shape.nodes).astype(int)
    kinds = np.searchsorted(bounds, np.arange(shape.nodes), side="right")
    swapped = rng.permutation(shape.nodes)[: 2 * (round(SWAPPED * shape.nodes) // 2)]
    kinds[swapped] = kinds[swapped[::-1]]
    racks = np.arange(shape.nodes) * shape.racks // shape.nodes
    return tuple(
        node_of(f"node-{number:05d}", f"{racks[number]:03d}", products[kinds[number]])
        for number in range(shape.nodes)
    )


def _services(
    shape: Shape,
    profiles: Mapping[str, Profile],
    classes: Mapping[str, NpuClass],
    nodes: Sequence[Node],
    rng: np.random.Generator,
) -> tuple[Service, ...]:
    known = {
        name: replace(p, points=tuple(x for x in p.points if x.npu_class in classes))
        for name, p in profiles.items()
    }
    usable = sorted(name for name, profile in known.items() if profile.points)
    wishes = [
        _wish(known[usable[int(rng.integers(len(usable)))]], rng) for _ in range(shape.services)
    ]
    npus = sum(node.npus_allocatable for node in nodes)
    idle = {name: npu_class.idle.milliwatts for name, npu_class in classes.items()}
    scale = scale_for(
        shape.load, lambda scale: float(cheapest(wishes, known, idle, scale).npus.sum()) / npus
    )
    reserved = cheapest(wishes, known, idle, scale).reserved
    return tuple(
        _service(number, wish, scale, float(reserved[number]), rng)
        for number, wish in enumerate(wishes)
    )


def _wish(profile: Profile, rng: np.random.Generator) -> Wish:
    """Return a service of a model: its weight is in units of what one small replica does."""
    curves = curves_of(profile)
    typical = float(np.median([curve[-1].rate.per_second / curve[-1].npus for curve in curves]))
    return Wish(
        model=profile.name,
        weight=typical * math.exp(rng.normal(0, LOAD_SIGMA)),
        replicas=int(rng.choice([1, 2, 3], p=[0.5, 0.35, 0.15])),
        latency=_latency(profile, rng),
    )


def _latency(profile: Profile, rng: np.random.Generator) -> int | None:
    """Return no limit for a quarter, else 0.7 to 4 x the median p99 of the points, where any meets it.

    Limits are on a grid, so that services share them as tiers of a product would.
    """
    free, factor = rng.random() < 0.25, float(rng.choice([0.7, 1.0, 1.5, 2.5, 4.0]))
    delays = [point.p99_micros for point in profile.points if point.p99_micros is not None]
    limit = round(factor * float(np.median(delays)) / 1000) * 1000
    return None if free or limit < min(delays) else limit


def _service(
    number: int, wish: Wish, scale: float, reserved: float, rng: np.random.Generator
) -> Service:
    level = int(rng.choice(len(LEVELS), p=[share for _, share in LEVELS]))
    limited, slack = rng.random() < LIMITED, rng.uniform(1.15, 2.5)
    return Service(
        key=ServiceKey(NAMESPACE, f"svc-{number:05d}"),
        model=wish.model,
        target=Throughput(max(1, round(wish.weight * scale * 10**6))),
        priority=LEVELS[level][0],
        latency_micros=wish.latency,
        power_limit=Power.of_watts(math.ceil(slack * reserved)) if limited else None,
        min_replicas=wish.replicas,
        shape=PodShape(1000, GIB),
    )
