"""Each reason, with its figures and the change that would help."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import builders as b
from kwatt.model.plan import Reason, Unplaced
from kwatt.model.snapshot import Node, PodShape, Service, Snapshot
from kwatt.planning.plan import plan


def waiting(snapshot: Snapshot) -> Unplaced:
    (unplaced,) = plan(snapshot).unplaced
    return unplaced


CASES: list[tuple[Reason, dict[str, Any], dict[str, Any]]] = [
    (
        Reason.INSUFFICIENT_MEMORY,
        {"profiles": [b.profile(memory=20 * b.GIB)]},
        {"needed": 20 * b.GIB, "available": 16 * b.GIB, "unit": "bytes"},
    ),
    (
        Reason.INSUFFICIENT_NPUS,
        {"nodes": [b.node(npus=0)]},
        {"needed": 1, "available": 0, "unit": "NPUs", "node": "n1", "heldBy": ()},
    ),
    (
        Reason.INSUFFICIENT_NODE_RESOURCES,
        {"nodes": [b.node(cpu_milli=500)]},
        {"needed": 1.0, "available": 0.0, "unit": "cores", "node": "n1"},
    ),
    (
        Reason.NODE_NOT_READY,
        {"nodes": [b.node(ready=False)]},
        {"needed": 1, "available": 0, "unit": "nodes", "node": "n1"},
    ),
    (
        Reason.POWER_BUDGET_EXCEEDED,
        {"budgets": [b.budget(cap=100)]},
        {"needed": 50.0, "available": 20.0, "unit": "W", "budget": "rack-a1", "heldBy": ()},
    ),
    (
        Reason.NO_MATCHING_PROFILE,
        {"profiles": []},
        {"needed": None, "available": None, "unit": None},
    ),
]


@pytest.mark.parametrize(("reason", "facts", "figures"), CASES, ids=[c[0] for c in CASES])
def test_a_lack_of_the_cluster_is_named(
    reason: Reason, facts: dict[str, Any], figures: dict[str, Any]
) -> None:
    (rejection,) = waiting(b.snapshot([b.service()], **facts)).rejections

    assert (rejection.reason, dict(rejection.figures)) == (reason, figures)


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        (
            {"profiles": [b.profile(memory=20 * b.GIB)]},
            "a replica needs 20Gi of NPU memory, the largest measured size on atom has 16Gi",
        ),
        ({"nodes": [b.node(cpu_milli=1500)]}, "the service needs 2 cores of cpu, 1 are usable"),
        (
            {"nodes": [b.node(memory_bytes=3 * b.GIB // 2)]},
            "the service needs 2Gi of memory, 1Gi are usable",
        ),
        ({"nodes": [replace(b.node(), pods=1)]}, "the service needs 2 pods, 1 are usable"),
        (
            {"quotas": [b.quota({"cpu": 1500})]},
            "team has 1.5 cores of cpu left, the service needs 2",
        ),
        (
            {"quotas": [b.quota({"memory": 3 * b.GIB // 2})]},
            "team has 1536Mi of memory left, the service needs 2Gi",
        ),
        ({"quotas": [b.quota({"pods": 1})]}, "team has 1 pods left, the service needs 2"),
        (
            {"quotas": [b.quota({"kwatt.dev/watts": 60})]},
            "team has 60 W of kwatt.dev/watts left, the service needs 100",
        ),
    ],
)
def test_amounts_are_written_as_in_manifests(facts: dict[str, Any], says: str) -> None:
    (rejection,) = waiting(b.snapshot([b.service(target=200)], **facts)).rejections

    assert rejection.message.endswith(says)


LIMITS: list[tuple[Reason, Service, dict[str, Any], str]] = [
    (
        Reason.LATENCY_UNREACHABLE,
        b.service(latency_micros=5000),
        {"needed": 5.0, "available": 20.0, "unit": "ms"},
        "latency.p99Milliseconds 20",
    ),
    (
        Reason.THROUGHPUT_UNREACHABLE,
        b.service(target=300, max_replicas=2),
        {"needed": 300.0, "available": 200.0, "unit": "images/s"},
        "replicas.max 3",
    ),
    (
        Reason.SERVICE_POWER_EXCEEDED,
        b.service(target=300, power_limit=b.watts(125)),
        {"needed": 180.0, "available": 125.0, "unit": "W"},
        "power.watts 180",
    ),
]


@pytest.mark.parametrize(("reason", "service", "figures", "change"), LIMITS)
def test_a_limit_of_the_service_is_named_with_what_would_do(
    reason: Reason, service: Service, figures: dict[str, Any], change: str
) -> None:
    unplaced = waiting(b.snapshot([service]))

    assert unplaced.rejections[0].reason is reason
    assert dict(unplaced.rejections[0].figures) == figures
    assert [r.change for r in unplaced.nearest] == [change]


def test_a_budget_names_who_holds_the_watts() -> None:
    control = b.service("control", priority=1)
    snapshot = b.snapshot([b.service("food"), control], budgets=[b.budget(cap=150)])

    (rejection,) = waiting(snapshot).rejections

    assert rejection.message == (
        "rack-a1 has 20 W left, the service needs 50 W; held by city/control"
    )
    assert rejection.figures["heldBy"] == ("city/control",)


def test_the_missing_watts_are_told() -> None:
    (relaxation,) = waiting(b.snapshot([b.service()], budgets=[b.budget(cap=100)])).nearest

    assert relaxation.change == "+30 W on rack-a1"
    assert relaxation.figures == {"budget": "rack-a1", "watts": 30}


def test_services_that_differ_only_in_watts_are_told_their_own() -> None:
    profiles = [b.profile(b.point(100, 61)), b.profile(b.point(100, 95), name="bert")]
    services = [b.service("a"), b.service("b", model="bert")]

    result = plan(b.snapshot(services, budgets=[b.budget(cap=90)], profiles=profiles))

    needed = [unplaced.rejections[0].figures["needed"] for unplaced in result.unplaced]
    assert needed == [51, 85]


def nearest(snapshot: Snapshot) -> list[str]:
    return [relaxation.change for relaxation in waiting(snapshot).nearest]


def test_watts_that_nested_budgets_both_lack_are_told_together() -> None:
    budgets = [b.budget(cap=100), b.budget("row-a", cap=85), b.budget("hall", cap=500)]
    (relaxation,) = waiting(b.snapshot([b.service()], budgets=budgets)).nearest

    assert relaxation.change == "+30 W on rack-a1 and +45 W on row-a"
    assert relaxation.figures == {"budgets": ("rack-a1", "row-a"), "watts": (30, 45)}


def test_watts_for_a_node_to_be_opened_are_counted() -> None:
    off = b.budget(cap=100, empty_off=True)  # 8 x 10 W idle and 50 W above

    assert nearest(b.snapshot([b.service()], budgets=[off])) == ["+30 W on rack-a1"]


def test_a_node_that_lacks_watts_as_well_is_told_with_them() -> None:
    snapshot = b.snapshot([b.service(target=200)], [b.node(npus=1)], [b.budget(cap=10 + 50 + 5)])

    assert nearest(snapshot) == ["one more atom node like n1 and +55 W on rack-a1"]


def test_a_node_of_another_name_does_not_help_a_service_that_names_its_node() -> None:
    pinned = replace(b.service(target=1000), shape=PodShape(affinity=b.on_hosts("n1")))

    assert nearest(b.snapshot([pinned])) == []


@pytest.mark.parametrize(
    ("node", "change"),
    [
        (b.node(cpu_milli=1500), "a cpu request of 750m per replica"),
        (b.node(memory_bytes=3 * b.GIB // 2), "a memory request of 768Mi per replica"),
    ],
)
def test_the_requests_that_would_fit_are_told(node: Node, change: str) -> None:
    assert nearest(b.snapshot([b.service(target=200)], [node])) == [
        change,
        "one more atom node like n1",
    ]


def test_fewer_replicas_are_told_where_they_would_do() -> None:
    snapshot = b.snapshot([b.service(min_replicas=4)], budgets=[b.budget(cap=80 + 110)])

    assert nearest(snapshot) == ["+90 W on rack-a1", "replicas.min 2"]


def test_all_that_quotas_lack_is_told() -> None:
    quotas = [b.quota({"kwatt.dev/watts": 40}), b.quota({"pods": 0}, name="small")]

    assert nearest(b.snapshot([b.service()], quotas=quotas)) == [
        "+1 pods in ResourceQuota small and +10 kwatt.dev/watts in ResourceQuota team"
    ]


def test_the_missing_nodes_are_told() -> None:
    (relaxation,) = waiting(b.snapshot([b.service(target=1000)])).nearest

    assert relaxation.change == "one more atom node like n1"


def test_a_quota_is_named() -> None:
    quota = b.quota({"kwatt.dev/watts": 40})

    unplaced = waiting(b.snapshot([b.service()], quotas=[quota]))

    assert unplaced.rejections[0].reason is Reason.QUOTA_EXCEEDED
    assert [r.change for r in unplaced.nearest] == ["+10 kwatt.dev/watts in ResourceQuota team"]


def test_a_selector_that_no_node_matches_is_named() -> None:
    picky = replace(b.service(), shape=PodShape(node_selector=(("zone", "b"),)))

    (rejection,) = waiting(b.snapshot([picky])).rejections

    assert rejection.reason is Reason.INSUFFICIENT_NODE_RESOURCES
    assert rejection.figures["unit"] == "nodes"


def test_an_allow_list_without_measurements_is_named_without_a_class() -> None:
    (rejection,) = waiting(b.snapshot([b.service(allowed=("rngd",))])).rejections

    assert (rejection.npu_class, rejection.reason) == (None, Reason.NO_MATCHING_PROFILE)


def test_of_many_who_hold_the_watts_the_largest_are_named() -> None:
    small = [b.service(f"small-{n:02}", priority=1) for n in range(4)]
    large = [b.service(f"t-large-{n:02}", 200, priority=1) for n in range(16)]
    snapshot = b.snapshot(
        [b.service("a-food", 9), *small, *large], [b.node(npus=64)], [b.budget(cap=640 + 36 * 50)]
    )

    (rejection,) = waiting(snapshot).rejections

    assert rejection.figures["heldBy"] == tuple(f"city/t-large-{n:02}" for n in range(16))
    assert rejection.message.endswith("city/t-large-02 and 17 more")


def test_more_nodes_than_any_cluster_has_are_not_tried_out() -> None:
    most = 8 * 100 * (1 + 5_000)  # on one node of eight NPUs, and on 5,000 like it

    assert nearest(b.snapshot([b.service(target=most)])) == ["5000 more atom nodes like n1"]
    assert nearest(b.snapshot([b.service(target=most + 1)])) == []
