"""What the planner that remembers does with single changes, and when it plans everything."""

from __future__ import annotations

from dataclasses import replace

import builders as b
from kwatt.model.keys import ServiceKey
from kwatt.model.plan import Plan
from kwatt.model.snapshot import Service, Snapshot
from kwatt.planning.incremental import Planner
from kwatt.planning.plan import plan

PARKING, TRAFFIC = ServiceKey("city", "parking"), ServiceKey("city", "traffic")
NODES = (b.node("n1", 4), b.node("n2", 4), b.node("n3", 4))
OFF = b.budget(cap=2000, nodes=["n1", "n2", "n3"], empty_off=True)


def world(*services: Service) -> Snapshot:
    return b.snapshot(services, NODES, [OFF])


def places(result: Plan) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for p in result.placements:
        found.setdefault(p.service.name, {})[p.node] = p.replicas
    return found


def replicas(result: Plan) -> dict[str, int]:
    return {name: sum(nodes.values()) for name, nodes in places(result).items()}


def test_a_grown_service_gets_more_and_nobody_else_is_touched() -> None:
    planner, parking = Planner(from_services=0), b.service("parking", 200)
    before = planner.plan(world(parking, b.service(target=100)))

    after = planner.plan(world(parking, b.service(target=300)))

    assert places(after)["parking"] == places(before)["parking"]
    assert replicas(after) == {"parking": 2, "traffic": 3}
    assert after.unproven


def test_replicas_planned_before_keep_their_nodes_once_one_of_them_runs() -> None:
    planner = Planner(from_services=0)
    before = planner.plan(world(b.service("parking", 300), b.service(target=300)))

    running = (b.incumbent(min(places(before)["traffic"]), 1),)
    after = planner.plan(world(b.service(target=300, incumbents=running)))

    assert len(places(before)["traffic"]) == 2
    assert places(after)["traffic"] == places(before)["traffic"]


def test_a_node_is_emptied_while_nothing_of_its_services_runs() -> None:
    planner = Planner(from_services=0)
    before = planner.plan(world(b.service("parking", 300), b.service(target=300)))

    after = planner.plan(world(b.service(target=300)))

    assert len(places(before)["traffic"]) == 2
    assert list(places(after)["traffic"].values()) == [3]


def test_a_service_without_room_comes_home_once_there_is_some() -> None:
    planner = Planner(from_services=0)
    both = b.profile(b.point(100, 60), b.point(100, 160, npu_class="rngd"))
    ground = b.snapshot(
        nodes=[b.node("n1", 4), b.node("r1", 4, "rngd")],
        classes=[b.npu_class(), b.npu_class("rngd", most=200)],
        profiles=[both],
    )

    def planned(*services: Service) -> set[str]:
        return set(places(planner.plan(replace(ground, services=services)))["traffic"])

    assert planned(b.service("parking", 300), b.service(target=100)) == {"n1"}
    assert planned(b.service("parking", 300), b.service(target=200)) == {"r1"}
    assert planned(b.service("parking", 200), b.service(target=200)) == {"n1"}


def test_a_shrunk_service_leaves_the_node_that_is_emptied_soonest() -> None:
    planner = Planner(from_services=0)
    before = planner.plan(world(b.service(target=500)))

    after = planner.plan(world(b.service(target=400)))

    assert sorted(places(before)["traffic"].values()) == [1, 4]
    assert list(places(after)["traffic"].values()) == [4]


def test_totals_count_what_still_has_to_start() -> None:
    planner, service = Planner(from_services=0), b.service(target=200)
    planned = planner.plan(world(service))
    (node,) = places(planned)["traffic"]

    started = planner.plan(world(replace(service, incumbents=(b.incumbent(node, 1),))))

    assert (planned.totals.starts, started.totals.starts) == (2, 1)
    assert started.bound == planned.bound, "the same services draw the same"


def test_pods_that_are_not_planned_are_planned_anew() -> None:
    planner, service = Planner(from_services=0), b.service(target=200)
    elsewhere = world(replace(service, incumbents=(b.incumbent("n3", 2),)))
    planner.plan(world(service))

    assert planner.plan(elsewhere) == plan(elsewhere)


def test_a_changed_budget_is_planned_anew() -> None:
    planner, service = Planner(from_services=0), b.service(target=200)
    planner.plan(world(service))
    lower = b.snapshot([service], NODES, [replace(OFF, cap=b.watts(70))])

    assert planner.plan(lower) == plan(lower)
    assert planner.plan(lower).unplaced


def test_who_would_be_short_displaces_lower_priorities() -> None:
    low = b.service("parking", 800, priority=1)
    planner = Planner(from_services=0)
    planner.plan(world(low))
    urgent = world(low, b.service(target=800, priority=2))

    result = planner.plan(urgent)

    assert result == plan(urgent)
    assert [one.service for one in result.unplaced] == [PARKING]


def test_what_a_lost_node_had_is_served_elsewhere_with_as_many_starts() -> None:
    planner = Planner(from_services=0)
    before = planner.plan(world(b.service("parking", 300), b.service(target=300)))
    (node,) = places(before)["parking"]
    lost = sum(on.get(node, 0) for on in places(before).values())

    delta = planner.lose(node)

    assert delta.is_covered
    assert delta.starts == lost
    number = ("n1", "n2", "n3").index(node)
    after = [holding for holding in delta.after.values() if holding]
    assert all(number not in dict(holding.counts) for holding in after)
    assert all(holding.is_whole for holding in after)


def test_a_loss_that_leaves_somebody_short_is_not_covered() -> None:
    planner = Planner(from_services=0)
    planner.plan(world(b.service(target=1200)))

    delta = planner.lose("n1")

    assert (delta.is_covered, delta.starts) == (False, 0)


def test_single_steps_are_in_the_next_plan() -> None:
    planner, parking, traffic = (
        Planner(from_services=0),
        b.service("parking", 100),
        b.service(target=100),
    )
    planner.plan(world(parking, traffic))

    assert planner.remove(PARKING).before[PARKING]
    assert planner.change(b.service(target=300)).starts == 2

    assert replicas(planner.plan(world(b.service(target=300)))) == {"traffic": 3}


def test_steps_before_any_plan_are_not_covered() -> None:
    assert not Planner().change(b.service()).is_covered
    assert not Planner().remove(TRAFFIC).is_covered
    assert not Planner().lose("n1").is_covered
