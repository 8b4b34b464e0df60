"""How requests are divided over variants: by planned rate, as far as replicas are ready."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import builders as b
from kwatt.changes.splits import MOST_VARIANTS, WHOLE, splits
from kwatt.changes.values import Changes, Scale
from kwatt.model.keys import ServiceKey, Variant
from kwatt.model.plan import Placement
from kwatt.model.snapshot import Pod, Snapshot
from unit.changes.scenes import KEY, changes, cluster, deployment, names_of, placement, plan_of, pod

ONE, TWO, THREE = b.variant(), b.variant(npus=2), b.variant(env={"MAX_BATCH": "8"})
ROUTED = b.service(mixes=True)


def routed(*pods: Pod, **facts: object) -> Snapshot:
    """Make a cluster whose service is routed."""
    return cluster(*pods, **({"services": [ROUTED]} | facts))


def on(variant: Variant, replicas: int = 1, rate: float = 100, node: str = "n1") -> Placement:
    """Place replicas of a variant at a rate for all of them together."""
    return placement(node, replicas, variant=variant, rate=b.rate(rate))


def ready(variant: Variant, count: int = 1) -> list[Pod]:
    """Make ready pods of a variant."""
    return [
        pod(f"{variant.npus}{variant.setting}-{n}", variant=variant, node="n1")
        for n in range(count)
    ]


def weights(
    snapshot: Snapshot, *placements: Placement, staying: Iterable[Pod] = ()
) -> dict[Variant, int]:
    """Return the weights of the one service."""
    keys = {one.key for one in staying}
    (split,) = splits(snapshot, plan_of(*placements), keys)
    assert split.service == KEY
    return dict(split.weights)


def test_a_service_without_a_route_is_not_divided() -> None:
    assert splits(cluster(*ready(ONE)), plan_of(on(ONE))) == ()
    assert changes(cluster(*ready(ONE)), on(ONE)).splits == ()


def test_weights_follow_the_planned_rates() -> None:
    pods = [*ready(ONE, 2), *ready(TWO)]

    assert weights(routed(*pods), on(ONE, 2, 300), on(TWO, 1, 100)) == {ONE: 750, TWO: 250}


def test_rates_on_several_nodes_add_up() -> None:
    rows = on(ONE, 1, 100, "n1"), on(ONE, 1, 100, "n2"), on(TWO, 1, 200)

    assert weights(routed(*ready(ONE, 2), *ready(TWO)), *rows) == {ONE: 500, TWO: 500}


def test_thousandths_go_to_the_largest_remainders_and_then_to_the_first() -> None:
    pods = [*ready(ONE), *ready(TWO), *ready(THREE)]
    rows = on(ONE, 1, 100), on(TWO, 1, 100), on(THREE, 1, 100)

    found = weights(routed(*pods), *rows)

    assert sorted(found.values()) == [333, 333, 334]
    assert found[min(found)] == 334


def test_a_new_variant_gets_requests_as_its_replicas_get_ready() -> None:
    rows = on(ONE, 1, 100), on(TWO, 3, 300)

    steps = [weights(routed(*ready(ONE), *ready(TWO, count)), *rows) for count in range(4)]

    assert [step[TWO] for step in steps] == [0, 500, 667, 750]


def test_a_variant_that_is_not_planned_any_more_gets_nothing_while_its_pods_are_there() -> None:
    assert weights(routed(*ready(ONE), *ready(TWO)), on(TWO)) == {TWO: WHOLE}


def test_more_ready_pods_than_are_planned_do_not_count() -> None:
    pods = [*ready(ONE, 4), *ready(TWO)]

    assert weights(routed(*pods), on(ONE), on(TWO)) == {ONE: 500, TWO: 500}


def test_who_leaves_serves_on_while_nobody_else_is_ready() -> None:
    assert weights(routed(*ready(ONE)), on(TWO)) == {ONE: WHOLE, TWO: 0}


def test_who_serves_on_until_its_successors_are_ready_carries_what_they_lack() -> None:
    former, rows = ready(ONE, 2), [on(TWO, 4, 400)]

    steps = [
        weights(routed(*former, *ready(TWO, count)), *rows, staying=former) for count in range(5)
    ]

    assert [step.get(ONE, 0) for step in steps] == [1000, 750, 500, 250, 0]
    assert steps[-1] == {TWO: WHOLE}


def test_two_former_variants_carry_what_is_lacking_by_their_replicas() -> None:
    former = [*ready(ONE, 3), *ready(THREE, 1)]
    pods = [*former, *ready(TWO)]

    assert weights(routed(*pods), on(TWO, 2, 200), staying=former) == {
        ONE: 375,
        THREE: 125,
        TWO: 500,
    }


def test_only_those_that_serve_on_count() -> None:
    former = ready(ONE, 3)
    pods = [*former, *ready(THREE), *ready(TWO)]

    assert weights(routed(*pods), on(TWO, 2, 200), staying=former[:1]) == {ONE: 500, TWO: 500}


@pytest.mark.parametrize("facts", [{"ready": False}, {"terminating": True}, {"finished": True}])
def test_a_pod_that_does_not_serve_carries_no_weight(facts: dict[str, bool]) -> None:
    (waiting,) = ready(TWO)

    found = weights(routed(*ready(ONE), replace(waiting, **facts)), on(ONE), on(TWO))

    assert found == {ONE: WHOLE, TWO: 0}


def test_while_no_pod_is_ready_weights_are_the_planned_ones() -> None:
    assert weights(routed(), on(ONE, 1, 100), on(TWO, 1, 300)) == {ONE: 250, TWO: 750}


def test_a_service_that_is_not_placed_has_no_weights() -> None:
    assert weights(routed()) == {}


def test_a_service_that_is_held_keeps_the_division_it_has() -> None:
    held = replace(ROUTED, held="spec.model: does not exist")

    assert splits(routed(*ready(ONE), services=[held]), plan_of(on(ONE))) == ()


def test_rates_that_are_not_known_count_alike() -> None:
    assert weights(routed(), on(ONE, 1, 0), on(TWO, 1, 0)) == {ONE: 500, TWO: 500}


def test_no_more_variants_than_a_rule_may_name() -> None:
    many = [b.variant(npus=count) for count in range(1, MOST_VARIANTS + 3)]

    found = weights(routed(), *(on(one, 1, 100 * one.npus) for one in many))

    assert list(found) == many[2:]
    assert sum(found.values()) == WHOLE


@given(
    st.lists(
        st.tuples(st.integers(1, 5), st.integers(0, 10**9), st.integers(0, 5)),
        min_size=1,
        max_size=8,
    )
)
def test_weights_are_whole_and_sum_up(rows: list[tuple[int, int, int]]) -> None:
    """The law: whatever is planned and ready, weights sum to WHOLE, each within one of its share."""
    variants = [b.variant(npus=index + 1) for index in range(len(rows))]
    placements = [
        on(variant, replicas, rate)
        for variant, (replicas, rate, _) in zip(variants, rows, strict=True)
    ]
    pods = [
        one
        for variant, (_, _, count) in zip(variants, rows, strict=True)
        for one in ready(variant, count)
    ]
    served = [10**6 * rate * min(count, n) // n for n, rate, count in rows]

    found = weights(routed(*pods), *placements)

    assert sum(found.values()) == WHOLE
    for variant, share in zip(variants, served, strict=True):
        if sum(served):
            assert abs(found[variant] * sum(served) - WHOLE * share) < sum(served)


class TestSeveralVariantsAtOnce:
    """What a route makes possible: a plan with several variants of one service, as its final state."""

    def mixed(self, *pods: Pod) -> Snapshot:
        second = deployment(2, name="traffic-atom-2", uid="uid-e", variant=TWO)
        nodes = [b.node(name, advertised_watts=720) for name in ("n1", "n2")]
        return routed(*pods, deployments=(deployment(1), second), nodes=nodes)

    def planned(self, *pods: Pod) -> Changes:
        rows = on(ONE, 1, 100, "n1"), placement("n2", 2, 100, variant=TWO, rate=b.rate(300))
        return changes(self.mixed(*pods), *rows)

    def test_each_variant_has_its_own_size_and_watts(self) -> None:
        found = self.planned()

        assert found.grow == (
            Scale(KEY, ONE, 1, 50, "at-100"),
            Scale(KEY, TWO, 2, 90, "at-100"),
        )
        assert (found.shrink, found.remove) == ((), ())

    def test_gated_pods_go_where_their_own_variant_is_planned(self) -> None:
        second = {"variant": TWO, "deployment": "traffic-atom-2", "watts": 90}

        found = self.planned(pod("p"), pod("q", **second), pod("r", **second), pod("s", **second))

        assert [(one.pod.name, one.node) for one in found.release] == [
            ("p", "n1"),
            ("q", "n2"),
            ("r", "n2"),
        ]

    def test_nothing_is_left_to_do_where_all_runs_as_planned(self) -> None:
        second = {"variant": TWO, "deployment": "traffic-atom-2", "watts": 90, "node": "n2"}
        placed = pod("p", node="n1"), pod("q", **second), pod("r", **second)

        found = self.planned(*placed)

        assert (found.costs, found.evict, found.release, found.shrink) == ((), (), (), ())
        assert (found.lower, found.raise_) == ((), ())
        assert dict(found.splits[0].weights) == {ONE: 250, TWO: 750}

    def test_only_the_variant_that_shrinks_loses_a_replica(self) -> None:
        second = {"variant": TWO, "deployment": "traffic-atom-2", "watts": 90, "node": "n2"}
        placed = pod("p", node="n1"), pod("q", **second), pod("r", **second)

        found = changes(self.mixed(*placed), on(ONE), placement("n2", 1, 100, variant=TWO))

        assert [(one.variant, one.replicas) for one in found.shrink] == [(TWO, 1)]
        assert names_of(found.costs) == ["r"]

    def test_another_service_of_the_same_variant_is_divided_by_itself(self) -> None:
        other = ServiceKey("city", "other")
        snapshot = routed(*ready(ONE), services=[ROUTED, b.service("other", mixes=True)])

        found = splits(snapshot, plan_of(on(ONE), placement(service=other)))

        assert [one.service for one in found] == [other, KEY]
        assert [dict(one.weights) for one in found] == [{ONE: WHOLE}, {ONE: WHOLE}]
