"""Law: where there is room, a service that moves does its rate at every instant, and the node ends empty."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kwatt import names
from kwatt.observation.observe import observe
from kwatt.observation.values import ParsedPod, ParsedService
from kwatt.planning.plan import plan
from laws.simulated_operator import View
from laws.simulated_people import (
    BUDGETS,
    MODELS,
    NODES,
    add_catalogue,
    add_service,
    letting_move,
    new_budget,
    new_node,
    remove_service,
)
from laws.simulation import Cluster
from laws.strategies import LAW
from laws.test_transitions import Story, planned, running

CYCLES = 30


@st.composite
def scattered(draw: st.DrawFn) -> Story:
    """Draw a cluster at rest with room enough, after one of its services has gone."""
    cluster = Cluster()
    add_catalogue(cluster)
    classes = draw(st.sampled_from((("atom",) * 3, ("atom", "rngd", "atom"))))
    for name, npu_class in zip(NODES, classes, strict=True):
        cluster.put(name, new_node(name, npu_class, BUDGETS[:1], 6))
    cluster.put(BUDGETS[0], new_budget(BUDGETS[0], 4000, 0, empty_off=True))
    story = Story(cluster)
    for number in draw(st.permutations((0, 1, 2))):
        add_service(cluster, number, draw(st.integers(0, 71)))
        on = cluster.all(ParsedService)[f"s{number}"]
        cluster.put(on.name, replace(on, allowed=draw(st.sampled_from((("atom",), ("rngd",))))))
        story.settle()
    for name, on in cluster.all(ParsedService).items():
        cluster.put(name, replace(on, allowed=None))
    remove_service(cluster, draw(st.integers(0, 2)), 0)
    story.settle()
    return story


@settings(LAW, max_examples=60)
@given(scattered())
def test_a_service_that_moves_serves_at_every_instant(story: Story) -> None:
    """Make before break where headroom allows; nobody's served rate falls."""
    cluster = story.cluster
    letting_move(cluster)
    snapshot = observe(View(cluster).world(), cluster.now).snapshot
    moves = plan(snapshot).moves
    assume(not plan(snapshot).unplaced)
    before = {name: _done(cluster, name) for name in cluster.all(ParsedService)}

    for _ in range(CYCLES):
        story.operator.view.catch_up({})
        story.operator.cycle()
        for _ in cluster.control():
            story.audit.check()
            for name, service in cluster.all(ParsedService).items():
                assert _done(cluster, name) >= min(before[name], service.target.micros), name

    assert running(cluster) == planned(cluster)
    assert all(m.emptied not in _used(cluster) for m in moves if m.emptied)


def _done(cluster: Cluster, service: str) -> int:
    """Return the millionths of a unit per second that the ready replicas of a service sustain."""
    (profile, _) = MODELS[cluster.get(ParsedService, service).model]
    best: dict[tuple[str, str], int] = {}
    for point in profile.points:
        key = (point.npu_class, str(point.npus))
        best[key] = max(best.get(key, 0), point.rate.micros)
    return sum(
        best[pod.labels[names.CLASS_LABEL], pod.labels[names.NPUS_LABEL]]
        for pod in cluster.all(ParsedPod).values()
        if pod.ready and not pod.terminating and pod.labels.get(names.SERVICE_LABEL) == service
    )


def _used(cluster: Cluster) -> set[str]:
    return {pod.node for pod in cluster.all(ParsedPod).values() if pod.node}
