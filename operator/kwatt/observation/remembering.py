"""Between statuses, declarations and feedback: where planning goes on, and what feedback is decided from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kwatt.energy.excess import calm
from kwatt.model.feedback import DeclaredPoint, Feedback, Following, Grounds, Metered
from kwatt.model.keys import ServiceKey
from kwatt.model.measurements import PointKey
from kwatt.model.npu import OperatingPoint
from kwatt.model.plan import Plan
from kwatt.model.snapshot import Budget, Node, Snapshot
from kwatt.observation.caps import lead_of, usual_lead
from kwatt.observation.parsing.reading import Body
from kwatt.observation.parsing.remembered import (
    remembered_demand,
    remembered_drifts,
    remembered_withheld,
)
from kwatt.observation.world import World
from kwatt.units import NO_POWER, Power

METER_MS = 30_000  # assumed: until a meter that is read every 15 s shows what changed


def remembered_feedback(world: World) -> Feedback:
    """Return what the statuses in `world` say was planned with last."""
    declared = {key: point.power for key, point in _points(world)}
    drifts = {
        key: drift
        for one in world.profiles
        for key, drift in one.drifts.items()
        if declared.get(key) == drift.declared
    }
    withheld = {
        one.name: one.withheld
        for one in world.budgets
        if one.enforced_after is not None and one.withheld > NO_POWER
    }
    return Feedback(
        points={
            key: drift.planned for key, drift in drifts.items() if drift.planned > drift.declared
        },
        demands={
            ServiceKey(one.namespace, one.name): one.demanded
            for one in world.services
            if one.demand_range and one.demanded
        },
        withheld=withheld,
        drifts=drifts,
        excesses={name: calm(power) for name, power in withheld.items()},
    )


def remembered_in(statuses: Iterable[tuple[str, str, str, Body]]) -> Feedback:
    """Return what the statuses of KWatt's objects say, given with kind, namespace and name of each."""
    found = [(kind, ServiceKey(space, name), {"status": s}) for kind, space, name, s in statuses]
    demands = ((key, remembered_demand(b)) for kind, key, b in found if kind == "InferenceService")
    withheld = (
        (key.name, remembered_withheld(b)) for kind, key, b in found if kind == "PowerBudget"
    )
    profiles = ((key.name, body) for kind, key, body in found if kind == "ModelProfile")
    drifts = {k: d for name, body in profiles for k, d in remembered_drifts(name, body).items()}
    some = {name: power for name, power in withheld if power > NO_POWER}
    return Feedback(
        points={key: drift.planned for key, drift in drifts.items()},
        demands={key: rate for key, rate in demands if rate},
        withheld=some,
        drifts=drifts,
        excesses={name: calm(power) for name, power in some.items()},
    )


def grounds_of(world: World, snapshot: Snapshot, plan: Plan) -> Grounds:
    """Return what feedback is decided from besides measurements."""
    return Grounds(
        services=dict(_following(world, snapshot)),
        points=dict(_declared_points(world, snapshot)),
        budgets=dict(_metered(world, snapshot, plan)),
    )


def _following(world: World, snapshot: Snapshot) -> Iterator[tuple[ServiceKey, Following]]:
    for one in world.services:
        profile = snapshot.profiles.get(one.model)
        if one.demand_range and profile:
            key = ServiceKey(one.namespace, one.name)
            yield key, Following(one.demand_range, profile.unit, one.demanded)


def _points(world: World) -> Iterator[tuple[PointKey, OperatingPoint]]:
    """Yield the points as they are declared; those of a snapshot have measured watts already."""
    for one in world.profiles:
        for point in one.profile.points:
            yield PointKey(one.name, point.npu_class, point.npus, point.name), point


def _declared_points(world: World, snapshot: Snapshot) -> Iterator[tuple[PointKey, DeclaredPoint]]:
    for key, point in _points(world):
        npu_class = snapshot.classes.get(point.npu_class)
        if npu_class:
            yield key, DeclaredPoint(point.power, npu_class.max * point.npus)


def _metered(world: World, snapshot: Snapshot, plan: Plan) -> Iterator[tuple[str, Metered]]:
    uses = {use.name: use for use in plan.budgets}
    budgets = {budget.name: budget for budget in snapshot.budgets}
    nodes = {node.name: node for node in snapshot.nodes}
    usual = usual_lead(world)
    for one in world.budgets:
        use, budget = uses.get(one.name), budgets.get(one.name)
        if one.enforced_after is None or use is None or budget is None:
            continue
        under = [nodes[name] for name in budget.nodes]
        planned_cap = budget.cap + budget.withheld
        fixed = sum((_fixed(node, budget, snapshot) for node in under), budget.host)
        yield (
            one.name,
            Metered(
                cap=budget.coming.cap if budget.coming else planned_cap,
                planned_cap=planned_cap,
                headroom=use.headroom,
                sheddable=max(planned_cap - fixed, NO_POWER),
                reach=sum((_most(node, snapshot) for node in under), budget.host),
                sustained_ms=one.enforced_after * 1000,
                calm_ms=one.calm_after * 1000,
                unmetered=NO_POWER if one.meter and one.meter.query else budget.host,
                settle_ms=round(lead_of(one, usual).total_seconds()) * 1000 + METER_MS,
            ),
        )


def _fixed(node: Node, budget: Budget, snapshot: Snapshot) -> Power:
    """Return what a node draws when KWatt has switched off all that it can."""
    npu_class = snapshot.classes.get(node.npu_class or "")
    if npu_class is None:
        return NO_POWER
    own = max(0, node.npus_capacity - node.foreign_npus)
    idle = NO_POWER if budget.empty_off else npu_class.idle * own
    return idle + npu_class.max * node.foreign_npus + Power.of_watts(node.stuck_watts)


def _most(node: Node, snapshot: Snapshot) -> Power:
    npu_class = snapshot.classes.get(node.npu_class or "")
    return npu_class.max * node.npus_capacity if npu_class else NO_POWER
