"""Small clusters solved exactly: what the draft alone would miss, and when it is left alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

import builders as b
from kwatt.model.plan import Plan, Reason
from kwatt.model.snapshot import Service, Snapshot
from kwatt.planning import branching, exact, program
from kwatt.planning.branching import Branching, Proposal
from kwatt.planning.draft import Draft, Holding
from kwatt.planning.plan import plan, proven_plan

ATOM_ONLY = ("atom",)


def places(result: Plan) -> list[tuple[str, str]]:
    return [(p.service.name, p.node) for p in result.placements]


def two_classes(*services: Service, **facts: object) -> Snapshot:
    """Make a world with one atom and one rngd, which draws 5 W more for yolo and 30 W more for bert."""
    return b.snapshot(
        services,
        [b.node("n1", 1), b.node("n2", 1, "rngd")],
        classes=[b.npu_class(), b.npu_class("rngd")],
        profiles=[
            b.profile(b.point(100, 60), b.point(100, 65, npu_class="rngd")),
            b.profile(b.point(100, 60), b.point(100, 90, npu_class="rngd"), name="bert"),
        ],
        **facts,
    )


FREE = b.service("a")
PICKY = b.service("b", allowed=ATOM_ONLY)

WIDE = b.service("a", 200, min_replicas=2, priority=1)
EITHER = b.snapshot(
    [WIDE, b.service("b", priority=1), b.service("c")], [b.node(npus=2)]
)  # "a" alone, or "b" of the same priority and "c" beside it


def test_a_service_makes_room_for_one_that_has_no_choice() -> None:
    result = plan(two_classes(FREE, PICKY))

    assert places(result) == [("a", "n2"), ("b", "n1")]
    assert result.unplaced == ()


def test_the_service_that_gains_most_gets_the_better_class() -> None:
    result = proven_plan(two_classes(b.service("a"), b.service("b", model="bert")))

    assert places(result) == [("a", "n2"), ("b", "n1")]
    assert result.totals.draw == b.watts(65 + 60)
    assert result.bound is not None, result.unproven
    assert result.bound.gap_percent == 0


def test_alike_services_share_a_node_instead_of_opening_two() -> None:
    """The first finds n1 as good as n3; the second does not fit beside it, both fit on n3."""
    nodes = [b.node("n1", 2, pods=1), b.node("n3", 2)]
    off = b.budget(nodes=("n1", "n3"), empty_off=True)

    result = plan(b.snapshot([b.service("a"), b.service("b")], nodes, [off]))

    assert places(result) == [("a", "n3"), ("b", "n3")]


def test_a_higher_priority_gives_nothing_up_for_a_lower_one() -> None:
    urgent = b.service("a", priority=1, max_replicas=2, target=200, allowed=ATOM_ONLY)

    result = plan(b.snapshot([urgent, b.service("b")], [b.node(npus=2)]))

    assert places(result) == [("a", "n1")]


def test_a_higher_priority_steps_aside_where_it_loses_nothing() -> None:
    result = plan(two_classes(b.service("a", priority=1), PICKY))

    assert places(result) == [("a", "n2"), ("b", "n1")]


def test_of_equals_the_one_is_served_that_leaves_most_for_lower_priorities() -> None:
    assert places(plan(EITHER)) == [("b", "n1"), ("c", "n1")]


def test_who_runs_stays_and_the_reason_is_that_of_the_plan_as_it_is() -> None:
    running = b.service("a", incumbents=(b.incumbent("n1"),))

    result = plan(two_classes(running, PICKY))

    assert places(result) == [("a", "n1")]
    assert result.unplaced[0].rejections[0].reason is Reason.INSUFFICIENT_NPUS


def test_reasons_are_given_for_what_is_planned_in_the_end() -> None:
    third = b.service("c", allowed=ATOM_ONLY)

    result = plan(two_classes(FREE, PICKY, third))

    (rejection,) = result.unplaced[0].rejections
    assert (result.unplaced[0].service.name, rejection.figures["heldBy"]) == ("c", ("city/b",))


def without_solver(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(program, "highspy", None)


def with_a_solver_that_fails(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Branching, "most_valued", lambda *_: None)
    patch.setattr(Branching, "cheapest", lambda *_: None)


def with_a_cluster_too_large(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(exact, "MOST_COLUMNS", 3)


def with_too_many_replicas_to_count(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(exact, "MOST_COLUMNS", 0)


@pytest.mark.parametrize(
    "spoil",
    [
        without_solver,
        with_a_solver_that_fails,
        with_a_cluster_too_large,
        with_too_many_replicas_to_count,
    ],
)
def test_without_a_proposal_the_draft_is_the_plan(
    spoil: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(monkeypatch)

    result = plan(EITHER)

    assert places(result) == [("a", "n1")]
    assert [unplaced.service.name for unplaced in result.unplaced] == ["b", "c"]
    assert result.unplaced[0].rejections[0].reason is Reason.INSUFFICIENT_NPUS


def test_a_proposal_that_whole_numbers_refute_is_not_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def three_each(self: Branching, start: Proposal) -> Proposal:
        return {place: replace(holding, counts=((0, 3),)) for place, holding in start.items()}

    monkeypatch.setattr(Branching, "cheapest", three_each)
    monkeypatch.setattr(exact, "_stays", lambda *_: True)

    assert places(plan(EITHER)) == [("a", "n1")]


def test_a_service_that_runs_in_part_gets_what_it_lacks() -> None:
    """With "h" on n2 there is room on n1 for "f", and for a replica beside the one that "r" has."""
    profiles = [
        b.profile(b.point(100, 60, npus=2), b.point(100, 90, npu_class="rngd")),
        b.profile(b.point(100, 60), name="bert"),
    ]
    services = [
        b.service("h", priority=1),
        b.service("r", 200, model="bert", incumbents=(b.incumbent("n3"),)),
        b.service("f", model="bert"),
    ]
    nodes = [b.node("n1", 2), b.node("n2", 1, "rngd"), b.node("n3", 1)]

    result = plan(
        b.snapshot(services, nodes, classes=[b.npu_class(), b.npu_class("rngd")], profiles=profiles)
    )

    assert places(result) == [("f", "n1"), ("h", "n2"), ("r", "n1"), ("r", "n3")]


def test_a_proposal_that_the_next_plan_would_undo_is_not_taken() -> None:
    draft = Draft(EITHER)
    (option,) = draft.options(WIDE)
    draft.hold(WIDE.key, Holding(option.demand, option, ((0, 2),)))
    before = dict(draft.holdings)

    is_taken = exact.improve_exactly(draft, planned=Draft)  # a planner that ends all that runs

    assert not is_taken
    assert draft.holdings == before


def test_a_search_that_ends_at_its_limit_leaves_a_valid_plan(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(branching, "MOST_SEARCHED", 0)

    result = proven_plan(two_classes(FREE, PICKY))

    assert {name for name, _ in places(result)} >= {"a"}
    assert result.bound is not None, result.unproven
    assert result.bound.power <= result.totals.draw


def test_a_service_takes_no_idle_npus_only_because_work_draws_less() -> None:
    """Figures that say so are wrong, and whoever comes next would find no NPU left."""
    result = plan(b.snapshot([b.service()], profiles=[b.profile(b.point(100, 5))]))

    assert [p.replicas for p in result.placements] == [1]
