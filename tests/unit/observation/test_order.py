"""Law: the same world in any order is an equal observation."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from unit.observation import bodies
from unit.observation.worlds import observed

WORLD = [
    *(bodies.node(f"n{number}", {"rack": "ab"[number % 2]}) for number in range(4)),
    bodies.node("twin", {"kubernetes.io/hostname": "n1"}),
    bodies.npu_class(),
    bodies.npu_class("rngd", watts=None),
    bodies.profile(points=[bodies.point("a"), bodies.point("b", npuClass="gone", perSecond=2)]),
    bodies.service(),
    bodies.service("other", npuClasses=["atom", "gone"]),
    bodies.service("broken", model=None),
    bodies.deployment(),
    *(bodies.own_pod(f"p{number}", f"n{number % 3}") for number in range(5)),
    *(bodies.pod(f"q{number}", "n2", cpu="1", **{bodies.ATOM: "1"}) for number in range(3)),
    bodies.budget("all"),
    bodies.budget("rack", windows=[bodies.window("b", watts=5000), bodies.window("a")]),
    bodies.quota({"pods": "10"}),
]


@given(order=st.permutations(WORLD))
@settings(max_examples=30, deadline=None)
def test_order_does_not_matter(order: list[bodies.Body]) -> None:
    assert observed(*order) == observed(*WORLD)
