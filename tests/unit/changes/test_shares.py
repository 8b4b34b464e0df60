"""Shares of kwatt.dev/watts: which node advertises how much, and when it may rise.

A node has 8 atoms of 10 W idle and 100 W at most: 80 W idle and 720 W above.
"""

from __future__ import annotations

from dataclasses import replace

import builders as b
from kwatt.changes.diff import diff
from kwatt.changes.shares import Headroom, Held, held_on, node_watts
from kwatt.changes.values import ShareChange
from unit.changes.scenes import GROUP, changes, cluster, placement, plan_of, pod

FRESH = [b.node("n1"), b.node("n2")]


def after(shares: tuple[ShareChange, ...]) -> dict[str, int]:
    return {share.node: share.after for share in shares}


def test_without_budgets_a_node_advertises_what_its_npus_draw_at_most() -> None:
    assert after(changes(cluster(nodes=FRESH)).raise_) == {"n1": 720, "n2": 720}


def test_a_budget_that_cannot_be_reached_does_not_bind() -> None:
    loose = b.budget(cap=1600, nodes=("n1", "n2"))

    assert after(changes(cluster(nodes=FRESH, budgets=[loose])).raise_) == {"n1": 720, "n2": 720}


def test_under_a_budget_that_binds_a_node_advertises_what_is_planned_on_it() -> None:
    tight = b.budget(cap=1599, nodes=("n1", "n2"))

    result = changes(cluster(nodes=FRESH, budgets=[tight]), placement("n1", 2), placement("n2"))

    assert after(result.raise_) == {"n1": 100, "n2": 50}


def test_host_watts_make_a_budget_bind() -> None:
    hosted = b.budget(cap=800, host=1, nodes=("n1",))

    assert after(changes(cluster(nodes=FRESH, budgets=[hosted])).raise_) == {"n2": 720}


def test_a_nested_budget_binds_only_the_nodes_under_it() -> None:
    row = b.budget("row", 1600, ("n1", "n2"))
    rack = b.budget("rack", 400, ("n1",))

    result = changes(cluster(nodes=FRESH, budgets=[row, rack]), placement("n1"))

    assert after(result.raise_) == {"n1": 50, "n2": 720}


def test_of_overlapping_budgets_each_must_have_room() -> None:
    nodes = [*FRESH, b.node("n3")]
    left = b.budget("left", 290, ("n1", "n2"))
    right = b.budget("right", 270, ("n2", "n3"))
    world = cluster(nodes=nodes, budgets=[left, right])

    result = changes(world, placement("n1"), placement("n2", 2), placement("n3"))

    assert after(result.raise_) == {"n1": 50, "n2": 80, "n3": 30}


def test_the_idle_watts_of_an_empty_node_count_unless_it_is_powered_off() -> None:
    idle = b.budget(cap=210, nodes=("n1", "n2"))
    off = b.budget(cap=210, nodes=("n1", "n2"), empty_off=True)

    assert after(changes(cluster(nodes=FRESH, budgets=[idle]), placement()).raise_) == {"n1": 50}
    result = changes(cluster(nodes=FRESH, budgets=[off]), placement("n1", 2))
    assert after(result.raise_) == {"n1": 100}


def test_the_first_share_of_a_node_that_was_off_pays_for_its_idle_watts() -> None:
    off = b.budget(cap=210, nodes=("n1", "n2"), empty_off=True)

    result = changes(cluster(nodes=FRESH, budgets=[off]), placement("n1"), placement("n2"))

    assert after(result.raise_) == {"n1": 50}


def test_a_pod_without_watts_above_idle_wakes_its_node_as_well() -> None:
    off = b.budget(cap=210, nodes=("n1", "n2"), empty_off=True)
    world = cluster(pod("p", node="n1", watts=0), nodes=FRESH, budgets=[off])

    left = Headroom(world, {}, held_on(world, {})).left

    assert left["rack-a1"] == b.watts(210 - 80)


def test_foreign_pods_count_at_the_maximum_of_the_class() -> None:
    nodes = [b.node("n1", foreign_npus=2), b.node("n2")]
    tight = b.budget(cap=400, nodes=("n1", "n2"))

    result = changes(cluster(nodes=nodes, budgets=[tight]), placement("n2", 2))

    assert after(result.raise_) == {"n2": 400 - 160 - 180}


def test_foreign_pods_that_ask_for_watts_get_them_on_top() -> None:
    nodes = [b.node("n1", foreign_npus=1, foreign_watts=90)]
    tight = b.budget(cap=400)

    result = changes(cluster(nodes=nodes, budgets=[tight]), placement())

    assert after(result.raise_) == {"n1": 140}


