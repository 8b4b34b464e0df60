"""Law: what moves pays for it, keeps every promise, and never comes back, whatever noise the figures have."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from hypothesis import assume, given
from hypothesis import strategies as st

import builders as b
from kwatt.model.keys import ServiceKey
from kwatt.model.npu import NpuClass, Profile
from kwatt.model.plan import Plan
from kwatt.model.snapshot import Service, Snapshot
from kwatt.planning.moves import MOST_STARTS
from kwatt.planning.plan import plan
from kwatt.units import Energy, Power
from laws.audit import counted, quota_excess
from laws.strategies import (
    CLASSES,
    LAW,
    NODE_NAMES,
    PROFILES,
    snapshots,
    with_plan_running,
)

DAY = 86_400
NOISE = st.lists(st.sampled_from((-5, -3, 0, 0, 3, 5)), min_size=12, max_size=12)


@st.composite
def scattered(draw: st.DrawFn) -> Snapshot:
    """Draw services that run somewhere, under caps with some headroom: there is something to gain."""
    names = NODE_NAMES[: draw(st.integers(2, 4))]
    classes = [draw(st.sampled_from(("atom", "atom", "rngd"))) for _ in names]
    services = []
    for number in range(draw(st.integers(1, 4))):
        on = draw(st.integers(0, len(names) - 1))
        env = draw(st.sampled_from(({}, {}, {"BATCH": "1"}))) if classes[on] == "atom" else {}
        running = b.incumbent(names[on], draw(st.integers(1, 2)), npu_class=classes[on], env=env)
        services.append(replace(draw(tame_services(f"s{number}")), incumbents=(running,)))
    budgets = [
        b.budget(
            f"b{number}",
            draw(st.sampled_from((400, 700, 1500))),
            names[:size],
            empty_off=draw(st.booleans()),
        )
        for number, size in enumerate(draw(st.sampled_from(((4,), (2, 4), (1, 3)))))
    ]
    nodes = [b.node(n, draw(st.integers(2, 4)), c) for n, c in zip(names, classes, strict=True)]
    world = b.snapshot(services, nodes, budgets, classes=CLASSES, profiles=PROFILES)
    return with_plan_running(world, plan(world))


@st.composite
def tame_services(draw: st.DrawFn, name: str) -> Service:
    """Draw a service that fits somewhere."""
    return b.service(
        name,
        draw(st.sampled_from((45, 100, "133.7", 210, 300))),
        priority=draw(st.integers(0, 1)),
        latency_micros=draw(st.sampled_from((None, None, 15_000))),
        min_replicas=draw(st.sampled_from((1, 1, 2))),
        max_replicas=draw(st.sampled_from((None, None, 2))),
    )


WORLDS = st.one_of(
    scattered(), scattered(), snapshots().map(lambda w: with_plan_running(w, plan(w)))
)


def letting_move(snapshot: Snapshot, seconds: int = DAY) -> Snapshot:
    """Return the snapshot with the operator's setting on."""
    return replace(snapshot, moves_horizon=seconds)


def served(result: Plan) -> dict[ServiceKey, int]:
    """Return the millionths of a unit per second that each service is planned to serve, to a rounding."""
    rates: dict[ServiceKey, int] = {}
    for p in result.placements:
        rates[p.service] = rates.get(p.service, 0) + p.rate.micros
    return rates


@LAW
@given(WORLDS)
def test_nothing_moves_by_default(world: Snapshot) -> None:
    """Off by default."""
    assert plan(world).moves == ()


@LAW
@given(WORLDS, st.sampled_from((600, DAY)))
def test_what_moves_pays_and_nobody_loses(world: Snapshot, seconds: int) -> None:
    """Saved watts over the horizon pay for the starts; caps, quotas and served rates hold."""
    still, moved = plan(world), plan(letting_move(world, seconds))

    assert all(Energy.of(m.saved, m.horizon_seconds) > m.charged for m in moved.moves)
    assert moved.totals.draw <= still.totals.draw
    assert moved.unplaced == still.unplaced
    rates = served(moved)
    assert all(rates[key] >= rate - 8 for key, rate in served(still).items())
    for budget in world.budgets:
        under = [p for p in moved.placements if p.node in budget.nodes]
        assert not under or counted(world, budget, moved.placements) <= budget.cap.milliwatts
    for namespace in ("city", "mart"):
        excess = quota_excess(world, moved.placements, namespace)
        assert excess <= quota_excess(world, still.placements, namespace)


