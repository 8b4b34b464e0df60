"""Where cpu or memory of a node runs out before its NPUs: prices, places, and what goes together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

import builders as b
from kwatt.model.plan import Plan
from kwatt.model.snapshot import Node, PodShape, Service, Snapshot
from kwatt.planning.plan import plan
from laws.strategies import LAW

WIDE = PodShape(4_000, b.GIB)  # on four NPUs
HUNGRY = PodShape(14_000, b.GIB)  # on one


def world(services: Iterable[Service], nodes: Iterable[Node]) -> Snapshot:
    """Return nodes that are off while empty; `wide` takes four NPUs for 100/s, all else one."""
    every = tuple(nodes)
    off = b.budget(cap=10**6, nodes=[node.name for node in every], empty_off=True)
    wide = b.profile(b.point(100, 240, npus=4), name="wide", memory=50 * b.GIB)
    return b.snapshot(services, every, [off], profiles=[b.profile(), wide])


def wide(count: int) -> list[Service]:
    return [b.service(f"wide{n:02}", 100, model="wide", shape=WIDE) for n in range(count)]


def hungry(count: int, replicas: int = 1) -> list[Service]:
    return [b.service(f"hungry{n:02}", 100 * replicas, shape=HUNGRY) for n in range(count)]


def nodes(count: int) -> list[Node]:
    return [b.node(f"n{number:02}") for number in range(count)]


def used(planned: Plan) -> int:
    return len({placement.node for placement in planned.placements})


def test_what_needs_npus_shares_nodes_with_what_needs_cpu() -> None:
    """One of four NPUs and 4 cores goes with four of one NPU and 14 cores each: 8 NPUs, 60 of 64 cores."""
    planned = plan(world([*wide(16), *hungry(64)], nodes(40)))

    assert (used(planned), planned.unplaced) == (16, ())


def test_replicas_of_one_service_are_spread_over_nodes_that_they_complete() -> None:
    planned = plan(world([*wide(16), *hungry(8, replicas=8)], nodes(40)))

    assert (used(planned), planned.unplaced) == (16, ())


def test_cpu_has_a_price_though_most_nodes_are_off() -> None:
    """64 x 14 cores are those of 14 nodes at 80 W, besides 64 x 50 W above idle: no plan draws less."""
    planned = plan(world(hungry(64), nodes(200)))

    assert planned.bound
    assert planned.bound.power >= b.watts(14 * 80 + 64 * 50 - 1)


def test_what_fits_on_few_nodes_only_finds_them_free() -> None:
    """Two large nodes are the cheapest for everybody, but nothing else has the memory for the large ones."""
    large = [
        b.service(f"zlarge{n}", 100, shape=PodShape(1000, 600 * b.GIB), priority=n)
        for n in range(2)
    ]
    small = [b.service(f"small{n:02}", 100, shape=PodShape(60_000, 500 * b.GIB)) for n in range(30)]
    ample = [b.node(f"x{n}", 4, memory_bytes=700 * b.GIB) for n in range(2)]

    planned = plan(world([*large, *small], [*nodes(32), *ample]))

    assert planned.unplaced == ()


shapes = st.builds(PodShape, st.integers(100, 40_000), st.integers(1, 300).map(lambda n: n * b.GIB))
many = st.lists(st.tuples(shapes, st.integers(1, 300)), min_size=14, max_size=20)


@settings(LAW, max_examples=40)  # each is solved exactly as well, which takes its time
@given(many)
def test_no_node_has_less_than_its_replicas_need(asked: list[tuple[PodShape, int]]) -> None:
    services = {
        f"s{n:02}": b.service(f"s{n:02}", target, shape=shape)
        for n, (shape, target) in enumerate(asked)
    }

    planned = plan(world(services.values(), nodes(30)))

    needs: Counter[tuple[str, str]] = Counter()
    for placement in planned.placements:
        shape = services[placement.service.name].shape
        needs[placement.node, "npus"] += placement.replicas * placement.variant.npus
        needs[placement.node, "cpu"] += placement.replicas * shape.cpu_milli
        needs[placement.node, "memory"] += placement.replicas * shape.memory_bytes
    assert all(placement.replicas > 0 for placement in planned.placements)
    there = {"npus": 8, "cpu": 64_000, "memory": 512 * b.GIB}
    assert all(amount <= there[what] for (_, what), amount in needs.items())
