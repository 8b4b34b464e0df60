"""Law: caps hold at every instant on the way from plan to plan, and the way ends.

A write, a binding, the end of a pod: after each the watts are counted again, by design 6 and not by the
operator's own sums. Leases are taken for granted: a new operator starts when no write of the last one is
on its way any more.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from hypothesis import given, note, settings
from hypothesis import strategies as st

from kwatt import names
from kwatt.observation.observe import observe
from kwatt.observation.values import ParsedBudget, ParsedClass, ParsedNode, ParsedPod
from kwatt.planning.plan import plan
from laws.simulated_operator import FINE, Fate, Killed, Operator, View
from laws.simulated_people import EVENT, Event, clusters, happen
from laws.simulation import Cluster

LAW = settings(max_examples=300, deadline=None, derandomize=True)
QUIET_CYCLES = 25
ALL = 10**6


class Step(NamedTuple):
    """An event, then a cycle of an operator that may know little and live for some writes only."""

    event: Event
    pods_lag: int = 0
    nodes_lag: int = 0
    writes: int = ALL
    fates: tuple[Fate, ...] = ()
    rounds: int = 1


FATE = st.sampled_from((FINE,) * 6 + (Fate(True, False), Fate(False, False), Fate(late=True)))
STEP = st.builds(
    Step,
    EVENT,
    pods_lag=st.sampled_from((0, 0, 0, 1, 2, 4, 8)),
    nodes_lag=st.sampled_from((0, 0, 0, 1, 3)),
    writes=st.one_of(st.just(ALL), st.just(ALL), st.integers(0, 8)),
    fates=st.lists(FATE, max_size=6).map(tuple),
    rounds=st.integers(0, 2),
)
STEPS = st.lists(STEP, min_size=1, max_size=10)


def drawn(cluster: Cluster, budget: ParsedBudget, *, advertised: bool) -> int:
    """Count the milliwatts under a budget: host, idle NPUs, foreign pods, and all pods without a gate.

    With `advertised` also what the nodes' shares let the kube-scheduler add.
    """
    nodes = [n for n in cluster.all(ParsedNode).values() if budget.selector.matches(n.labels)]
    return budget.host.milliwatts + sum(
        _drawn_on(cluster, node, advertised=advertised, empty_off=budget.empty_off)
        for node in nodes
    )


def _drawn_on(cluster: Cluster, node: ParsedNode, *, advertised: bool, empty_off: bool) -> int:
    classes = {c.name: c.npu_class for c in cluster.all(ParsedClass).values()}
    here = classes.get(node.labels.get("npu", ""))
    pods = [p for p in cluster.all(ParsedPod).values() if _assigned(p) == node.name]
    foreign = above = held_npus = held_idle = 0
    for pod in pods:
        own = classes.get(pod.labels.get(names.CLASS_LABEL, ""))
        npus = sum(count for key, count in pod.asked.items() if key != names.WATTS)
        if own is None:
            foreign += npus * here.max.milliwatts if here else 0
            held_npus += npus
        else:
            above += 1000 * pod.asked[names.WATTS]
            held_idle += npus * own.idle.milliwatts
            held_npus += npus if own is here else 0
    share = 1000 * node.allocatable.get(names.WATTS, 0) if advertised else 0
    idle_npus = max(0, node.capacity.get(here.resources[0], 0) - held_npus) if here else 0
    is_off = empty_off and not pods and not share
    idle = 0 if is_off or here is None else idle_npus * here.idle.milliwatts
    return foreign + held_idle + idle + max(above, share)


def _assigned(pod: ParsedPod) -> str | None:
    return pod.node or (None if pod.gated else pod.hostname)


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
            not pod.gated and not _assigned(pod)
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

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.audit = Audit(cluster)
        self.operator = Operator(cluster, self.audit.check)

    def take(self, step: Step) -> None:
        """Let one step happen."""
        happen(self.cluster, step.event)
        self.audit.people_acted(by_hand=step.event.name == "raise_share")
        operator = self.operator
        operator.view.catch_up({ParsedPod: step.pods_lag, ParsedNode: step.nodes_lag})
        operator.fates, operator.writes_left = step.fates, step.writes
        try:
            operator.cycle()
        except Killed:
            self.restart()
        self.control(step.rounds)

    def restart(self) -> None:
        """Start a new operator, when the writes of the last one have arrived."""
        self._land()
        self.operator = Operator(self.cluster, self.audit.check)

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
        """Let time pass without events, until a cycle writes nothing; return the number of cycles."""
        self.operator.fates, self.operator.writes_left = (), ALL
        for cycles in range(QUIET_CYCLES):
            self.control(3)
            self.operator.view.catch_up({})
            if not self.operator.cycle():
                return cycles
        raise AssertionError("it does not come to rest")


@LAW
@given(clusters(), STEPS)
def test_caps_hold_at_every_instant(cluster: Cluster, steps: list[Step]) -> None:
    """At no instant does the planned power under a PowerBudget exceed it (design 7.1)."""
    story = Story(cluster)
    for step in steps:
        note(str(step))
        story.take(step)


@LAW
@given(clusters(), STEPS)
def test_it_comes_to_rest_as_planned(cluster: Cluster, steps: list[Step]) -> None:
    """Idle costs nothing: no writes when nothing changes; a restart writes nothing (design 7.2, 7.5)."""
    story = Story(cluster)
    for step in steps:
        story.take(step)

    story.settle()

    story.restart()
    assert story.operator.cycle() == 0
    assert running(story.cluster) == planned(story.cluster)


def planned(cluster: Cluster) -> Counter[tuple[str, str, str]]:
    """Count the planned replicas by service, class and node."""
    placements = plan(observe(View(cluster).world(), cluster.now).snapshot).placements
    return Counter(
        {(p.service.name, p.variant.npu_class, p.node): p.replicas for p in placements}
    )


def running(cluster: Cluster) -> Counter[tuple[str, str, str]]:
    """Count the bound pods of KWatt's that are not about to end."""
    return Counter(
        (pod.labels[names.SERVICE_LABEL], pod.labels[names.CLASS_LABEL], str(pod.node))
        for pod in cluster.all(ParsedPod).values()
        if pod.node and not pod.terminating and names.SERVICE_LABEL in pod.labels
    )