@LAW
@given(scattered())
def test_what_was_moved_stays(world: Snapshot) -> None:
    """Applying the plan and planning again moves nothing."""
    first = plan(letting_move(world))
    assume(not first.unplaced)  # those may get what a move frees

    second = plan(letting_move(with_plan_running(world, first)))

    assert second.moves == ()
    assert second.placements == first.placements


@LAW
@given(scattered(), st.lists(NOISE, min_size=3, max_size=3))
def test_noise_never_brings_back_what_moved(world: Snapshot, noises: list[list[int]]) -> None:
    """Power figures that are off by up to the margin never start a ping-pong."""
    world = replace(
        world, budgets=tuple(replace(one, cap=b.watts(10_000)) for one in world.budgets)
    )
    states = [tuple(sorted(running_of(world)))]
    for noise in ([0] * 12, *noises):
        moved = plan(letting_move(noisy(world, noise)))
        world = with_plan_running(world, moved)
        state = tuple(sorted(running_of(world)))
        assert state == states[-1] or state not in states
        states.append(state)


def running_of(world: Snapshot) -> list[tuple[object, ...]]:
    """Return what runs where."""
    return [(s.key, i.variant, i.node, i.replicas) for s in world.services for i in s.incumbents]


def noisy(world: Snapshot, percents: list[int]) -> Snapshot:
    """Return the world with other watts in its profiles and classes."""
    left = iter(percents * 4)
    return replace(
        world,
        profiles={name: _noisy_profile(one, left) for name, one in world.profiles.items()},
        classes={name: _noisy_class(one, left) for name, one in world.classes.items()},
    )


def _noisy_profile(profile: Profile, percents: object) -> Profile:
    points = tuple(replace(p, power=_off(p.power, percents)) for p in profile.points)
    return replace(profile, points=points)


def _noisy_class(npu_class: NpuClass, percents: object) -> NpuClass:
    return replace(npu_class, idle=_off(npu_class.idle, percents))


def _off(power: Power, percents: object) -> Power:
    return Power(int(Fraction(power.milliwatts * (100 + next(percents)), 100)))  # type: ignore[call-overload]


@LAW
@given(scattered())
def test_a_move_that_started_is_finished(world: Snapshot) -> None:
    """While old and new replicas run together the plan stays the same, and costs no more."""
    first = plan(letting_move(world))
    assume(not first.unplaced)  # those may get what a move frees

    both = plan(letting_move(_with_both_running(world, first)))

    assert both.placements == first.placements
    assert both.totals.starts == 0


def _with_both_running(world: Snapshot, result: Plan) -> Snapshot:
    after = {s.key: s for s in with_plan_running(world, result).services}
    services = []
    for s in world.services:
        most = {(i.variant, i.node): i for i in s.incumbents}
        for i in after[s.key].incumbents:
            before = most.get((i.variant, i.node))
            most[i.variant, i.node] = before if before and before.replicas > i.replicas else i
        new = sum(i.replicas for i in most.values()) - sum(i.replicas for i in s.incumbents)
        services.append(replace(s, incumbents=tuple(most.values()), starting=new))
    return replace(world, services=tuple(services))


def test_a_plan_moves_no_more_replicas_than_it_may() -> None:
    """Disruption comes in small steps."""
    many = MOST_STARTS + 4
    names = [f"n{number:02d}" for number in range(many)]
    world = b.snapshot(
        [b.service(f"s{n}", 100, incumbents=(b.incumbent(n),)) for n in names],
        [b.node(name) for name in names],
        [b.budget(cap=10**6, nodes=names, empty_off=True, moves_horizon=DAY)],
    )

    first = plan(world)

    assert (first.totals.moves, first.totals.starts) == (MOST_STARTS, MOST_STARTS)
