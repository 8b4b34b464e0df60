"""The bound: exact where it can be computed by hand, and below whatever is found by trying everything."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import builders as b
from bench.planner.columns import columns_of
from bench.planner.evaluate import evaluate, targets_of
from bench.planner.instances import with_empty_nodes
from bench.planner.master import best_plan, bound_of
from bench.planner.problem import Problem, Row, problem_of, rows_of
from kwatt.model.snapshot import PodShape
from kwatt.planning.plan import plan, proven_plan
from unit.bench_planner.fleets import fleet, small


def targets(problem: Problem) -> dict[int, float]:
    """Return what all services want."""
    return {n: float(s.target.micros) for n, s in enumerate(problem.services)}


def test_a_full_node_is_bounded_exactly() -> None:
    """1,600/s on the good class: 16 replicas at 30 W fill a node; or 8 of two slices at 1,520/s do not."""
    problem = problem_of(fleet(services=[b.service("a", 1600)]))

    assert bound_of(problem, targets(problem)).watts == pytest.approx(480, rel=1e-6)


def test_a_service_opens_the_nodes_that_it_needs() -> None:
    """30 W for the slice that serves 100/s, and 15 others at 10 W: with few services nodes are whole."""
    problem = problem_of(fleet(services=[b.service("a", 100)]))

    assert bound_of(problem, targets(problem)).watts == pytest.approx(180, rel=1e-6)


def test_with_many_services_a_node_is_opened_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Relaxed, a sixteenth of a node is opened: 30 W."""
    monkeypatch.setattr("bench.planner.program.MOST_NODE_ROWS", 0)
    problem = problem_of(fleet(services=[b.service("a", 100)]))

    assert bound_of(problem, targets(problem)).watts == pytest.approx(30, rel=1e-6)


def test_cpu_is_bounded_too() -> None:
    """8 replicas of two slices, 38 W above idle each, would fill a node; its cpu is enough for 4 of them."""
    wide = fleet(services=[b.service("a", 1520, shape=PodShape(1000, b.GIB))])
    small_hosts = tuple(replace(node, cpu_milli=4000) for node in wide.nodes)
    problem = problem_of(replace(wide, nodes=small_hosts))

    assert bound_of(problem, targets(problem)).watts == pytest.approx(8 * 38 + 2 * 160, rel=1e-6)


def test_where_nodes_are_always_on_their_idle_watts_are_in_the_bound() -> None:
    """64 slices at 10 W, and 20 W more for the one that works."""
    snapshot = with_empty_nodes(fleet(services=[b.service("a", 100)]), powered_off=False)
    problem = problem_of(snapshot)

    assert bound_of(problem, targets(problem)).watts == pytest.approx(660, rel=1e-6)


def test_a_cap_makes_the_bound_higher() -> None:
    """Rack 1 holds one node of each class; the other good node is outside. The cluster's cap binds for both."""
    wanted = [b.service("a", 3200)]
    free = problem_of(fleet(services=wanted))
    tight = problem_of(fleet(services=wanted, rack=400))

    assert bound_of(free, targets(free)).watts == pytest.approx(960, rel=1e-6)
    assert bound_of(tight, targets(tight)).watts > 970


def test_nothing_to_serve_costs_what_is_always_on() -> None:
    problem = problem_of(with_empty_nodes(fleet(services=[]), powered_off=False))

    assert bound_of(problem, {}).watts == pytest.approx(640)


@pytest.mark.parametrize("caps", ["loose", "tight"])
@pytest.mark.parametrize("seed", [1, 2])
def test_no_plan_is_below_the_bound_nor_the_mip_below_it(caps: str, seed: int) -> None:
    problem = problem_of(small(seed, tight=caps == "tight"))
    ours = evaluate(problem, rows_of(problem, plan(problem.snapshot)))
    wanted = targets_of(problem, ours)

    bound = bound_of(problem, wanted).watts
    found = best_plan(problem, wanted, seconds=2, goal=ours.draw)

    assert bound <= ours.draw
    assert bound <= found.watts * (1 + 1e-6)
    assert (found.reached is None) == (found.watts > ours.draw)


