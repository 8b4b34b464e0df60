"""Law: caps hold at every instant on the way from plan to plan, and the way ends.

A write, a binding, the end of a pod: after each the watts are counted again, by design 6 and not by the
operator's own sums. Leases are taken for granted: a new operator starts when no write of the last one is
on its way any more.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import NamedTuple

from hypothesis import given, note, settings
from hypothesis import strategies as st

from kwatt import names
from kwatt.model.npu import NpuClass
from kwatt.observation.observe import observe
from kwatt.observation.values import ParsedBudget, ParsedClass, ParsedNode, ParsedPod
from kwatt.planning.plan import plan
from laws.simulated_operator import FINE, Fate, Killed, Operator, View
from laws.simulated_people import (
    BUDGETS,
    CALM_EVENT,
    EVENT,
    NODES,
    Event,
    add_catalogue,
    add_service,
    clusters,
    happen,
    letting_move,
    new_budget,
    new_node,
    sleepy_clusters,
)
from laws.simulation import Cluster
from laws.strategies import CLASSES

LAW = settings(max_examples=600, deadline=None, derandomize=True)
QUIET_CYCLES = 25
ALL = 10**6


class Step(NamedTuple):
    """An event, then cycles of an operator that may know little and live for some writes only."""

    event: Event
    cycles: int = 1
    pods_lag: int = 0
    nodes_lag: int = 0
    writes: int = ALL
    fates: tuple[Fate, ...] = ()
    rounds: int = 1


FATE = st.sampled_from((FINE,) * 6 + (Fate(True, False), Fate(False, False), Fate(late=True)))


def steps_of(event: st.SearchStrategy[Event]) -> st.SearchStrategy[list[Step]]:
    """Draw some steps, with late news, lost writes and an operator that may end at any write."""
    step = st.builds(
        Step,
        event,
        cycles=st.integers(1, 3),
        pods_lag=st.sampled_from((0, 0, 0, 1, 2, 4, 8)),
        nodes_lag=st.sampled_from((0, 0, 0, 1, 3)),
        writes=st.one_of(st.just(ALL), st.just(ALL), st.integers(0, 8)),
        fates=st.lists(FATE, max_size=6).map(tuple),
        rounds=st.integers(0, 2),
    )
    return st.lists(step, min_size=3, max_size=12)


MOVING = st.one_of(clusters().map(letting_move), sleepy_clusters())
STEPS, CALM_STEPS = steps_of(EVENT), steps_of(CALM_EVENT)


def drawn(cluster: Cluster, budget: ParsedBudget, *, advertised: bool) -> int:
    """Count the milliwatts under a budget: host, idle NPUs, foreign pods, and KWatt's pods.

    Those are the bound ones, and those without a gate as far as their node's share lets them be bound;
    with `advertised` all that the shares let the kube-scheduler bind.
    """
    nodes = [n for n in cluster.all(ParsedNode).values() if budget.selector.matches(n.labels)]
    return budget.host.milliwatts + sum(
        _drawn_on(cluster, node, advertised=advertised, empty_off=budget.empty_off)
        for node in nodes
    )


def _drawn_on(cluster: Cluster, node: ParsedNode, *, advertised: bool, empty_off: bool) -> int:
    classes = {c.name: c.npu_class for c in cluster.all(ParsedClass).values()}
    here = classes.get(node.labels.get("npu", ""))
    pods = list(cluster.all(ParsedPod).values())
    bound = [pod for pod in pods if pod.node == node.name]
    share = node.allocatable.get(names.WATTS, 0)
    held = sum(pod.asked.get(names.WATTS, 0) for pod in bound)
    free = waiting = max(0, share - held)
    if not advertised:
        waiting = sum(p.asked[names.WATTS] for p in pods if _waits_for(p, node.name))
    is_off = empty_off and not bound and not share
    return 1000 * (held + min(free, waiting)) + _held_idle_and_foreign(here, bound, node, is_off)


def _held_idle_and_foreign(
    here: NpuClass | None, bound: list[ParsedPod], node: ParsedNode, is_off: bool
) -> int:
    """Count the idle part of all NPUs, held or not, and the rest of what foreign pods may draw."""
    idle_of = {one.name: one.idle.milliwatts for one in CLASSES}
    total = held = 0
    for pod in bound:
        own = pod.labels.get(names.CLASS_LABEL)
        npus = sum(n for key, n in pod.asked.items() if own or (here and key in here.resources))
        npus -= pod.asked.get(names.WATTS, 0) if own else 0
        total += npus * (idle_of[own] if own else here.max.milliwatts if here else 0)
        held += npus if here and own in (None, here.name) else 0
    if here is None or is_off:
        return total
    return total + here.idle.milliwatts * max(0, node.capacity.get(here.resources[0], 0) - held)


def _waits_for(pod: ParsedPod, node: str) -> bool:
    return pod.hostname == node and not (pod.gated or pod.node or pod.terminating)


class Audit:
    """No sum may rise above its cap; one that people have put above it may not rise at all."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._most: dict[tuple[str, bool], int] = {}
        self._unruly: set[str] = set()
        self.people_acted()

    def people_acted(self, *, by_hand: bool = False) -> None:
        """Take the cluster as it is now for a start."""
        rogue = by_hand or any(
            not (pod.gated or pod.node or pod.hostname)
            for pod in self._cluster.all(ParsedPod).values()
        )
        for budget, advertised, now in self._sums():
            self._most[budget.name, advertised] = max(budget.cap.milliwatts, now)
            if advertised and rogue and now > budget.cap.milliwatts:
                self._unruly.add(budget.name)

    def check(self) -> None:
        """Count every budget, and lower the bar to what is counted."""
        for budget, advertised, now in self._sums():
            most = self._most[budget.name, advertised]
            if not advertised and budget.name in self._unruly:
                most = now
            assert now <= most, (budget.name, advertised, now, most)
            self._most[budget.name, advertised] = max(budget.cap.milliwatts, min(most, now))
            if advertised and now <= budget.cap.milliwatts:
                self._unruly.discard(budget.name)

    def _sums(self):
        for budget in self._cluster.all(ParsedBudget).values():
            for advertised in (False, True):
                yield budget, advertised, drawn(self._cluster, budget, advertised=advertised)


