"""Nodes: the class each belongs to, what others hold there, and how pods are pinned to it."""

from __future__ import annotations

import pytest

from kwatt.observation.values import NoticeReason
from unit.observation.bodies import (
    ATOM,
    WATTS,
    budget,
    deployment,
    node,
    npu_class,
    own_pod,
    pod,
    profile,
    service,
)
from unit.observation.worlds import observed, only_node

GENERIC = "rebellions.ai/npu"
SERVED = (service(), profile(), npu_class(), deployment())


def offering(**amounts: str) -> dict[str, dict[str, str]]:
    return {"capacity": amounts, "allocatable": amounts}


def test_a_node_belongs_to_the_class_whose_selector_matches() -> None:
    seen = only_node(node(), npu_class())

    assert (seen.npu_class, seen.resource) == ("atom", ATOM)
    assert (seen.npus_capacity, seen.npus_allocatable) == (4, 4)
    assert (seen.cpu_milli, seen.pods) == (64_000, 110)


def test_two_classes_on_one_node_use_it_for_neither_and_say_so() -> None:
    other = npu_class("other", nodeSelector={"matchLabels": {"npu": "atom"}})

    seen = observed(node(), npu_class(), other)

    assert seen.snapshot.nodes[0].npu_class is None
    assert seen.snapshot.nodes[0].conflict == ("atom", "other")
    assert [one.reason for one in seen.notices] == [NoticeReason.NODE_CONFLICT]
    assert "node n1 matches the NPUClasses atom and other" in seen.notices[0].message


def test_a_class_that_is_not_schedulable_takes_no_node() -> None:
    incomplete = npu_class("other", nodeSelector={"matchLabels": {"npu": "atom"}}, watts=None)

    seen = observed(node(), npu_class(), incomplete)

    assert seen.snapshot.nodes[0].npu_class == "atom"
    assert list(seen.snapshot.classes) == ["atom"]
    assert "spec.watts.idle, spec.watts.max" in seen.notices[0].message


@pytest.mark.parametrize(
    ("status", "resource"),
    [
        (offering(**{GENERIC: "4"}), GENERIC),
        (offering(**{GENERIC: "4", ATOM: "4"}), ATOM),
        (offering(**{GENERIC: "4", ATOM: "0"}), GENERIC),
        ({"capacity": {ATOM: "4"}, "allocatable": {ATOM: "0"}}, ATOM),
    ],
)
def test_a_node_offers_the_first_resource_of_its_class_that_it_has(
    status: dict[str, dict[str, str]], resource: str
) -> None:
    both_names = npu_class(alternativeResourceNames=[GENERIC])

    assert only_node(node(**status), both_names).resource == resource


def test_a_node_without_the_resource_is_reported() -> None:
    seen = observed(node(**offering(cpu="1")), npu_class())

    assert seen.snapshot.nodes[0].npu_class is None
    assert [one.reason for one in seen.notices] == [NoticeReason.NODE_WITHOUT_RESOURCE]


def test_foreign_pods_are_summed_by_either_name_of_the_resource() -> None:
    seen = only_node(
        node(),
        npu_class(alternativeResourceNames=[GENERIC]),
        pod("a", cpu="1", memory="1Gi", **{ATOM: "1"}),
        pod("b", cpu="500m", **{GENERIC: "2", WATTS: "30"}),
    )

    assert (seen.foreign_npus, seen.foreign_watts) == (3, 30)
    assert (seen.other_cpu_milli, seen.other_memory_bytes, seen.other_pods) == (1500, 1024**3, 2)


def test_finished_and_unbound_pods_hold_nothing() -> None:
    finished = pod("a", cpu="1", **{ATOM: "1"})
    finished["status"]["phase"] = "Succeeded"

    seen = only_node(node(), npu_class(), finished, pod("b", None, cpu="1", **{ATOM: "1"}))

    assert (seen.foreign_npus, seen.other_pods) == (0, 0)


def test_own_pods_are_not_foreign() -> None:
    seen = only_node(*SERVED, node(), own_pod("a"), own_pod("b"))

    assert (seen.foreign_npus, seen.other_pods, seen.stuck_npus) == (0, 0, 0)


def test_own_terminating_pods_are_stuck_only_where_the_node_is_not_ready() -> None:
    leaving = own_pod("a", deletionTimestamp="2026-11-23T02:59:00Z")
    lost = node(conditions=[{"type": "Ready", "status": "Unknown"}])

    ready, not_ready = only_node(*SERVED, node(), leaving), only_node(*SERVED, lost, leaving)

    assert (ready.stuck_npus, ready.stuck_watts) == (0, 0)
    assert (not_ready.stuck_npus, not_ready.stuck_watts) == (1, 24)


def test_pods_whose_service_is_gone_are_stuck_until_they_are_collected() -> None:
    seen = observed(profile(), npu_class(), deployment(), node(), own_pod("a"))

    assert (seen.snapshot.nodes[0].stuck_npus, seen.snapshot.nodes[0].stuck_watts) == (1, 24)
    assert seen.snapshot.nodes[0].foreign_npus == 0
    assert seen.snapshot.services == ()


@pytest.mark.parametrize("hostname", ["", "n2"])
def test_a_hostname_that_is_missing_or_shared_pins_by_name(hostname: str) -> None:
    seen = observed(node("n1", {"kubernetes.io/hostname": hostname}), node("n2"), node("n3"))

    by_name = {one.name for one in seen.snapshot.nodes if one.pin_by_name}
    assert by_name == ({"n1", "n2"} if hostname else {"n1"})


def test_the_advertised_share_is_what_the_scheduler_sees() -> None:
    assert only_node(node(**offering(**{WATTS: "120"}))).advertised_watts == 120
    assert only_node(node()).advertised_watts is None


def test_budgets_cover_the_nodes_that_their_selectors_match() -> None:
    by_rack = {"matchLabels": {"rack": "a1"}}
    seen = observed(
        node("n2", {"rack": "a1"}),
        node("n1", {"rack": "a1"}),
        node("n3"),
        budget("all"),
        budget("rack", nodeSelector=by_rack),
        budget("empty", nodeSelector={"matchLabels": {"rack": "b"}}),
    )

    covered = {one.name: one.nodes for one in seen.snapshot.budgets}
    assert covered == {"all": ("n1", "n2", "n3"), "rack": ("n1", "n2"), "empty": ()}
    assert [one.reason for one in seen.notices] == [NoticeReason.BUDGET_WITHOUT_NODES]