def test_a_share_that_is_too_large_is_lowered_at_once() -> None:
    tight = b.budget(cap=800, nodes=("n1", "n2"))

    result = changes(cluster(budgets=[tight]), placement())

    assert after(result.lower) == {"n1": 50, "n2": 0}
    assert result.lower[0] == ShareChange("n1", 720, 50, "")


def test_a_share_rises_only_after_another_one_was_lowered() -> None:
    full = [b.node("n1", advertised_watts=100), b.node("n2", advertised_watts=0)]
    tight = b.budget(cap=260, nodes=("n1", "n2"))

    both = changes(cluster(nodes=full, budgets=[tight]), placement("n2", 2))
    lowered = [replace(full[0], advertised_watts=0), full[1]]
    later = changes(cluster(nodes=lowered, budgets=[tight]), placement("n2", 2))

    assert (after(both.lower), after(both.raise_)) == ({"n1": 0}, {})
    assert (after(later.lower), after(later.raise_)) == ({}, {"n2": 100})


def test_a_share_waits_for_pods_that_are_about_to_end() -> None:
    nodes = [b.node("n1", advertised_watts=0), b.node("n2", advertised_watts=0)]
    tight = b.budget(cap=260, nodes=("n1", "n2"))
    ending = pod("p", node="n1", terminating=True)

    world = cluster(ending, replicas=2, nodes=nodes, budgets=[tight])

    assert after(changes(world, placement("n2", 2)).raise_) == {"n2": 50}


def test_a_share_rises_in_part_where_there_is_no_room_for_all_of_it() -> None:
    tight = b.budget(cap=230, nodes=("n1", "n2"))

    result = changes(cluster(nodes=FRESH, budgets=[tight]), placement("n2", 2))

    assert after(result.raise_) == {"n2": 70}


def test_a_pod_counts_at_its_watts_or_at_those_of_todays_profile_whichever_is_more() -> None:
    world = cluster(pod("old", node="n1", watts=40), pod("new", node="n2", watts=60))

    held = held_on(world, {GROUP: 50})

    assert (held["n1"].watts, held["n2"].watts) == (50, 60)


def test_pods_keep_their_idle_watts_where_the_label_of_the_class_is_gone() -> None:
    world = cluster(pod("p", node="n1"), nodes=[b.node("n1", npu_class=None)])

    assert held_on(world, {})["n1"] == Held(watts=50, npus=0, idle=10_000, pods=1)


def test_pods_that_hold_more_npus_than_the_node_has_left_all_count() -> None:
    atom = {"atom": b.npu_class()}

    assert node_watts(b.node(npus=1), atom, held_npus=3).idle == 30_000


def test_a_raise_without_an_answer_counts_as_done() -> None:
    nodes = [b.node("n1", advertised_watts=0), b.node("n2", advertised_watts=0)]
    world = cluster(nodes=nodes, budgets=[b.budget(cap=260, nodes=("n1", "n2"))])

    result = diff(world, plan_of(placement("n2", 2)), {"n1": 100, "n2": 0})

    assert result.raise_ == ()


def test_a_share_below_what_it_may_have_become_is_no_lowering() -> None:
    nodes = [b.node("n1", advertised_watts=0), b.node("n2", advertised_watts=150)]
    world = cluster(nodes=nodes, budgets=[b.budget(cap=260, nodes=("n1", "n2"))])

    result = diff(world, plan_of(placement("n1"), placement("n2", 3)), {"n1": 100, "n2": 150})

    assert (result.lower, result.raise_) == ((), ())


def test_nothing_rises_under_a_budget_that_is_exceeded() -> None:
    nodes = [b.node("n1", advertised_watts=None), b.node("n2", advertised_watts=0)]
    cut = b.budget(cap=200, nodes=("n1", "n2"))
    world = cluster(pod("p", node="n1"), nodes=nodes, budgets=[cut])

    result = changes(world, placement("n1"))

    assert result.raise_ == ()
    assert result.left["rack-a1"] == b.watts(-10)


def test_what_nodes_may_draw_now_is_left_of_each_cap() -> None:
    row = b.budget("row", 1000, ("n1", "n2"), host=100)
    world = cluster(pod("p", node="n1"), pod("q", node="n2", terminating=True), budgets=[row])

    assert changes(world, placement("n1")).left == {"row": b.watts(1000 - 100 - 160 - 100)}


def test_a_node_that_no_class_matches_gives_its_share_back() -> None:
    strange = b.node("n1", npu_class=None, advertised_watts=90)

    assert after(changes(cluster(nodes=[strange])).lower) == {"n1": 0}


def test_a_node_without_npus_is_left_alone() -> None:
    assert changes(cluster(nodes=[b.node("n1", npu_class=None)])).raise_ == ()
