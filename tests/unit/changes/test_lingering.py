"""Make before break: who serves on while its successor starts, who is evicted, and who waits for nobody."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import builders as b
from kwatt.changes.values import Scale
from kwatt.model.keys import ServiceKey
from kwatt.model.snapshot import Pod, Snapshot
from unit.changes.scenes import KEY, changes, cluster, deployment, names_of, placement, pod

OTHER = b.variant(npus=2)
SECOND = deployment(1, name="traffic-atom-2", uid="uid-e", variant=OTHER)
THIRD = ServiceKey("city", "third")


def moving(*pods: Pod, replicas: int | None = None, **facts: Any) -> Snapshot:
    """Make a snapshot with these pods whose replicas may move."""
    return replace(cluster(*pods, replicas=replicas, **facts), moves_horizon=3600)


def sizes(result: Any) -> list[int]:
    """Return the replicas that planned Deployments are to have."""
    return [scale.replicas for scale in (*result.shrink, *result.grow)]


def test_one_replica_more_is_made_before_the_one_that_moves_goes() -> None:
    result = changes(moving(pod("old", node="n1")), placement("n2"))

    assert (sizes(result), result.evict, result.costs) == ([2], (), ())
    assert result.lingering == {KEY: 1}


def test_the_successor_is_released_while_the_old_one_serves() -> None:
    result = changes(moving(pod("old", node="n1"), pod("new"), replicas=2), placement("n2"))

    assert [(r.pod.name, r.node) for r in result.release] == [("new", "n2")]
    assert (sizes(result), result.evict) == ([2], ())


def test_the_old_one_serves_on_until_its_successor_is_ready() -> None:
    starting = pod("new", node="n2", ready=False)

    result = changes(moving(pod("old", node="n1"), starting), placement("n2"))

    assert (sizes(result), result.evict, result.costs) == ([2], (), ())


def test_then_it_is_the_one_to_go() -> None:
    result = changes(moving(pod("old", node="n1"), pod("new", node="n2")), placement("n2"))

    assert (sizes(result), names_of(result.costs), result.evict) == ([1], ["old"], ())
    assert result.lingering == {}


def test_without_the_horizon_it_is_evicted_at_once() -> None:
    result = changes(cluster(pod("old", node="n1")), placement("n2"))

    assert (sizes(result), names_of(result.evict)) == ([1], ["old"])


def test_another_variant_starts_beside_the_old_one() -> None:
    result = changes(moving(pod("old", node="n1")), placement("n2", variant=OTHER))

    assert result.grow == (Scale(KEY, OTHER, 1, 40, "at-100"),)
    assert (result.shrink, result.remove, result.evict) == ((), (), ())


def test_the_old_variant_goes_when_the_new_one_is_ready() -> None:
    new = pod("new", node="n2", variant=OTHER, deployment="traffic-atom-2")
    both = (deployment(1), SECOND)

    starting = changes(
        moving(pod("old", node="n1"), replace(new, ready=False), deployments=both),
        placement("n2", variant=OTHER),
    )
    ready = changes(
        moving(pod("old", node="n1"), new, deployments=both), placement("n2", variant=OTHER)
    )

    assert (starting.shrink, starting.lingering) == ((), {KEY: 1})
    assert [(s.variant, s.replicas) for s in ready.shrink] == [(b.variant(), 0)]


def test_without_headroom_the_old_one_is_evicted_first() -> None:
    tight = b.budget(
        cap=249, nodes=("n1", "n2")
    )  # 160 W idle, one replica of 50 W and no second one

    result = changes(moving(pod("old", node="n1"), budgets=[tight]), placement("n2"))

    assert (names_of(result.evict), sizes(result)) == (["old"], [1])
    assert result.evict[0].why.endswith("no room to start its successor first")


def test_without_free_npus_the_old_one_is_evicted_first() -> None:
    full = [b.node("n1", npus=1, advertised_watts=90)]

    result = changes(moving(pod("old", node="n1"), nodes=full), placement("n1", variant=OTHER))

    assert names_of(result.evict) == ["old"]


def test_a_quota_without_room_for_one_more_pod_makes_it_an_eviction() -> None:
    one = b.quota({"kwatt.dev/watts": 99})

    result = changes(moving(pod("old", node="n1"), quotas=[one]), placement("n2"))

    assert (names_of(result.evict), sizes(result)) == (["old"], [1])


def test_one_replica_at_a_time_is_evicted() -> None:
    tight = b.budget(cap=260, nodes=("n1", "n2"))
    pair = (pod("old-1", node="n1"), pod("old-2", node="n1"))

    first = changes(moving(*pair, budgets=[tight]), placement("n2", 2))
    ending = replace(pair[0], terminating=True)
    second = changes(moving(ending, pair[1], replicas=2, budgets=[tight]), placement("n2", 2))

    assert (names_of(first.evict), names_of(second.evict)) == (["old-1"], [])


def test_nobody_is_evicted_while_the_successor_of_another_starts() -> None:
    tight = b.budget(cap=260, nodes=("n1", "n2"))
    pods = (pod("old", node="n1"), pod("new", node="n2", ready=False))

    assert changes(moving(*pods, budgets=[tight]), placement("n2", 2)).evict == ()


def test_no_pod_is_made_that_a_disruption_budget_would_count_as_unhealthy() -> None:
    tight = b.budget(cap=249, nodes=("n1", "n2"))

    result = changes(moving(pod("old", node="n1"), budgets=[tight]), placement("n2", variant=OTHER))

    assert [(s.variant, s.replicas) for s in result.grow] == [(OTHER, 0)]


def test_where_a_cap_is_exceeded_nobody_lingers() -> None:
    cut = b.budget(cap=200, nodes=("n1", "n2"))

    result = changes(moving(pod("old", node="n1"), budgets=[cut]), placement("n2", variant=OTHER))

    assert [(s.variant, s.replicas) for s in result.shrink] == [(b.variant(), 0)]


def test_nobody_lingers_where_another_service_is_to_start() -> None:
    third = b.service("third")
    nodes = [b.node("n1", npus=1, advertised_watts=90), b.node("n2", advertised_watts=720)]
    waiting = pod("p", service=THIRD, deployment="third-atom-1")
    services = [b.service(), third]
    world = moving(pod("old", node="n1"), waiting, replicas=1, nodes=nodes, services=services)

    result = changes(world, placement("n2"), placement("n1", service=THIRD))

    assert (result.lingering, names_of(result.evict)) == ({}, ["old"])


def test_a_replica_that_is_not_ready_serves_nobody_and_does_not_linger() -> None:
    result = changes(moving(pod("old", node="n1", ready=False)), placement("n2"))

    assert names_of(result.evict) == ["old"]


def test_fewer_replicas_need_no_successor() -> None:
    result = changes(moving(pod("a", node="n1"), pod("b", node="n2")), placement("n2"))

    assert (sizes(result), names_of(result.costs), result.lingering) == ([1], ["a"], {})


def test_it_is_said_whether_old_and_new_replicas_do_the_rate_together() -> None:
    old, new = pod("old", node="n1"), pod("new", node="n2", ready=False)
    more = [b.service(target=200)]

    enough, too_few = (
        changes(moving(old, new, services=services), placement("n2"))
        for services in ([b.service()], more)
    )

    assert (enough.sustained, too_few.sustained) == ({KEY}, frozenset())