@settings(max_examples=25, deadline=None)
@given(
    rates=st.lists(st.integers(20, 600), min_size=1, max_size=2),
    least=st.integers(1, 3),
    off=st.booleans(),
)
def test_the_best_of_all_plans_is_not_below_the_bound(
    rates: list[int], least: int, off: bool
) -> None:
    """Every way to run each service alike on two nodes, with up to seven replicas on either."""
    services = [b.service(f"s{n}", rate, min_replicas=least) for n, rate in enumerate(rates)]
    problem = problem_of(with_empty_nodes(fleet(services=services), powered_off=off))

    best = min(
        evaluate(problem, rows).draw for rows in _every_plan(problem) if _is_good(problem, rows)
    )

    assert bound_of(problem, targets(problem)).watts <= best * (1 + 1e-6)


def _every_plan(problem: Problem) -> list[list[Row]]:
    choices = [
        [
            Row(number, curve.number, 0 if problem.kind[0] == curve.kind else 2, count)
            for curve in problem.by_model["yolo"]
            for count in range(service.min_replicas, 8)
        ]
        for number, service in enumerate(problem.services)
    ]
    few = [_cheapest(problem, of_one) for of_one in choices]
    return [list(rows) for rows in product(*few)]


def _cheapest(problem: Problem, rows: list[Row]) -> list[Row]:
    """Keep the feasible rows of one service that draw least on their class, at most five of each."""
    kept: list[Row] = []
    for kind in problem.kinds.values():
        own = [row for row in rows if problem.curves[row.curve].kind == kind]
        good = [row for row in own if _is_good(problem, [row], only=row.service)]
        kept += sorted(good, key=lambda row: evaluate(problem, [row]).draw)[:5]
    return kept


def _is_good(problem: Problem, rows: list[Row], only: int | None = None) -> bool:
    found = evaluate(problem, rows)
    wanted = {only} if only is not None else set(range(len(problem.services)))
    return not found.violations and found.whole == wanted


@given(rate=st.integers(1, 5000), least=st.integers(1, 5), count=st.integers(1, 120))
def test_any_number_of_replicas_is_between_columns(rate: int, least: int, count: int) -> None:
    """What a number of replicas takes is a mean of what columns take, or a column takes less of all."""
    problem = problem_of(fleet(services=[b.service("a", rate, min_replicas=least)]))
    columns = columns_of(problem, targets(problem))
    for curve in problem.curves:
        fastest = curve.points[-1].rate.micros
        if count < least or count * fastest < rate * 10**6:
            continue
        cost = (count * curve.draw(rate * 1e6 / count) - count * curve.idle) / 1000
        above = count * curve.above / 1000
        own = (columns.kind == curve.kind) & (columns.npus % curve.npus == 0)
        corners = sorted(zip(columns.above[own].tolist(), columns.cost[own].tolist(), strict=True))
        assert _lowest_at(corners, above) <= cost * (1 + 1e-9) + 1e-9


def _lowest_at(corners: list[tuple[float, float]], above: float) -> float:
    """Return the least cost of means of corners that take at most `above`."""
    best = min((cost for taken, cost in corners if taken <= above + 1e-9), default=float("inf"))
    for low_taken, low in corners:
        for high_taken, high in corners:
            if low_taken < above < high_taken:
                part = (above - low_taken) / (high_taken - low_taken)
                best = min(best, low + part * (high - low))
    return best


@pytest.mark.parametrize("tight", [False, True], ids=["loose", "tight"])
def test_columns_that_are_asked_for_bound_as_well_as_all_at_once(
    tight: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = problem_of(small(2, tight=tight))
    served = evaluate(problem, rows_of(problem, plan(problem.snapshot)))
    wanted = targets_of(problem, served)
    at_once = bound_of(problem, wanted).watts

    monkeypatch.setattr("bench.planner.master.ALL_AT_ONCE", 0)

    assert bound_of(problem, wanted).watts == pytest.approx(at_once, rel=1e-5)


@pytest.mark.parametrize("tight", [False, True], ids=["loose", "tight"])
def test_two_proofs_that_share_no_code_agree(tight: bool) -> None:
    problem = problem_of(small(1, tight=tight))
    proven = proven_plan(problem.snapshot)
    wanted = targets_of(problem, evaluate(problem, rows_of(problem, proven)))

    assert proven.bound is not None
    assert bound_of(problem, wanted).watts == pytest.approx(proven.bound.power.watts, rel=1e-3)
