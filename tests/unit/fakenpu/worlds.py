"""Small worlds for the tests of the fake NPUs."""

from __future__ import annotations

from fakenpu.curves import Curve, Point
from fakenpu.keys import PodKey, ServiceKey
from fakenpu.pods import Node, Pod, Runtime, Service
from fakenpu.products import BY_NAME
from fakenpu.profiles import Profile, Setting
from fakenpu.shapes import Constant, Shape
from fakenpu.world import World

SERVICE = ServiceKey("team", "service")
MICRO = 1_000_000


def pod_key(number: int = 1) -> PodKey:
    return PodKey("team", f"pod-{number}")


def profile(npu_class: str, npus: int = 1, *points: tuple[int, int]) -> Profile:
    """A model `m`; points are units per second and watts, by default (100, 40) and (200, 60)."""
    rows = points or ((100, 40), (200, 60))
    curve = Curve.through(Point(rate * MICRO, watts * 1_000, 20_000) for rate, watts in rows)
    return Profile("m", "units", {Setting(npu_class, npus, ()): curve})


def one_pod_world(
    product: str,
    demand: Shape | int,
    *,
    npus: int = 1,
    runtime: Runtime = Runtime.COUNTER,
    pods: int = 1,
    **settings: object,
) -> World:
    """A node `n` with two cards of a product; pods of one service hold `npus` of its devices each."""
    kind = BY_NAME[product]
    shape = Constant(demand * MICRO) if isinstance(demand, int) else demand
    node = Node("n", kind, 2 * kind.devices_per_card)
    service = Service(SERVICE, "m", shape, runtime, **settings)  # type: ignore[arg-type]
    world = World([node], [service], {"m": profile(product, npus)})
    for number in range(1, pods + 1):
        assert world.place(Pod(pod_key(number), "n", npus, product, SERVICE))
    return world
