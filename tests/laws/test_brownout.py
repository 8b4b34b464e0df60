"""Law: in a brown-out the lowest priorities yield first, in part where they can, and come back last.

Caps are cut and restored by stages, and what each stage plans runs when the next one comes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

import builders as b
from kwatt.model.keys import ServiceKey
from kwatt.model.plan import Plan
from kwatt.model.snapshot import Budget, Snapshot
from kwatt.planning.plan import plan
from kwatt.units import Power
from laws.audit import can_serve
from laws.strategies import snapshots, with_plan_running

LAW = settings(max_examples=250, deadline=None, derandomize=True)
WHOLE = (1000, 1000, 1000)
PERMILLE = st.sampled_from((600, 300, 450, 750, 900, 0, 1000))  # of what each cap was
STAGES = st.lists(st.tuples(PERMILLE, PERMILLE, PERMILLE), min_size=1, max_size=4)
ONE_VARIANT_EACH = (  # of the models in the strategies
    b.profile(b.point(100, 40, 10), b.point(200, 70.5, 30), name="yolo"),
    b.profile(b.point(333.333333, "61.7", 20, npus=2), name="bert", memory=20 * b.GIB),
    b.profile(b.point(70, 55, 15, npu_class="rngd"), name="rag"),
)


def lived_through(snapshot: Snapshot, stages: Sequence[Sequence[int]]) -> Iterator[Snapshot]:
    """Yield the snapshot at each stage, with the plan of the stage before running."""
    running = snapshot
    for stage in stages:
        budgets = tuple(map(_cut, snapshot.budgets, stage))
        running = replace(snapshot, services=running.services, budgets=budgets)
        yield running
        running = with_plan_running(running, plan(running))


def _cut(budget: Budget, permille: int) -> Budget:
    return replace(budget, cap=Power(budget.cap.milliwatts * permille // 1000))


def served(result: Plan) -> Counter[ServiceKey]:
    """Return what each service is served, in millionths of a unit per second."""
    rates: Counter[ServiceKey] = Counter()
    for placement in result.placements:
        rates[placement.service] += placement.rate.micros
    return rates


def planned_afresh(snapshot: Snapshot) -> Snapshot:
    """Return the snapshot with one priority per service, running where KWatt itself would start them."""
    services = (
        replace(service, priority=-number, incumbents=(), held=None)
        for number, service in enumerate(snapshot.services)
    )
    ranked = replace(snapshot, services=tuple(services))
    return with_plan_running(ranked, plan(ranked))


@LAW
@given(snapshots(), STAGES)
def test_nobody_is_served_less_than_lower_priorities_leave_room_for(
    snapshot: Snapshot, stages: list[tuple[int, int, int]]
) -> None:
    """Partial service instead of none, lowest priority first: at every stage of a brown-out and back."""
    for now in lived_through(snapshot, [*stages, *stages[-2::-1], WHOLE]):
        result = plan(now)
        rates, ranks = served(result), {s.key: s.priority for s in now.services}
        for short in result.unplaced:
            service = next(s for s in now.services if s.key == short.service)
            others = [p for p in result.placements if ranks[p.service] >= service.priority]
            others = [p for p in others if p.service != service.key]
            more = rates[service.key] + 1
            assert service.held is not None or not can_serve(now, service, others, more)


@LAW
@given(snapshots(), STAGES)
def test_under_restored_caps_every_service_serves_what_it_served_before(
    snapshot: Snapshot, stages: list[tuple[int, int, int]]
) -> None:
    """A restored cap gives back: a service with one variant serves no less than before the brown-out.

    It may serve more: another place of a higher priority may leave more room.
    """
    models = {profile.name: profile for profile in ONE_VARIANT_EACH}
    before = planned_afresh(replace(snapshot, profiles=models))

    *_, after = lived_through(before, [*stages, *stages[-2::-1], WHOLE])

    lost = served(plan(before)) - served(plan(after))
    assert not lost


def ranked(cap: float, *running: Plan) -> Snapshot:
    """Make a rack of six NPUs, 60 W idle, for three ranked services of two replicas of 50 W each."""
    names = {"high": 3, "mid": 2, "low": 1}
    services = [b.service(name, 200, priority=rank) for name, rank in names.items()]
    profile = b.profile(b.point(100, 60))
    made = b.snapshot(services, [b.node(npus=6)], [b.budget(cap=cap)], profiles=[profile])
    return with_plan_running(made, *running) if running else made


def test_a_cap_that_falls_and_rises_by_stages_takes_and_gives_back_one_replica_at_a_time() -> None:
    caps = (360, 310, 260, 210, 160, 110, 60)
    seen, running = [], plan(ranked(360))

    for cap in (*caps, *caps[::-1]):
        running = plan(ranked(cap, running))
        rates = {key.name: micros // 10**6 for key, micros in served(running).items()}
        seen.append((rates.get("high", 0), rates.get("mid", 0), rates.get("low", 0)))

    down = [(200, 200, 200), (200, 200, 100), (200, 200, 0), (200, 100, 0), (200, 0, 0)]
    down += [(100, 0, 0), (0, 0, 0)]
    assert seen == [*down, *down[::-1]]


def test_a_service_leaves_the_variant_of_a_brownout_when_the_cap_is_restored() -> None:
    """The plain setting serves 100/s for 50 W above idle, the batch setting 90/s for 40 W."""
    yolo = b.profile(b.point(100, 60), b.point(90, 50, env={"BATCH": "1"}))
    services = [b.service("high", priority=1), b.service("low", model="plain")]
    plain = b.profile(b.point(100, 60), name="plain")
    nodes, budgets = [b.node(npus=3)], [b.budget(cap=130)]
    made = b.snapshot(services, nodes, budgets, profiles=[yolo, plain])
    before = with_plan_running(made, plan(made))

    *_, after = lived_through(before, [(577,), (1000,)])  # 75 W: 45 W above idle, then 100 W again

    assert served(plan(after)) == served(plan(before))


def test_the_least_watts_of_one_priority_leave_the_next_its_npus() -> None:
    """Objective: admit by priority, meet throughput, least power. 2 × 100/s draw less than 1 × 200/s."""
    services = [b.service("high", 200, priority=1), b.service("low", 100)]
    profile = b.profile(b.point(100, 40), b.point(200, 75))

    result = plan(b.snapshot(services, [b.node(npus=2)], profiles=[profile]))

    assert [unplaced.service.name for unplaced in result.unplaced] == []