class Story:
    """A cluster with an operator and an audit."""

    def __init__(self, cluster: Cluster, kind: type[Operator] = Operator) -> None:
        self.cluster = cluster
        self.audit = Audit(cluster)
        self._kind = kind
        self.operator = kind(cluster, self.audit.check)

    def take(self, step: Step) -> None:
        """Let one step happen. What people do is known at once, unless they do it to KWatt's pods."""
        operator, before = self.operator, self.cluster.version
        self._land()
        happen(self.cluster, step.event)
        self.audit.people_acted(by_hand=step.event.name == "raise_share")
        operator.view.catch_up({ParsedPod: step.pods_lag, ParsedNode: step.nodes_lag})
        if step.event.name not in ("delete_pod", "remove_gate"):
            operator.view.hear(before)
        operator.fates, operator.writes_left = step.fates, step.writes
        try:
            for _ in range(step.cycles):
                operator.cycle()
        except Killed:
            self.restart()
        self.control(step.rounds)

    def restart(self) -> None:
        """Start a new operator, when the writes of the last one have arrived."""
        self._land()
        self.operator = self._kind(self.cluster, self.audit.check)

    def control(self, rounds: int) -> None:
        """Let Kubernetes act."""
        for _ in range(rounds):
            for _ in self.cluster.control():
                self.audit.check()
            self._land()

    def _land(self) -> None:
        for _ in self.operator.land():
            self.audit.check()

    def settle(self) -> int:
        """Find lost nodes again, then let time pass; return after which cycle nothing was written."""
        for name, node in self.cluster.all(ParsedNode).items():
            self.cluster.put(name, replace(node, ready=True))
        self.audit.people_acted()
        self.operator.fates, self.operator.writes_left = (), ALL
        written = [self._quiet_cycle() for _ in range(QUIET_CYCLES)]
        return max((number for number, writes in enumerate(written) if writes), default=-1)

    def _quiet_cycle(self) -> int:
        self.control(2)
        self.operator.view.catch_up({})
        return self.operator.cycle()


