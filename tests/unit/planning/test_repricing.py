"""Prices found anew: from then on changes go where they draw least by now, and nobody moves by that alone."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

import builders as b
from kwatt.model.keys import ServiceKey
from kwatt.model.plan import Plan
from kwatt.model.snapshot import Service, Snapshot
from kwatt.planning.ageing import REPRICED_AFTER
from kwatt.planning.columns import SCALE
from kwatt.planning.draft import Draft
from kwatt.planning.incremental import MOST_CHANGED, Planner
from kwatt.planning.plan import drafted
from kwatt.planning.pricelist import Candidate, price_list
from kwatt.planning.standing import Standing, standing_of
from laws.strategies import LAW, with_plan_running
from laws.test_incremental import TARGETS, calm_snapshots

SCARCE = tuple(b.service(f"scarce{n}", 100) for n in range(6))  # 100 W less on an atom each
MODEST = b.service("modest", 100, model="bert")  # 20 W less on an atom


def world(*services: Service) -> Snapshot:
    """Return a world with four atoms, and plenty of NPUs that draw more; fillers run on a third kind."""
    return b.snapshot(
        services,
        [b.node("a1", 4), b.node("r1", 32, "rngd"), b.node("w1", 64, "warboy")],
        classes=[b.npu_class(), b.npu_class("rngd", most=300), b.npu_class("warboy")],
        profiles=[
            b.profile(b.point(100, 60), b.point(100, 160, npu_class="rngd")),
            b.profile(b.point(100, 60), b.point(100, 80, npu_class="rngd"), name="bert"),
            b.profile(b.point(100, 60, npu_class="warboy"), name="filler"),
        ],
    )


def stands(snapshot: Snapshot) -> Standing | None:
    made = drafted(snapshot)
    return None if made.unplaced else standing_of(made.draft, made.market)


def kind_of(standing: Standing, service: Service) -> str:
    return standing.holdings[service.key].demand.variant.npu_class


def test_newcomers_go_by_what_is_scarce_now() -> None:
    standing, later = stands(world(*SCARCE)), replace(MODEST, key=MODEST.key._replace(name="later"))
    assert standing
    for service in SCARCE:
        standing.remove(service.key)
    standing.change(MODEST)
    before = kind_of(standing, MODEST)

    standing.reprice()
    standing.change(later)

    assert (before, kind_of(standing, later)) == ("rngd", "atom")
    assert kind_of(standing, MODEST) == "rngd", "nobody moves because prices do"


def test_the_planner_finds_prices_anew_after_many_steps() -> None:
    later = replace(MODEST, key=MODEST.key._replace(name="later"))
    before, after, last = _after_many_steps(later, running=True)

    assert _places(after) == _places(before), "nobody who runs moves because prices do"
    assert _kinds(last) == {"modest": "rngd", "later": "atom"}


def test_while_nothing_runs_everything_is_planned_anew_after_many_steps() -> None:
    before, after, _ = _after_many_steps(MODEST, running=False)

    assert after.totals.draw < before.totals.draw
    assert (_kinds(before), _kinds(after)) == ({"modest": "rngd"}, {"modest": "atom"})


def _after_many_steps(later: Service, *, running: bool) -> tuple[Plan, Plan, Plan]:
    """Plan until prices are old: return the plans before and after that, and one with a service more."""
    planner, plans = Planner(from_services=0), list[Plan]()

    def planned(rate: int, *services: Service) -> Plan:
        fillers = (b.service(f"f{n}", rate, model="filler") for n in range(MOST_CHANGED))
        snapshot = world(*fillers, *services)
        snapshot = with_plan_running(snapshot, plans[-1]) if running and plans else snapshot
        plans.append(planner.plan(snapshot))
        return plans[-1]

    planned(100, *SCARCE)
    planned(100)
    before = planned(100, MODEST)
    for _ in range(REPRICED_AFTER // MOST_CHANGED):
        planned(200, MODEST)
        after = planned(100, MODEST)
    last = planned(100, *{MODEST.key: MODEST, later.key: later}.values())
    assert not any(one.unplaced for one in plans)
    return before, after, last


def _places(result: Plan) -> set[tuple[str, str]]:
    return {(p.service.name, p.node) for p in result.placements}


def _kinds(result: Plan) -> dict[str, str]:
    placed = {p.service.name: p.variant.npu_class for p in result.placements}
    return {name: kind for name, kind in placed.items() if kind != "warboy"}


@settings(LAW, max_examples=60)
@given(st.data())
def test_nobody_moves_or_is_short_by_new_prices(data: st.DataObject) -> None:
    """Nor are changes after that, which are covered or change nothing."""
    snapshot = data.draw(calm_snapshots())
    standing = stands(snapshot)
    if standing is None:
        return
    held, room, services = dict(standing.holdings), standing.room(), dict(standing.services)

    standing.reprice()

    assert (standing.holdings, standing.room(), standing.services) == (held, room, services)
    for service in snapshot.services:
        before, target = dict(standing.holdings), b.rate(data.draw(st.sampled_from(TARGETS)))
        delta = standing.change(replace(service, target=target))
        assert standing.holdings == {**before, **delta.after}
        assert all(holding.is_whole for holding in standing.holdings.values())


@settings(LAW, max_examples=40)
@given(calm_snapshots())
def test_prices_do_not_depend_on_the_order_of_services(snapshot: Snapshot) -> None:
    backwards = replace(snapshot, services=snapshot.services[::-1], nodes=snapshot.nodes[::-1])

    assert _ways(snapshot) == _ways(backwards)


def _ways(snapshot: Snapshot) -> dict[ServiceKey, list[tuple[int, int, object]]] | None:
    """Return all ways to run each service, the cheapest first; None where there are no prices."""
    prices = price_list(Draft(snapshot), None)
    if prices is None:
        return None
    return {s.key: [_plain(c) for c in prices.candidates(s)] for s in snapshot.services}


def _plain(candidate: Candidate) -> tuple[int, int, object]:
    return candidate.paid, candidate.replicas, candidate.option.variant


@settings(LAW, max_examples=40)
@given(calm_snapshots(), st.sampled_from((0, 1, 20, 10_000)))
def test_a_charge_for_starts_only_changes_the_order(snapshot: Snapshot, watts: int) -> None:
    prices, charge = price_list(Draft(snapshot), None), watts * 1000 * SCALE
    if prices is None:
        return
    here = b.variant()
    for service in snapshot.services:
        found = list(prices.candidates_elsewhere(service, here, charge))

        order = [
            (c.option.variant.npu_class == b.ATOM, c.paid + charge * c.replicas) for c in found
        ]
        assert order == sorted(order)
        plain = map(_plain, prices.candidates(service))
        assert sorted(map(_plain, found), key=str) == sorted(plain, key=str)


def test_scarce_npus_are_taken_by_whoever_gains_at_their_price() -> None:
    """All four atoms are used up while two of six want them in vain."""
    standing = stands(world(*SCARCE))
    assert standing
    for service in SCARCE[:3]:
        standing.remove(service.key)
        standing.change(service)

    assert sorted(kind_of(standing, service) for service in SCARCE) == ["atom"] * 4 + ["rngd"] * 2
