"""The proven bound on worlds that are computed by hand; by default an atom idles at 10 W."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import builders as b
from kwatt.model.plan import Bound
from kwatt.model.snapshot import Snapshot
from kwatt.planning import program
from kwatt.planning.plan import proven_plan
from kwatt.planning.program import Program

RNGD = b.npu_class("rngd")
BOTH = {
    "classes": [b.npu_class(), RNGD],
    "profiles": [b.profile(b.point(100, 60), b.point(100, 90, npu_class="rngd"))],
}


def watts(snapshot: Snapshot) -> tuple[float, float]:
    """Return the draw of the plan and its bound."""
    result = proven_plan(snapshot)
    assert result.bound is not None, result.unproven
    return result.totals.draw.watts, result.bound.power.watts


def test_the_bound_of_an_empty_cluster_is_its_idle_draw() -> None:
    assert watts(b.snapshot()) == (80, 80)


def test_the_only_way_to_serve_a_service_is_its_own_bound() -> None:
    result = proven_plan(b.snapshot([b.service()]))

    assert result.totals.draw == b.watts(7 * 10 + 60)
    assert result.bound == Bound(b.watts(130), 0)


def test_a_plan_that_keeps_costly_replicas_is_above_the_bound() -> None:
    running = b.incumbent("n2", npu_class="rngd", draw=80)
    nodes = [b.node("n1", 1), b.node("n2", 1, "rngd")]

    result = proven_plan(b.snapshot([b.service(incumbents=(running,))], nodes, **BOTH))

    assert result.totals.draw == b.watts(90 + 10)
    assert result.bound == Bound(b.watts(60 + 10), pytest.approx(100 * 30 / 70))


def test_a_node_that_was_off_is_opened_as_a_whole() -> None:
    off = b.budget(empty_off=True)

    assert watts(b.snapshot([b.service()], budgets=[off])) == (60 + 70, 60 + 70)
    both = [b.service("food"), b.service("traffic")]
    assert watts(b.snapshot(both, budgets=[off])) == (2 * 60 + 60, 2 * 60 + 60)


def test_a_node_that_others_hold_is_not_opened() -> None:
    nodes = [b.node(foreign_npus=1), b.node("n2")]
    off = b.budget(nodes=("n1", "n2"), empty_off=True)

    assert watts(b.snapshot([b.service()], nodes, [off])) == (60 + 60 + 100, 60 + 60 + 100)


def test_a_cap_that_keeps_services_off_the_better_class_raises_the_bound() -> None:
    services = [b.service("food"), b.service("traffic")]
    nodes = [b.node("n1", 2), b.node("n2", 1, "rngd")]
    tight = b.budget(cap=2 * 10 + 50)  # one replica of 50 W above idle

    assert watts(b.snapshot(services, nodes, **BOTH)) == (2 * 60 + 10, 2 * 60 + 10)
    assert watts(b.snapshot(services, nodes, [tight], **BOTH)) == (60 + 90 + 10, 60 + 90 + 10)


@pytest.mark.parametrize(
    ("most", "bound"), [(1, 30 + 30), (2, 0 + 20), (3, 0 + 10), (4, 0), (None, 0)]
)
def test_points_that_draw_less_than_idle_make_more_replicas_cheaper(
    most: int | None, bound: float
) -> None:
    profiles = [b.profile(b.point(100, 0), b.point(200, 30))]

    service = b.service(target=200, max_replicas=most)

    assert watts(b.snapshot([service], [b.node(npus=4)], profiles=profiles))[1] == bound


def test_a_bound_of_zero_has_no_gap() -> None:
    profiles = [b.profile(b.point(100, 0), b.point(200, 30))]

    result = proven_plan(b.snapshot([b.service(target=200)], [b.node(npus=4)], profiles=profiles))

    assert result.totals.draw == b.watts(20)
    assert result.bound == Bound(b.watts(0), 0)


def test_what_a_service_is_short_of_is_not_bounded() -> None:
    assert watts(b.snapshot([b.service(target=300)], [b.node(npus=2)])) == (120, 120)


def test_held_foreign_and_stuck_replicas_are_in_the_bound() -> None:
    held = b.service("held", held="ModelProfile is gone", incumbents=(b.incumbent(draw=50),))
    nodes = [b.node(foreign_npus=1, stuck_npus=1, stuck_watts=30)]
    draw = 60 + 100 + 40 + 60 + 4 * 10  # held, foreign, stuck, the service, idle NPUs

    assert watts(b.snapshot([held, b.service()], nodes)) == (draw, draw)


def test_replicas_on_a_node_that_has_other_npus_now_free_its_idle_draw() -> None:
    stray = b.service(incumbents=(b.incumbent("n2", replicas=1),), allowed=(b.ATOM,))
    nodes = [b.node("n2", 2, "rngd")]

    assert watts(b.snapshot([stray], nodes, **BOTH)) == (60 + 10, 60 + 10)


def test_without_the_solver_the_plan_is_the_same_and_says_why_it_has_no_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proven = proven_plan(b.snapshot([b.service()]))
    monkeypatch.setattr(program, "highspy", None)

    result = proven_plan(b.snapshot([b.service()]))

    assert (result.bound, result.unproven) == (None, "the solver highspy could not be imported")
    assert (result.hash, result.placements) == (proven.hash, proven.placements)


def test_a_solver_that_fails_leaves_the_plan_without_a_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Program, "prices", lambda self: None)
    opened = b.budget(empty_off=True)  # class prices know of no whole nodes

    result = proven_plan(b.snapshot([b.service()], budgets=[opened]))

    assert (result.bound, result.unproven) == (None, "the solver found no prices")


@pytest.mark.parametrize("seed", range(20))
def test_whatever_prices_the_solver_finds_the_bound_is_valid(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(seed)

    def price(self: Program, duals: Any, most: int) -> Any:
        return random.integers(0, 2 ** random.integers(1, 24), len(duals), dtype=np.int64)

    monkeypatch.setattr(Program, "_price", price)
    services = [b.service("food"), b.service("traffic", 250)]
    nodes = [b.node("n1", 2), b.node("n2", 4, "rngd"), b.node("n3", 4)]
    caps = [b.budget(cap=400, nodes=("n1", "n2", "n3"), empty_off=True), b.budget("n1", 100)]

    result = proven_plan(b.snapshot(services, nodes, caps, **BOTH))

    assert result.bound is not None, result.unproven
    assert b.watts(0) <= result.bound.power <= result.totals.draw


def test_figures_beyond_all_measure_have_no_bound() -> None:
    profiles = [b.profile(b.point(100, 2**62 // 1000))]

    result = proven_plan(b.snapshot([b.service()], profiles=profiles))

    assert (result.bound, result.unproven) == (None, "the figures are too large to bound")


def test_absurd_sizes_do_not_stop_the_planner() -> None:
    huge = 2**62
    nodes = [b.node("n1", huge), b.node("n2", huge), b.node("n3", 1)]
    services = [b.service(max_replicas=huge, power_limit=b.watts("4E"))]

    result = proven_plan(
        b.snapshot(services, nodes, [b.budget(empty_off=True, nodes=("n1", "n2"))])
    )

    assert result.placements
    assert (result.bound, result.unproven) == (None, "the figures are too large to bound")


def test_a_solver_that_hits_its_limit_of_iterations_leaves_a_valid_plan(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    services = [b.service("food"), b.service("traffic", 250)]
    nodes = [b.node("n1", 2), b.node("n2", 4, "rngd")]
    world = b.snapshot(services, nodes, [b.budget("row", 400, ("n1", "n2"))], **BOTH)
    proven = proven_plan(world)
    monkeypatch.setattr(program, "_ITERATIONS", 1)

    result = proven_plan(world)

    assert (result.hash, result.placements) == (proven.hash, proven.placements)
    assert result.bound or result.unproven == "the solver found no prices"
    assert result.bound is None or result.bound.power <= result.totals.draw
