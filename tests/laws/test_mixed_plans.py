"""Law: also with several variants of a service at once caps hold at every instant, and the way ends.

The planner is asked for each NPU class apart, half of the rate each, and its answers are put together: what a
planner that mixes classes might give. Everything after it is the operator's own.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given, note, settings

import builders as b
from kwatt.changes.diff import diff
from kwatt.changes.splits import WHOLE, splits
from kwatt.model.keys import ServiceKey
from kwatt.model.plan import Placement, Plan
from kwatt.model.snapshot import Service, Snapshot
from kwatt.observation.observe import observe
from kwatt.observation.values import ParsedBudget
from kwatt.observation.world import World
from kwatt.planning.plan import plan
from kwatt.units import Throughput
from laws.simulated_operator import Operator, View
from laws.simulated_people import BUDGETS, clusters, new_node
from laws.simulation import Cluster
from laws.strategies import CLASSES
from laws.test_transitions import LAW, QUIET_CYCLES, STEPS, Step, Story, running

MARK = "--"


def roomy(cluster: Cluster) -> Cluster:
    """Make room for several variants: a node more of each class, caps that let some of them in."""
    for one in CLASSES:
        cluster.put(f"n-{one.name}", new_node(f"n-{one.name}", one.name, BUDGETS[:1], 4))
    for name, budget in cluster.all(ParsedBudget).items():
        cluster.put(name, replace(budget, cap=budget.cap + b.watts(400)))
    return cluster


CLUSTERS = clusters().map(roomy)


def mixed(snapshot: Snapshot) -> Plan:
    """Plan each service once per class and put the answers together."""
    halves = [half for one in snapshot.services for half in _halves(one)]
    found = plan(replace(snapshot, services=tuple(sorted(halves, key=lambda one: one.key))))
    return replace(found, placements=tuple(_whole(row) for row in found.placements))


def _halves(one: Service) -> list[Service]:
    if one.held is not None:
        return [one]
    return [
        replace(
            one,
            key=ServiceKey(one.key.namespace, f"{one.key.name}{MARK}{name}"),
            allowed=(name,),
            target=Throughput(one.target.micros // 2),
            incumbents=tuple(i for i in one.incumbents if i.variant.npu_class == name),
        )
        for name in sorted(c.name for c in CLASSES)
    ]


def _whole(row: Placement) -> Placement:
    name = row.service.name.partition(MARK)[0]
    return row._replace(service=ServiceKey(row.service.namespace, name))


class MixingOperator(Operator):
    """An operator whose services are all routed and allowed everywhere; checks how requests are divided."""

    def cycle(self) -> int:
        """Observe, plan, apply; return how many writes were tried."""
        before = self.writes
        snapshot = routed(self.view.world(), self.cluster)
        self.view.recognised = frozenset(pod.uid for pod in snapshot.pods)
        found = mixed(snapshot)
        check_splits(snapshot, found)
        self._apply(diff(snapshot, found, self.shares.advertised(snapshot)), snapshot)
        return self.writes - before


def routed(world: World, cluster: Cluster) -> Snapshot:
    """Observe, and let every service mix."""
    seen = observe(world, cluster.now).snapshot
    services = (replace(one, mixes=True, allowed=None) for one in seen.services)
    return replace(seen, services=tuple(services))


def check_splits(snapshot: Snapshot, found: Plan) -> None:
    """Weights are whole, and go to variants that can answer as long as there is one."""
    for split in splits(snapshot, found):
        pods = [p for p in snapshot.pods if p.service == split.service and not p.terminating]
        ready = {p.variant for p in pods if p.ready and not p.finished}
        planned = {row.variant for row in found.placements if row.service == split.service}
        weighted = {variant for variant, weight in split.weights if weight}
        assert sum(weight for _, weight in split.weights) == (WHOLE if planned | ready else 0)
        assert weighted <= (ready & planned or ready or planned)


@settings(LAW, max_examples=300)
@given(CLUSTERS, STEPS)
def test_caps_hold_at_every_instant(cluster: Cluster, steps: list[Step]) -> None:
    story = Story(cluster, MixingOperator)
    for step in steps:
        note(str(step))
        story.take(step)


@settings(LAW, max_examples=150)
@given(CLUSTERS, STEPS)
def test_it_comes_to_rest_as_planned(cluster: Cluster, steps: list[Step]) -> None:
    story = Story(cluster, MixingOperator)
    for step in steps:
        story.take(step)

    assert story.settle() < QUIET_CYCLES - 6

    story.restart()
    assert story.operator.cycle() == 0
    assert running(story.cluster) == wanted(story.cluster)


def wanted(cluster: Cluster) -> Counter[tuple[str, str, str]]:
    """Count the planned replicas by service, class and node."""
    placements = mixed(routed(View(cluster).world(), cluster)).placements
    counted: Counter[tuple[str, str, str]] = Counter()
    for row in placements:
        counted[row.service.name, row.variant.npu_class, row.node] += row.replicas
    return counted
