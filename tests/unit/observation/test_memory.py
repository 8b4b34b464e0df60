"""Law: an observer that remembers sees what one without a memory sees, whatever happened in between."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kwatt.observation.memory import Memory
from kwatt.observation.observe import observe
from kwatt.observation.parsing.table import parse
from kwatt.observation.values import Invalid, Parsed
from kwatt.observation.world import World
from unit.observation import bodies
from unit.observation.bodies import ATOM, NOW, WATTS


def moved(body: bodies.Body, **metadata: Any) -> bodies.Body:
    return {**body, "metadata": {**body["metadata"], **metadata}}


def broken_service() -> bodies.Body:
    return bodies.service(model=None)


# every object in all its states; within a state the parsed value stays the very same, as in the store
STATES: list[list[bodies.Body]] = [
    [
        bodies.node(),
        moved(bodies.node(), resourceVersion="8"),
        bodies.node(labels={"npu": "rngd"}),
        bodies.node(conditions=[{"type": "Ready", "status": "False"}]),
    ],
    [bodies.node("n2"), bodies.node("n2", {"kubernetes.io/hostname": "n1"})],
    [
        bodies.npu_class(),
        bodies.npu_class(watts=None),
        bodies.npu_class(resourceName="other/ATOM"),
        bodies.npu_class(alternativeResourceNames=["other/ATOM"]),
    ],
    [bodies.npu_class("rngd"), bodies.npu_class("rngd", nodeSelector={"matchLabels": {"npu": "atom"}})],
    [bodies.profile(), bodies.profile(points=[bodies.point(npuClass="rngd")]), bodies.profile("v8")],
    [
        bodies.service(),
        bodies.service(priorityClassName="high"),
        bodies.service(npuClasses=["gone"]),
        broken_service(),
        moved(bodies.service(), deletionTimestamp="2026-11-23T03:00:00Z"),
    ],
    [bodies.service("other", model="v8")],
    [bodies.deployment(), moved(bodies.deployment(), uid="new")],
    [
        bodies.own_pod("p"),
        bodies.own_pod("p", "n2"),
        bodies.own_pod("p", resourceVersion="9"),
        bodies.own_pod("p", deletionTimestamp="2026-11-23T03:00:00Z"),
    ],
    [bodies.own_pod("r"), bodies.own_pod("r", None)],
    [bodies.pod("q", cpu="1", **{ATOM: "1"}), bodies.pod("q", cpu="2", **{WATTS: "5"})],
    [bodies.priority("high", 5), bodies.priority("high", 6), bodies.priority("high", 5, default=True)],
    [bodies.budget(), bodies.budget(nodeSelector={"matchLabels": {"npu": "atom"}})],
]  # fmt: skip
PARSED: list[list[Parsed | Invalid]] = [
    [parse(body["kind"], body) for body in states] for states in STATES
]
SCENES = st.tuples(*(st.none() | st.sampled_from(states) for states in PARSED))
VERDICTS = st.sampled_from([{}, {("uid-traffic", 1): "no such image"}])
RECOGNISED = st.sampled_from([frozenset[str](), frozenset({"uid-p"})])


@given(st.lists(st.tuples(SCENES, VERDICTS, RECOGNISED), min_size=2, max_size=5))
@settings(deadline=None)
def test_a_memory_changes_nothing(scenes: list[tuple[Any, ...]]) -> None:
    memory = Memory()

    for entries, verdicts, recognised in scenes:
        world = World.of((one for one in entries if one), verdicts, recognised)
        assert observe(world, NOW, memory=memory) == observe(world, NOW)


def prioritised(priority: int) -> bodies.Body:
    body = bodies.own_pod("p")
    return {**body, "spec": {**body["spec"], "priority": priority}}


@pytest.mark.parametrize(
    ("others", "before", "after"),
    [
        ([bodies.service(priorityClassName="gone")], prioritised(1), prioritised(2)),
        ([bodies.service(model="v8")], bodies.profile("v8", []), bodies.profile("v8", unit="A")),
        ([bodies.service(model="v8")], bodies.profile("v8", []), bodies.profile("v8")),
    ],
)
def test_a_service_that_is_the_same_sees_what_is_around_it(
    others: list[bodies.Body], before: bodies.Body, after: bodies.Body
) -> None:
    around = [bodies.node(), bodies.npu_class(), bodies.profile(), bodies.deployment()]
    fixed = [parse(one["kind"], one) for one in (*around, bodies.own_pod("r"), *others)]
    memory = Memory()

    for body in (before, after):
        world = World.of([*fixed, parse(body["kind"], body)])
        assert observe(world, NOW, memory=memory) == observe(world, NOW)


def test_what_did_not_change_is_the_very_same() -> None:
    memory = Memory()
    world = World.of(states[0] for states in PARSED)
    before = observe(world, NOW, memory=memory).snapshot

    after = observe(world, NOW, memory=memory).snapshot

    for kind in ("nodes", "services", "pods", "deployments"):
        assert getattr(before, kind)
        assert all(map(lambda a, b: a is b, getattr(before, kind), getattr(after, kind)))
