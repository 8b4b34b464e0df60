"""Gated pods: which are released to which node and when, and which ungated ones have to be evicted."""

from __future__ import annotations

from dataclasses import replace

import builders as b
from kwatt.changes.diff import RELEASE_DEADLINE, diff
from kwatt.changes.values import Release
from unit.changes.scenes import changes, cluster, names_of, placement, plan_of, pod, seconds_ago

LATE = RELEASE_DEADLINE.total_seconds()


def test_a_gated_pod_is_released_to_its_planned_node() -> None:
    world = cluster(pod("p"))

    (release,) = changes(world, placement("n2")).release

    assert release == Release(world.pods[0].key, "uid-p", "7", "n2", "n2", False, None)


def test_a_pod_is_pinned_by_name_where_the_hostname_is_missing_or_shared() -> None:
    nodes = [b.node("n1", advertised_watts=720, pin_by_name=True)]

    (release,) = changes(cluster(pod("p", affinity_terms=2), nodes=nodes), placement()).release

    assert (release.node, release.hostname, release.affinity_terms) == ("n1", None, 2)


def test_the_oldest_gated_pods_are_released_first_in_the_order_of_nodes() -> None:
    old = pod("z", created=seconds_ago(60))
    world = cluster(pod("a"), pod("b"), old)

    result = changes(world, placement("n1"), placement("n2"))

    assert [(r.pod.name, r.node) for r in result.release] == [("z", "n1"), ("a", "n2")]


def test_a_pod_of_outdated_watts_is_not_released() -> None:
    assert changes(cluster(pod("p", watts=40)), placement()).release == ()


def test_a_pod_with_a_gate_of_somebody_else_is_not_released() -> None:
    assert changes(cluster(pod("p", other_gates=1)), placement()).release == ()


def test_a_terminating_pod_is_not_released() -> None:
    assert changes(cluster(pod("p", terminating=True)), placement()).release == ()


def test_a_node_that_has_its_replicas_gets_no_more() -> None:
    released = pod("q", pin="n1", released=b.NOW)

    assert changes(cluster(pod("p"), released), placement()).release == ()


def test_a_release_waits_for_watts() -> None:
    nodes = [b.node("n1", advertised_watts=50)]
    tight = b.budget(cap=130)  # 50 W above idle
    ending = pod("e", node="n1", terminating=True)
    world = cluster(pod("p"), ending, nodes=nodes, budgets=[tight])

    waits = changes(world, placement())
    goes = changes(replace(world, pods=world.pods[:1]), placement())

    assert (names_of(waits.release), names_of(goes.release)) == ([], ["p"])


def test_a_release_may_use_a_share_that_rises_in_the_same_cycle() -> None:
    nodes = [b.node("n1", advertised_watts=0)]
    world = cluster(pod("p"), nodes=nodes, budgets=[b.budget(cap=130)])

    result = changes(world, placement())

    assert ([s.after for s in result.raise_], names_of(result.release)) == ([50], ["p"])


def test_a_release_does_not_count_on_a_share_that_only_may_have_risen() -> None:
    nodes = [b.node("n1", advertised_watts=0)]
    world = cluster(pod("p"), nodes=nodes, budgets=[b.budget(cap=120)])

    assert diff(world, plan_of(placement()), {"n1": 50}).release == ()


def test_a_release_waits_for_npus() -> None:
    nodes = [b.node("n1", npus=1, advertised_watts=720)]
    ending = pod("e", node="n1", terminating=True)

    assert changes(cluster(pod("p"), ending, nodes=nodes), placement()).release == ()


def test_foreign_pods_hold_npus_and_watts() -> None:
    npus = [b.node("n1", npus=1, foreign_npus=1, advertised_watts=720)]
    watts = [b.node("n1", npus=1, foreign_watts=60, advertised_watts=100)]

    assert changes(cluster(pod("p"), nodes=npus), placement()).release == ()
    assert changes(cluster(pod("p"), nodes=watts), placement()).raise_[0].after == 110


def test_a_release_waits_for_cpu_memory_and_pod_slots() -> None:
    wants = pod("p", cpu_milli=2000, memory_bytes=b.GIB)
    for short in (
        {"other_cpu_milli": 63_000},
        {"other_memory_bytes": 512 * b.GIB},
        {"other_pods": 110},
    ):
        nodes = [b.node("n1", advertised_watts=720, **short)]
        assert changes(cluster(wants, nodes=nodes), placement()).release == ()


