"""Laws of planning step by step: whatever changes, the plan is as true as one made from nothing."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

import builders as b
from kwatt.model.plan import Plan
from kwatt.model.snapshot import Service, Snapshot
from kwatt.planning.accounting import hash_of
from kwatt.planning.incremental import Planner
from kwatt.planning.ledger import Ledger
from kwatt.planning.plan import drafted, plan
from kwatt.planning.standing import standing_of
from laws.audit import counted, quota_excess
from laws.strategies import LAW, services, snapshots, with_plan_running

TARGETS = (20, 45, 60, 100, "133.7", 210, 390)


@st.composite
def newcomers(draw: st.DrawFn, name: str) -> Service:
    """Draw a service that runs nowhere yet."""
    return draw(easy(draw(services(name))))


@st.composite
def changed(draw: st.DrawFn, snapshot: Snapshot, planned: Plan) -> Snapshot:
    """Draw what comes after a plan: some of it was carried out, and one or two services changed."""
    if draw(st.booleans()):
        snapshot = with_plan_running(snapshot, planned)
    found = {service.key: service for service in snapshot.services}
    for _ in range(draw(st.integers(1, 2))):
        key = draw(st.sampled_from(sorted(found))) if found else None
        what = draw(st.sampled_from(("rate", "rate", "rate", "limit", "add", "remove")))
        if key and what == "rate":
            found[key] = replace(found[key], target=b.rate(draw(st.sampled_from(TARGETS))))
        elif key and what == "limit":
            most = draw(st.sampled_from((None, 1, 3)))
            found[key] = replace(found[key], min_replicas=1, max_replicas=most)
        elif key and what == "remove":
            del found[key]
        elif what == "add":
            added = draw(newcomers(f"t{len(found)}"))
            found.setdefault(added.key, added)
    return replace(snapshot, services=tuple(found[key] for key in sorted(found)))


@st.composite
def calm_snapshots(draw: st.DrawFn) -> Snapshot:
    """Draw a world in which, mostly, everybody can be served: two good nodes more, and wider limits."""
    world, times = draw(snapshots()), draw(st.sampled_from((3, 6)))
    good = [b.node("n5", draw(st.sampled_from((4, 8))), "atom"), b.node("n6", 4, "rngd")]
    roomy = [
        replace(budget, cap=budget.cap * times, nodes=tuple(sorted({*budget.nodes, "n5"})))
        for budget in world.budgets
    ]
    return replace(
        world,
        services=tuple(draw(easy(service)) for service in world.services),
        nodes=(*world.nodes, *good),
        budgets=tuple(roomy),
        quotas=world.quotas if draw(st.integers(0, 2)) == 0 else (),
    )


@st.composite
def easy(draw: st.DrawFn, service: Service) -> Service:
    """Draw a service that runs nowhere yet and asks for little; most can be served anywhere."""
    target = b.rate(draw(st.sampled_from(TARGETS[:4])))
    service = replace(service, incumbents=(), held=None, target=target)
    if draw(st.integers(0, 7)) == 0:
        return service
    return replace(
        service,
        model="bert" if service.model == "bert" else "yolo",
        latency_micros=None,
        power_limit=None,
        allowed=None,
        max_replicas=None,
        shape=replace(service.shape, affinity=None),
    )


@LAW
@given(st.data())
def test_what_steps_lead_to_is_a_true_plan(data: st.DataObject) -> None:
    """Caps, nodes, quotas and service limits hold, and all sums are those of a full plan that keeps it."""
    snapshot = data.draw(calm_snapshots())
    planner = Planner(from_services=0)
    planned = planner.plan(snapshot)
    for _ in range(data.draw(st.integers(1, 4))):
        snapshot = data.draw(changed(snapshot, planned))
        planned = planner.plan(snapshot)
        _audit(snapshot, planned)


def _audit(snapshot: Snapshot, planned: Plan) -> None:
    assert planned.hash == hash_of(planned.placements)
    assert planned.bound is None or planned.bound.power <= planned.totals.draw
    for budget in snapshot.budgets:
        under = [p for p in planned.placements if p.node in budget.nodes]
        used = counted(snapshot, budget, planned.placements)
        assert not under or used <= budget.cap.milliwatts
    for namespace in ("city", "mart"):
        assert planned.unplaced or not quota_excess(snapshot, planned.placements, namespace)
    if planned.unplaced:
        return
    again = plan(with_plan_running(snapshot, planned))
    assert again.placements == planned.placements, "a planner that remembers nothing moves nothing"
    assert again.budgets == planned.budgets
    moved = replace(again.totals, starts=0, moves=0, evictions=0)
    assert moved == replace(planned.totals, starts=0, moves=0, evictions=0)
    assert again.totals.starts == again.totals.moves == again.totals.evictions == 0


@LAW
@given(st.data())
def test_who_would_be_served_is_served(data: st.DataObject) -> None:
    """Nobody is short after steps whom a full plan would serve."""
    snapshot, planner = data.draw(calm_snapshots()), Planner(from_services=0)
    for _ in range(3):
        planned = planner.plan(snapshot)
        if not plan(snapshot).unplaced:
            assert not planned.unplaced
        snapshot = data.draw(changed(snapshot, planned))


@LAW
@given(snapshots())
def test_planning_again_without_a_change_is_the_same_plan(snapshot: Snapshot) -> None:
    """The same snapshot again, or an equal one, gives the equal plan."""
    planner = Planner(from_services=0)
    first = planner.plan(snapshot)

    assert first == plan(snapshot)
    assert planner.plan(snapshot) == first
    assert planner.plan(replace(snapshot, services=tuple(map(replace, snapshot.services)))) == first


@LAW
@given(st.data())
def test_a_loss_is_made_good_elsewhere_and_can_be_undone(data: st.DataObject) -> None:
    """Who ran on a lost node is served in full without it; undone, everything is as before."""
    snapshot = data.draw(calm_snapshots())
    made = drafted(snapshot)
    standing = None if made.unplaced else standing_of(made.draft, made.market)
    if standing is None:
        return
    before = dict(standing.holdings)
    room = made.draft.committed.room.tolist()
    node = data.draw(st.sampled_from([node.name for node in snapshot.nodes]))
    number = standing.layout.numbers[node]

    delta = standing.lose(node)

    if delta.is_covered:
        assert all(number not in dict(h.counts) for h in standing.holdings.values())
        assert all(h.is_whole for h in standing.holdings.values())
        standing.regain(node)
        standing.put_back(delta)
    assert standing.holdings == before
    assert standing.room() == room


@LAW
@given(st.data())
def test_steps_leave_exactly_what_is_not_held(data: st.DataObject) -> None:
    """The headroom after steps is that of a ledger that adds up all holdings anew."""
    snapshot = data.draw(calm_snapshots())
    made = drafted(snapshot)
    standing = None if made.unplaced else standing_of(made.draft, made.market)
    if standing is None:
        return
    for service in snapshot.services * 2:  # grows, and shrinks again
        target = b.rate(data.draw(st.sampled_from(TARGETS)))
        standing.change(replace(service, target=target))

    ledger = Ledger(standing.layout, snapshot)
    for holding in standing.holdings.values():
        for number, count in holding.counts:
            ledger.add(number, holding.demand, count)
    assert standing.room() == ledger.room.tolist()
