"""Who goes where when a node is lost: nobody short who can be served, and few starts."""

from __future__ import annotations

import builders as b
from kwatt.model.keys import ServiceKey
from kwatt.model.plan import Plan
from kwatt.model.snapshot import Service, Snapshot
from kwatt.planning.draft import Holding
from kwatt.planning.incremental import Planner
from kwatt.planning.losses import leavers
from kwatt.planning.options import Demand

PARKING, TRAFFIC = ServiceKey("city", "parking"), ServiceKey("city", "traffic")


def holding(*counts: tuple[int, int], npus: int = 1) -> Holding:
    return Holding(Demand("city", b.variant(npus=npus), 50, b.watts(10), 1000, b.GIB), None, counts)


def chosen(needed: int, **holdings: Holding) -> list[str]:
    found = leavers({ServiceKey("city", name): h for name, h in holdings.items()}, 1, needed)
    return [key.name for key in found]


def test_who_lost_all_replicas_leaves_before_who_lost_a_few() -> None:
    assert chosen(1, a=holding((1, 1), (2, 9)), b=holding((1, 1))) == ["b"]


def test_what_a_leaver_frees_elsewhere_lets_others_stay() -> None:
    assert chosen(4, a=holding((1, 2), (2, 2)), b=holding((1, 2), (2, 9))) == ["a"]


def test_nobody_leaves_who_need_not_once_a_large_one_has_to() -> None:
    assert chosen(3, a=holding((1, 1)), b=holding((1, 2), (2, 9))) == ["b"]


def test_nobody_leaves_where_nothing_is_needed() -> None:
    assert chosen(0, a=holding((1, 1))) == []


def test_the_npus_of_replicas_count() -> None:
    assert chosen(4, a=holding((1, 1), npus=4), b=holding((1, 1))) == ["a"]


def test_who_has_no_other_kind_stays_where_another_leaves_room() -> None:
    """Also where it comes first by priority."""
    planner, node = _planned()

    delta = planner.lose(node)

    assert delta.is_covered
    assert {key.name: h.demand.variant.npu_class for key, h in delta.after.items() if h} == {
        "parking": "rngd",
        "traffic": "atom",
    }
    assert delta.starts == 8, "six on another kind, two beside what is left"


def _planned() -> tuple[Planner, str]:
    """Plan eight replicas on two full nodes, two of which run on no other kind; return their node too."""
    planner = Planner(from_services=0)
    world = _world(
        b.service("parking", 600),
        b.service("traffic", 200, priority=2, allowed=("atom",)),
    )
    placed: Plan = planner.plan(world)
    on = {p.node: p.replicas for p in placed.placements if p.service == TRAFFIC}
    assert {p.node for p in placed.placements if p.service == PARKING} == {"n1", "n2"}
    (node,) = on
    return planner, node


def _world(*services: Service) -> Snapshot:
    return b.snapshot(
        services,
        [b.node("n1", 4), b.node("n2", 4), b.node("r1", 8, "rngd")],
        classes=[b.npu_class(), b.npu_class("rngd", most=200)],
        profiles=[b.profile(b.point(100, 60), b.point(100, 160, npu_class="rngd"))],
    )


def test_who_leaves_starts_few_replicas_where_many_would_save_little() -> None:
    """One large replica at 4 W more than four small ones: starts cost 10 W each."""
    planner = Planner(from_services=0)
    few = b.point(400, 364, npu_class="rngd", npus=4)
    world = b.snapshot(
        [b.service("parking", 400)],
        [b.node("n1", 4), b.node("r1", 8, "rngd")],
        classes=[b.npu_class(), b.npu_class("rngd", most=200)],
        profiles=[b.profile(b.point(100, 60), b.point(100, 90, npu_class="rngd"), few)],
    )
    planner.plan(world)

    delta = planner.lose("n1")

    assert [h.demand.variant.npus for h in delta.after.values() if h] == [4]
    assert delta.starts == 1
