"""Law: at no instant does a budget draw more than the cap in force by the clock, and services return.

The cluster has windows and time; its pods take up to 80 s to end, and the operator wakes when its alarm
would ring. At every write, binding and end of a pod the watts are counted against the cap in force then.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, time, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

import builders as b
from kwatt.model.snapshot import Snapshot
from kwatt.observation.observe import observe
from kwatt.observation.values import ParsedBudget, ParsedPod, Window
from kwatt.observation.windows import cap_at
from kwatt.units import Power
from laws.audit import floor_of
from laws.simulated_operator import Operator
from laws.simulated_people import CAPS, clusters
from laws.simulation import STEP, Cluster
from laws.test_transitions import drawn, planned, running

LAW = settings(max_examples=100, deadline=None, derandomize=True)
SHED_SECONDS = 100  # three rounds of the simulated kubelet end a pod, and two are for the rest
BEFORE, AFTER = b.NOW + timedelta(minutes=5), b.NOW + timedelta(minutes=45)


@st.composite
def windows(draw: st.DrawFn, name: str) -> Window:
    """Draw a window of some minutes between 12:05 and 12:40 UTC."""
    start = draw(st.integers(5, 30))
    end = start + draw(st.integers(1, 10))
    cap = b.watts(draw(st.sampled_from(CAPS[1:])))
    return Window(name, "UTC", tuple(range(7)), time(12, start), time(12, end), cap)


@st.composite
def worlds(draw: st.DrawFn) -> Cluster:
    """Draw a cluster whose budgets have windows today."""
    cluster = draw(clusters())
    for name, budget in cluster.all(ParsedBudget).items():
        some = tuple(draw(windows(one)) for one in "abc"[: draw(st.integers(1, 3))])
        cluster.put(name, replace(budget, windows=some, shed_seconds=SHED_SECONDS))
    return cluster


class Day:
    """A cluster under an operator, from boundary to boundary."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.operator = Operator(cluster, self.check)
        snapshot = observe(self.operator.view.world(), b.NOW).snapshot
        self._possible = _that_can_hold(snapshot, cluster.all(ParsedBudget))

    def check(self) -> None:
        """Compare what every budget draws with the cap in force now."""
        for budget in self.cluster.all(ParsedBudget).values():
            cap = cap_at(budget, self.cluster.now).cap.milliwatts
            for advertised in (False, True) if budget.name in self._possible else ():
                now = drawn(self.cluster, budget, advertised=advertised)
                assert now <= cap, (budget.name, advertised, now, cap, self.cluster.now)

    def live(self, until: datetime) -> None:
        """Let time pass in rounds while anything happens, and else until the operator wants to be woken."""
        cluster, quiet = self.cluster, False
        while cluster.now < until:
            self.operator.view.catch_up({})
            writes, version = self.operator.cycle(), cluster.version
            end = min(observe(self.operator.view.world(), cluster.now).boundary or until, until)
            cluster.now = (end if quiet and not writes else min(end, cluster.now + STEP)) - STEP
            for _ in cluster.control():
                self.check()
            self.check()
            ending = any(pod.terminating for pod in cluster.all(ParsedPod).values())
            quiet = cluster.version == version and not ending


def _that_can_hold(snapshot: Snapshot, budgets: dict[str, ParsedBudget]) -> list[str]:
    """Return the budgets that hosts, idle NPUs and foreign pods alone never exceed."""
    floors = {one.name: floor_of(snapshot, one) for one in snapshot.budgets}
    return [name for name, one in budgets.items() if floors[name] <= min(_caps(one)).milliwatts]


def _caps(budget: ParsedBudget) -> list[Power]:
    return [budget.cap, *(window.cap for window in budget.windows)]


@LAW
@given(worlds())
def test_the_cap_in_force_holds_at_every_instant_of_a_day_with_windows(cluster: Cluster) -> None:
    """The cap holds from the first second of the window, services come back after it."""
    day = Day(cluster)

    day.live(BEFORE)
    day.live(AFTER)

    assert running(cluster) == planned(cluster)