@LAW
@given(clusters(), STEPS)
def test_caps_hold_at_every_instant(cluster: Cluster, steps: list[Step]) -> None:
    """At no instant does the planned power under a PowerBudget exceed it (design 7.1)."""
    keeps_caps(cluster, steps)


@settings(LAW, max_examples=300)
@given(MOVING, CALM_STEPS)
def test_caps_hold_at_every_instant_while_replicas_move(
    cluster: Cluster, steps: list[Step]
) -> None:
    """Old and new replicas of a move count together (design 7.1, 3.5)."""
    keeps_caps(cluster, steps)


def keeps_caps(cluster: Cluster, steps: list[Step]) -> None:
    """Take the steps; the story's audit counts after each write."""
    story = Story(cluster)
    for step in steps:
        note(str(step))
        story.take(step)


@settings(LAW, max_examples=200)
@given(clusters(), STEPS)
def test_it_comes_to_rest_as_planned(cluster: Cluster, steps: list[Step]) -> None:
    """Idle costs nothing: no writes when nothing changes; a restart writes nothing (design 7.2, 7.5)."""
    rests_as_planned(cluster, steps)


@settings(LAW, max_examples=150)
@given(MOVING, CALM_STEPS)
def test_moves_come_to_rest_as_planned(cluster: Cluster, steps: list[Step]) -> None:
    """A move ends, and nothing moves back."""
    rests_as_planned(cluster, steps)


def rests_as_planned(cluster: Cluster, steps: list[Step]) -> None:
    """Take the steps, and then wait until nothing is written any more."""
    story = Story(cluster)
    for step in steps:
        story.take(step)

    assert story.settle() < QUIET_CYCLES - 6

    story.restart()
    assert story.operator.cycle() == 0
    assert running(story.cluster) == planned(story.cluster)


def planned(cluster: Cluster) -> Counter[tuple[str, str, str]]:
    """Count the planned replicas by service, class and node."""
    placements = plan(observe(View(cluster).world(), cluster.now).snapshot).placements
    return Counter({(p.service.name, p.variant.npu_class, p.node): p.replicas for p in placements})


def running(cluster: Cluster) -> Counter[tuple[str, str, str]]:
    """Count the bound pods of KWatt's that are not about to end."""
    return Counter(
        (pod.labels[names.SERVICE_LABEL], pod.labels[names.CLASS_LABEL], str(pod.node))
        for pod in cluster.all(ParsedPod).values()
        if pod.node and not pod.terminating and names.SERVICE_LABEL in pod.labels
    )


def test_a_share_that_fell_counts_until_the_pods_bound_under_it_are_seen() -> None:
    """Nodes and Pods are watched apart: the one watch may be minutes behind the other."""
    cluster = two_nodes_under_one_cap()
    story = Story(cluster)
    for _ in range(3):
        story.take(Step(Event("nothing")))
    (first,) = cluster.all(ParsedPod).values()
    cluster.end(first)
    story.control(4)
    story.operator.view.catch_up({})

    happen(
        cluster, Event("remove_gate", 0, 3)
    )  # its successor is bound under the share of the first
    story.control(1)
    happen(cluster, Event("cordon"))
    for _ in range(4):
        story.operator.view.catch_up({ParsedPod: ALL})
        story.operator.cycle()

    shares = [n.allocatable.get(names.WATTS) for n in cluster.all(ParsedNode).values()]
    assert shares == [0, 49]  # of 150 W: 40 idle, 61 of the unseen pod


def two_nodes_under_one_cap() -> Cluster:
    """Make room for one replica of one service."""
    cluster = Cluster()
    add_catalogue(cluster)
    for name in NODES[:2]:
        cluster.put(name, new_node(name, "atom", BUDGETS[:1]))
    cluster.put(BUDGETS[0], new_budget(BUDGETS[0], 150, 0, empty_off=False))
    add_service(cluster, 0, 0)
    return cluster
