"""Law: what holds of services with alike replicas holds of mixtures of variants too."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

import builders as b
from kwatt.model.keys import Variant
from kwatt.model.plan import Placement, Plan
from kwatt.model.snapshot import Service, Snapshot
from kwatt.planning.plan import plan
from laws.audit import can_be_whole, counted, covering, curves, meets, quota_excess
from laws.strategies import LAW, snapshots, with_plan_running
from laws.test_relaxations_are_true import relaxed, with_one_waiting

SOME = settings(LAW, max_examples=100)
RATES = {"atom": 100, "rngd": 30, "warboy": 70}  # per replica, in units a second


@st.composite
def mixing(draw: st.DrawFn) -> Snapshot:
    """Draw a nasty world in which most services may mix, some of them with many replicas at least."""
    snapshot = draw(snapshots())
    services = [
        replace(
            service,
            mixes=draw(st.sampled_from((True, True, False))),
            min_replicas=least,
            max_replicas=service.max_replicas and max(least, service.max_replicas),
        )
        for service in snapshot.services
        for least in (draw(st.sampled_from((1, 2, 3, 4, 6))),)
    ]
    horizon = draw(st.sampled_from((None, 3600)))
    return replace(snapshot, services=tuple(services), moves_horizon=horizon)


@SOME
@given(mixing())
def test_caps_quotas_and_limits_hold(snapshot: Snapshot) -> None:
    """Budgets, quotas, NPUs, replicas.min, replicas.max and power.watts count all variants together."""
    placements = plan(snapshot).placements

    for budget in snapshot.budgets:
        under = [p for p in placements if p.node in budget.nodes]
        assert not under or counted(snapshot, budget, placements) <= budget.cap.milliwatts
    for service in snapshot.services:
        mine = [p for p in placements if p.service == service.key]
        replicas = sum(p.replicas for p in mine)
        if mine and service.held is None:
            assert service.min_replicas <= replicas <= (service.max_replicas or replicas)
            reserved = sum(p.reserved.milliwatts for p in mine)
            assert service.power_limit is None or reserved <= service.power_limit.milliwatts
            assert not quota_excess(snapshot, placements, service.key.namespace)
    for node in snapshot.nodes:
        here = [p for p in placements if p.node == node.name]
        free = node.npus_allocatable - node.foreign_npus - node.stuck_npus
        is_foreign = any(p.variant.resource != node.resource for p in here)
        assert not here or is_foreign or sum(p.replicas * p.variant.npus for p in here) <= free


@SOME
@given(mixing())
def test_every_variant_serves_its_share_within_the_latency_limit(snapshot: Snapshot) -> None:
    """The variants serve the target, less what is told as short, each at a point that meets the limit."""
    result = plan(snapshot)
    short = {u.service: u.shortfall.micros for u in result.unplaced}

    for service in (s for s in snapshot.services if s.held is None):
        mine = [p for p in result.placements if p.service == service.key]
        served = sum(p.rate.micros for p in mine)
        assert abs(served + short.get(service.key, 0) - service.target.micros) <= len(mine)
        for variant in {p.variant for p in mine}:
            _meets_the_limit(snapshot, service, [p for p in mine if p.variant == variant])


def _meets_the_limit(snapshot: Snapshot, service: Service, alike: list[Placement]) -> None:
    variant: Variant = alike[0].variant
    curve = curves(snapshot, service)[variant.npu_class, variant.npus, variant.setting]
    rate, replicas = sum(p.rate.micros for p in alike), sum(p.replicas for p in alike)
    point = covering(curve, rate - len(alike), replicas)
    assert point is not None
    assert meets(service, point)
    assert {p.operating_point for p in alike} == {point.name}


@SOME
@given(mixing())
def test_nobody_waits_for_what_lower_priorities_hold(snapshot: Snapshot) -> None:
    """Neither a service that mixes nor another waits while lower priorities hold what one variant needs."""
    services = {service.key: service for service in snapshot.services}
    result = plan(snapshot)

    for unplaced in result.unplaced:
        waiting = services[unplaced.service]
        others = _others(snapshot, result.placements, waiting)
        assert waiting.held is not None or not can_be_whole(snapshot, waiting, others)


@SOME
@given(mixing())
def test_replanning_without_a_change_moves_nothing(snapshot: Snapshot) -> None:
    """A mixture that runs stays as it is."""
    first = plan(snapshot)

    second = plan(with_plan_running(snapshot, first))

    assert (second.totals.starts, second.totals.evictions, second.totals.moves) == (0, 0, 0)


@st.composite
def crowded(draw: st.DrawFn) -> Snapshot:
    """Draw a world where NPUs alone are scarce, a class per node, and all services may mix."""
    services = [
        b.service(
            f"s{n}",
            draw(st.sampled_from((60, 150, 250, 340))),
            priority=draw(st.integers(0, 2)),
            min_replicas=least,
            max_replicas=draw(st.sampled_from((None, None, least, least + 2))),
            mixes=True,
        )
        for n in range(draw(st.integers(1, 3)))
        for least in (draw(st.integers(1, 5)),)
    ]
    points = [b.point(rate, 60, npu_class=name) for name, rate in RATES.items()]
    return b.snapshot(
        services,
        [b.node(f"n-{name}", draw(st.integers(1, 4)), name) for name in RATES],
        classes=[b.npu_class(name) for name in RATES],
        profiles=[b.profile(*points)],
    )


@settings(LAW, max_examples=200)
@given(crowded())
def test_nobody_waits_where_any_mixture_is_enough(snapshot: Snapshot) -> None:
    """Of every number of replicas of each variant none serves who is short, lower priorities away."""
    services = {service.key: service for service in snapshot.services}
    result = plan(snapshot)

    for unplaced in result.unplaced:
        waiting = services[unplaced.service]
        others = _others(snapshot, result.placements, waiting)
        assert not _mixture_is_enough(snapshot, waiting, others)


@SOME
@given(crowded())
def test_no_mixture_draws_less_than_the_bound(snapshot: Snapshot) -> None:
    """Two services at most: every number of replicas of each variant that serves what the plan serves."""
    snapshot = replace(snapshot, services=snapshot.services[:2])
    result = plan(snapshot)
    free = [node.npus_capacity for node in snapshot.nodes]
    every = list(product(*(range(most + 1) for most in free)))
    above = [60_000 - snapshot.classes[name].idle.milliwatts for name in RATES]

    assert result.bound is not None, result.unproven
    for of_all in product(*(_ways(every, s, result) for s in snapshot.services)):
        total = [sum(of_class) for of_class in zip(*of_all, strict=True)]
        if all(n <= most for n, most in zip(total, free, strict=True)):
            more = sum(n * watts for n, watts in zip(total, above, strict=True))
            assert _idle(snapshot) + more >= result.bound.power.milliwatts


def _ways(every: list[tuple[int, ...]], service: Service, result: Plan) -> list[tuple[int, ...]]:
    """Return the numbers of replicas that serve as much; several variants only where the plan has them."""
    mine = [p for p in result.placements if p.service == service.key]
    if not mine:
        return [(0,) * len(RATES)]
    rate, variants = sum(p.rate.micros for p in mine), len({p.variant for p in mine})
    within = [c for c in every if service.min_replicas <= sum(c) <= (service.max_replicas or 99)]
    return [c for c in within if _sustain(c) >= rate and (variants > 1 or sum(map(bool, c)) == 1)]


def _sustain(counts: tuple[int, ...]) -> int:
    return 10**6 * sum(n * rate for n, rate in zip(counts, RATES.values(), strict=True))


def _idle(snapshot: Snapshot) -> int:
    nodes = snapshot.nodes
    return sum(n.npus_capacity * snapshot.classes[n.npu_class or ""].idle.milliwatts for n in nodes)


@SOME
@given(crowded() | mixing())
def test_the_nearest_change_lets_the_service_in(snapshot: Snapshot) -> None:
    """Typed rejections and the nearest change that would let it in (design 5)."""
    running = with_one_waiting(snapshot)

    for unplaced in plan(running).unplaced:
        service = next(s for s in running.services if s.key == unplaced.service)
        for relaxation in unplaced.nearest:
            changed = relaxed(running, service, relaxation)
            assert service.key not in {u.service for u in plan(changed).unplaced}, relaxation


def _mixture_is_enough(snapshot: Snapshot, service: Service, others: list[Placement]) -> bool:
    free = {n.npu_class: n.npus_capacity for n in snapshot.nodes}
    for p in others:
        free[p.variant.npu_class] -= p.replicas * p.variant.npus
    for counts in product(*(range(free[name] + 1) for name in RATES)):
        sustained = sum(n * rate for n, rate in zip(counts, RATES.values(), strict=True))
        within = service.min_replicas <= sum(counts) <= (service.max_replicas or sum(counts))
        if within and sustained >= service.target.per_second:
            return True
    return False


def _others(
    snapshot: Snapshot, placements: tuple[Placement, ...], waiting: Service
) -> list[Placement]:
    priorities = {service.key: service.priority for service in snapshot.services}
    return [
        p
        for p in placements
        if priorities[p.service] >= waiting.priority and p.service != waiting.key
    ]
