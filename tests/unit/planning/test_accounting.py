"""What budgets and totals count (design 6)."""

from __future__ import annotations

from fractions import Fraction

import builders as b
from kwatt.planning.accounting import rounded_sum
from kwatt.planning.plan import plan


def test_a_budget_counts_host_idle_reserved_and_foreign_watts() -> None:
    nodes = [b.node(npus=8, foreign_npus=2)]

    (use,) = plan(b.snapshot([b.service()], nodes, [b.budget(cap=1000, host=100)])).budgets

    assert (use.host, use.idle) == (b.watts(100), b.watts(50))
    assert (use.reserved, use.foreign) == (b.watts(60), b.watts(200))
    assert (use.headroom, use.draw) == (b.watts(590), b.watts(410))


def test_nodes_that_are_lost_still_draw() -> None:
    (use,) = plan(b.snapshot([], [b.node(ready=False)], [b.budget()])).budgets

    assert use.idle == b.watts(80)


def test_an_empty_node_that_is_off_draws_nothing_where_any_budget_says_so() -> None:
    budgets = [b.budget("idle"), b.budget("off", empty_off=True)]

    result = plan(b.snapshot([], budgets=budgets))

    assert [use.idle for use in result.budgets] == [b.watts(80), b.watts(0)]
    assert result.totals.idle == b.watts(0)


def test_a_node_without_class_counts_nothing() -> None:
    nodes = [b.node(npu_class=None, foreign_npus=3)]

    assert plan(b.snapshot([], nodes, [b.budget()])).budgets[0].draw == b.watts(0)


def test_stuck_pods_count_as_reserved() -> None:
    nodes = [b.node(npus=4, ready=False, stuck_npus=1, stuck_watts=50)]

    (use,) = plan(b.snapshot([], nodes, [b.budget(empty_off=True)])).budgets

    assert (use.idle, use.reserved) == (b.watts(30), b.watts(60))


def test_totals_leave_hosts_out() -> None:
    totals = plan(b.snapshot([b.service()], budgets=[b.budget(host=100)])).totals

    assert (totals.idle, totals.planned, totals.draw) == (b.watts(70), b.watts(60), b.watts(130))


def test_a_sum_of_fractions_is_rounded_once() -> None:
    terms = [(1, 3), (1, 6), (1, 7)]

    assert rounded_sum([(1, 3), (1, 6)]) == 1
    assert rounded_sum(terms) == round(sum(Fraction(*term) for term in terms))
