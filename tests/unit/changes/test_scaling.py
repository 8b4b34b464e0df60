"""Deployments: which are made, resized, emptied and removed, and who has to leave a shrinking one."""

from __future__ import annotations

import builders as b
from kwatt.changes.values import Cost, Removal, Scale
from kwatt.model.keys import ServiceKey
from unit.changes.scenes import (
    GROUP,
    KEY,
    changes,
    cluster,
    deployment,
    names_of,
    placement,
    pod,
)

OTHER = b.variant(npus=2)


def test_a_new_service_gets_a_deployment() -> None:
    result = changes(cluster(deployments=()), placement("n1", 2), placement("n2"))

    assert result.grow == (Scale(KEY, b.variant(), 3, 50, "at-100"),)
    assert (result.shrink, result.remove, result.evict) == ((), (), ())


def test_a_deployment_is_listed_even_if_its_size_is_right_for_its_template_may_differ() -> None:
    result = changes(cluster(pod("p", node="n1")), placement())

    assert [scale.replicas for scale in result.grow] == [1]


def test_more_replicas_come_after_evictions_and_fewer_before() -> None:
    more = changes(cluster(pod("p", node="n1")), placement("n1", 2))
    fewer = changes(cluster(pod("p", node="n1"), pod("q", node="n1")), placement())

    assert ([s.replicas for s in more.grow], more.shrink) == ([2], ())
    assert ([s.replicas for s in fewer.shrink], fewer.grow) == ([1], ())


def test_most_replicas_decide_which_operating_point_a_deployment_is_named_for() -> None:
    low = placement("n1", operating_point="at-50")
    high = placement("n2", 2, operating_point="at-100")

    (scale,) = changes(cluster(deployments=()), low, high).grow

    assert scale.operating_point == "at-100"


def test_the_replica_to_lose_is_named_by_its_deletion_cost() -> None:
    world = cluster(pod("stays", node="n1"), pod("goes", node="n2"))

    result = changes(world, placement("n1"))

    assert result.costs == (Cost(world.pods[1].key, "uid-goes", -1),)
    assert result.evict == ()


def test_a_deletion_cost_is_not_written_twice() -> None:
    world = cluster(pod("stays", node="n1"), pod("goes", node="n2", deletion_cost=-1))

    assert changes(world, placement("n1")).costs == ()


def test_a_replica_that_goes_costs_less_than_one_that_was_to_go_before() -> None:
    stays, goes = pod("stays", node="n1", deletion_cost=-1), pod("goes", node="n2")

    result = changes(cluster(stays, goes), placement("n1"))

    assert [(cost.pod.name, cost.cost) for cost in result.costs] == [("goes", -2)]


def test_where_no_cost_is_lower_all_are_named_anew() -> None:
    least = pod("stays", node="n1", deletion_cost=-(2**31))

    result = changes(cluster(least, pod("goes", node="n2")), placement("n1"))

    assert [(cost.pod.name, cost.cost) for cost in result.costs] == [("goes", -1), ("stays", 0)]


def test_where_all_replicas_share_a_node_the_last_to_come_goes_without_a_write() -> None:
    first, last = (pod(name, node="n1", deletion_cost=-i) for i, name in enumerate("ba"))

    result = changes(cluster(first, last), placement("n1"))

    assert (result.costs, [scale.replicas for scale in result.shrink]) == ((), [1])


def test_of_replicas_on_one_node_the_one_that_is_not_ready_goes() -> None:
    world = cluster(pod("a", node="n1", ready=False), pod("b", node="n1"))

    assert names_of(changes(world, placement()).costs) == ["a"]


def test_of_equal_replicas_the_younger_one_goes() -> None:
    old = pod("z-old", node="n1", created=b.NOW.replace(hour=1))

    assert names_of(changes(cluster(old, pod("a-new", node="n1")), placement()).costs) == ["a-new"]


def test_gated_pods_go_first_without_any_mark() -> None:
    world = cluster(pod("runs", node="n1"), pod("waits"))

    assert changes(world, placement()).costs == ()


def test_a_move_evicts_the_replica_that_is_planned_elsewhere() -> None:
    result = changes(cluster(pod("p", node="n1")), placement("n2"))

    assert [(e.pod.name, e.uid, e.why) for e in result.evict] == [
        ("p", "uid-p", "planned on another node")
    ]


def test_a_terminating_pod_is_not_evicted_again() -> None:
    world = cluster(pod("p", node="n1", terminating=True), replicas=1)

    assert changes(world, placement("n2")).evict == ()


def test_a_deployment_that_is_not_planned_is_emptied_while_it_has_pods() -> None:
    world = cluster(pod("p", node="n1"))

    result = changes(world)

    assert result.shrink == (Scale(KEY, b.variant(), 0, 50, ""),)
    assert (result.remove, result.evict) == ((), ())


def test_a_deployment_that_is_not_planned_waits_for_its_last_pod() -> None:
    world = cluster(pod("p", node="n1", terminating=True), replicas=0)

    result = changes(world)

    assert (result.shrink, result.remove) == ((), ())


def test_an_empty_deployment_that_is_not_planned_is_removed() -> None:
    assert changes(cluster()).remove == (Removal("city", "traffic-atom-1", "uid-d"),)


def test_a_deployment_without_a_service_is_removed_with_its_pods() -> None:
    result = changes(cluster(pod("p", node="n1"), services=()))

    assert names_removed(result) == ["traffic-atom-1"]


def test_another_variant_is_another_deployment() -> None:
    world = cluster(pod("p", node="n1"))

    result = changes(world, placement("n2", variant=OTHER))

    assert [(s.variant, s.replicas) for s in result.shrink] == [(b.variant(), 0)]
    assert [(s.variant, s.replicas) for s in result.grow] == [(OTHER, 1)]


def test_deployments_of_an_unknown_variant_are_removed_in_the_order_of_names() -> None:
    strangers = tuple(
        deployment(0, name=name, variant=b.variant("gone"), service=ServiceKey("city", "x"))
        for name in ("b", "a")
    )

    assert names_removed(changes(cluster(deployments=strangers))) == ["a", "b"]


def test_a_held_service_keeps_its_replicas_with_the_watts_that_they_asked_for() -> None:
    kept = b.service(held="ModelProfile is gone", incumbents=(b.incumbent(),))
    world = cluster(pod("p", node="n1"), services=[kept])

    result = changes(world, placement(operating_point=""))

    assert result.grow == (Scale(*GROUP, 1, 50, ""),)
    assert (result.shrink, result.evict, result.costs, result.release) == ((), (), (), ())


def test_a_held_service_is_scaled_down_to_what_may_stay() -> None:
    kept = b.service(held="ModelProfile is gone")
    world = cluster(pod("p", node="n1"), pod("q", node="n2"), services=[kept])

    result = changes(world, placement("n1"))

    assert ([s.replicas for s in result.shrink], names_of(result.costs)) == ([1], ["q"])


def names_removed(result: object) -> list[str]:
    return [removal.name for removal in result.remove]
