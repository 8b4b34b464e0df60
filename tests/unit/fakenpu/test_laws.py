"""What holds for every load and every coming and going of pods."""

from __future__ import annotations

import re
from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from fakenpu.keys import CardKey
from fakenpu.pods import Pod
from fakenpu.shapes import Steps
from fakenpu.world import World
from unit.fakenpu.worlds import MICRO, SERVICE, one_pod_world, pod_key

LAW = settings(max_examples=60, deadline=None, derandomize=True)
PRODUCT = "mobilint-aries-mla100"  # its exporter reads at each scrape

rates = st.integers(0, 500 * MICRO)
loads = st.lists(
    st.tuples(st.integers(0, 60), rates), min_size=1, max_size=4, unique_by=lambda s: s[0]
)
acts = st.lists(
    st.tuples(
        st.integers(1, 15), st.sampled_from(["place", "remove", "unready"]), st.integers(1, 2)
    ),
    max_size=5,
)


def world_of(steps: list[tuple[int, int]]) -> World:
    return one_pod_world(PRODUCT, Steps(tuple(sorted(steps))), queue_seconds=1)


def act(world: World, what: str, number: int) -> None:
    key = pod_key(number)
    if what == "remove":
        world.remove(key)
    else:
        world.place(Pod(key, "n", 1, PRODUCT, SERVICE, ready=what == "place"))


def exposed_milliwatts(world: World) -> dict[CardKey, int]:
    found = re.findall(r'power_watts\{device="aries(\d)"\} (\S+)', world.exposition("n"))
    return {CardKey("n", int(card)): round(float(watts) * 1_000) for card, watts in found}


@LAW
@given(steps=loads, doings=acts)
def test_the_meter_is_the_integral_of_what_is_exposed(
    steps: list[tuple[int, int]], doings: list[tuple[int, str, int]]
) -> None:
    """Whoever reads an honest exporter each millisecond gets the same joules, to the microjoule."""
    world, read = world_of(steps), defaultdict(int)
    for wait, what, number in [*doings, (20, "place", 1)]:
        for _ in range(wait):
            for card, milliwatts in exposed_milliwatts(world).items():
                read[card] += milliwatts
            world.advance(0.001)
        act(world, what, number)

    assert world.meter().cards == read


@LAW
@given(steps=loads, doings=acts)
def test_nothing_is_served_beyond_capacity_and_nothing_is_lost(
    steps: list[tuple[int, int]], doings: list[tuple[int, str, int]]
) -> None:
    world, capacity = world_of(steps), 0
    for wait, what, number in [*doings, (50, "place", 1)]:
        ready = sum(replica.pod.ready for replica in world.replicas.values())
        capacity += ready * 200 * MICRO * wait
        world.advance(wait / 1_000)
        act(world, what, number)

    work = world.meter().work[SERVICE]
    assert work.served <= capacity
    assert work.arrived == work.served + work.waiting + work.refused
    assert min(work.served, work.waiting, work.refused) >= 0


@LAW
@given(steps=loads, cuts=st.lists(st.integers(1, 40), max_size=6))
def test_how_often_one_looks_changes_nothing(steps: list[tuple[int, int]], cuts: list[int]) -> None:
    looked_at, left_alone = world_of(steps), world_of(steps)
    for cut in cuts:
        looked_at.advance(cut / 1_000)
        looked_at.meter()
        looked_at.exposition("n")

    left_alone.advance(sum(cuts) / 1_000)

    assert looked_at.meter() == left_alone.meter()