def test_two_services_do_not_get_the_same_watts() -> None:
    nodes = [b.node("n1", advertised_watts=80)]
    world = cluster(pod("p"), pod("q"), nodes=nodes, budgets=[b.budget(cap=160)])

    assert names_of(changes(world, placement("n1", 2)).release) == ["p"]


def test_a_released_pod_that_is_not_bound_in_time_is_evicted() -> None:
    late = pod("p", pin="n1", released=seconds_ago(LATE))

    (eviction,) = changes(cluster(late), placement()).evict

    assert (eviction.pod.name, eviction.why) == ("p", "not bound to n1 in time")


def test_before_the_deadline_a_released_pod_waits_and_the_loop_wakes_for_it() -> None:
    result = changes(cluster(pod("p", pin="n1", released=seconds_ago(LATE - 1))), placement())

    assert result.evict == ()
    assert result.wake == b.NOW + (RELEASE_DEADLINE - (b.NOW - seconds_ago(LATE - 1)))


def test_without_the_annotation_the_deadline_counts_from_the_creation() -> None:
    late = pod("p", pin="n1", released=None, created=seconds_ago(LATE + 1))

    assert names_of(changes(cluster(late), placement()).evict) == ["p"]


def test_a_bound_pod_has_no_deadline() -> None:
    bound = pod("p", node="n1", pin="n1", released=seconds_ago(3600))

    result = changes(cluster(bound), placement())

    assert (result.evict, result.wake) == ((), None)


def test_a_pod_whose_gate_somebody_removed_is_evicted_while_it_is_bound_nowhere() -> None:
    rogue = pod("p", gated=False)

    (eviction,) = changes(cluster(rogue), placement()).evict

    assert eviction.why == "its scheduling gate was removed by somebody else"


def test_a_pod_that_is_late_and_planned_elsewhere_is_evicted_once() -> None:
    late = pod("p", pin="n1", released=seconds_ago(LATE))

    assert names_of(changes(cluster(late), placement("n2")).evict) == ["p"]


def test_the_place_of_an_evicted_pod_is_free_for_another_gated_one() -> None:
    late = pod("p", pin="n1", released=seconds_ago(LATE))

    result = changes(cluster(late, pod("q")), placement(), placement("n2"))

    assert ("q", "n1") in [(r.pod.name, r.node) for r in result.release]


def test_a_cluster_that_is_as_planned_needs_nothing() -> None:
    result = changes(
        cluster(pod("p", node="n1"), pod("q", node="n2")), placement(), placement("n2")
    )

    assert (result.lower, result.remove, result.costs, result.shrink) == ((), (), (), ())
    assert (result.evict, result.raise_, result.release, result.wake) == ((), (), (), None)


def test_a_release_waits_while_a_cap_is_exceeded_even_if_the_share_is_free() -> None:
    nodes = [b.node("n1", advertised_watts=200), b.node("n2", advertised_watts=100)]
    cut = b.budget(cap=300, nodes=("n1", "n2"))
    running = [pod(name, node="n2") for name in ("q", "r", "s")]

    world = cluster(pod("p"), *running, nodes=nodes, budgets=[cut])

    assert changes(world, placement("n1"), placement("n2", 2)).release == ()


def test_a_pod_without_watts_above_idle_may_not_wake_a_node_beyond_the_cap() -> None:
    tight = b.budget(cap=79, empty_off=True)
    world = cluster(pod("p", watts=0), nodes=[b.node("n1")], budgets=[tight])

    assert changes(world, placement(above_idle=0)).release == ()


def test_a_release_waits_until_shares_that_are_too_large_were_lowered() -> None:
    nodes = [b.node("n1", advertised_watts=50), b.node("n2", advertised_watts=200)]
    cut = b.budget(cap=300, nodes=("n1", "n2"))

    result = changes(cluster(pod("p"), nodes=nodes, budgets=[cut]), placement("n1"))

    assert ([share.node for share in result.lower], result.release) == (["n2"], ())


def test_each_pod_that_is_released_is_cheaper_to_delete_than_those_before_it() -> None:
    first = cluster(pod("a"), pod("b"))
    later = cluster(pod("runs", node="n1", deletion_cost=-3), pod("a"))

    assert [one.cost for one in changes(first, placement("n1", 2)).release] == [0, -1]
    assert [one.cost for one in changes(later, placement("n1", 2)).release] == [-4]
