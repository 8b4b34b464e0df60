"""Patches of pods and nodes, and what becomes of a pod as the API server has it when one is applied."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from jsonpatch import JsonPatchConflict, JsonPatchTestFailed, apply_patch

from kwatt.changes.values import Cost, ShareChange
from kwatt.manifests.patches import build_cost, build_release, build_share
from kwatt.model.keys import PodKey
from kwatt.model.selectors import AffinityGap
from kwatt.observation.parsing.pods import parse_pod
from unit.manifests.inputs import NOW, release

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
ON_N1 = [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]
PINNED = {"nodeSelectorTerms": [{"matchFields": ON_N1}]}
ZONE = {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}
RACK = {"matchExpressions": [{"key": "rack", "operator": "Exists"}]}
NEAR_CACHE = {PREFERRED: [{"weight": 1, "podAffinityTerm": {"topologyKey": "zone"}}]}
IN_ZONE = [{"weight": 1, "preference": ZONE}]


def gated_pod(**spec: Any) -> dict[str, Any]:
    metadata = {
        "namespace": "city",
        "name": "p",
        "uid": "77aa",
        "resourceVersion": "4711",
        "labels": {"kwatt.dev/service": "traffic"},
        "annotations": {"note": "kept"},
    }
    gates = [{"name": "kwatt.dev/placement"}]
    return {"metadata": metadata, "spec": {"schedulingGates": gates, **spec}}


def released(body: dict[str, Any], hostname: str | None = None) -> dict[str, Any]:
    """Parse the pod, release it to n1, and return its spec as the API server would have it then."""
    pod = parse_pod(body)
    seen = release(
        hostname=hostname,
        has_node_selector=pod.has_node_selector,
        affinity_terms=pod.affinity_terms,
    )
    return apply_patch(body, build_release(seen, NOW))["spec"]


def test_a_release_removes_the_gate() -> None:
    assert released(gated_pod(), "host-1")["schedulingGates"] == []


def test_a_release_says_when_and_what_deletion_costs_and_keeps_the_annotations() -> None:
    patched = apply_patch(gated_pod(), build_release(release(cost=-2), NOW))

    assert patched["metadata"]["annotations"] == {
        "note": "kept",
        "kwatt.dev/released": "2026-11-23T09:30:15+00:00",
        "controller.kubernetes.io/pod-deletion-cost": "-2",
    }


def test_a_pod_without_a_node_selector_gets_one() -> None:
    spec = released(gated_pod(), "host-1")

    assert spec["nodeSelector"] == {"kubernetes.io/hostname": "host-1"}


def test_a_node_selector_is_narrowed() -> None:
    spec = released(gated_pod(nodeSelector={"zone": "a"}), "host-1")

    assert spec["nodeSelector"] == {"zone": "a", "kubernetes.io/hostname": "host-1"}


def test_by_name_a_pod_without_any_affinity_gets_one() -> None:
    assert released(gated_pod())["affinity"] == {"nodeAffinity": {REQUIRED: PINNED}}


def test_by_name_a_preferred_pod_affinity_stays() -> None:
    spec = released(gated_pod(affinity={"podAntiAffinity": NEAR_CACHE}))

    assert spec["affinity"] == {
        "podAntiAffinity": NEAR_CACHE,
        "nodeAffinity": {REQUIRED: PINNED},
    }


def test_by_name_a_preferred_node_affinity_stays() -> None:
    spec = released(gated_pod(affinity={"nodeAffinity": {PREFERRED: IN_ZONE}}))

    assert spec["affinity"]["nodeAffinity"] == {PREFERRED: IN_ZONE, REQUIRED: PINNED}


@pytest.mark.parametrize("affinity", [{}, {"nodeAffinity": {}}], ids=str)
def test_by_name_an_empty_affinity_is_filled(affinity: dict[str, Any]) -> None:
    assert released(gated_pod(affinity=affinity))["affinity"] == {
        "nodeAffinity": {REQUIRED: PINNED}
    }


def test_by_name_every_required_term_is_narrowed() -> None:
    required = {REQUIRED: {"nodeSelectorTerms": [ZONE, RACK]}}

    spec = released(gated_pod(affinity={"nodeAffinity": required}))

    terms = spec["affinity"]["nodeAffinity"][REQUIRED]["nodeSelectorTerms"]
    assert terms == [ZONE | {"matchFields": ON_N1}, RACK | {"matchFields": ON_N1}]


@pytest.mark.parametrize(
    ("affinity", "expected"),
    [
        (None, None),
        ({"podAffinity": NEAR_CACHE}, AffinityGap.NODE_AFFINITY),
        ({"nodeAffinity": {PREFERRED: IN_ZONE}}, AffinityGap.REQUIRED),
        ({"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [ZONE, RACK]}}}, 2),
    ],
    ids=["no affinity", "no node affinity", "nothing required", "two terms"],
)
def test_parsing_tells_how_much_of_an_affinity_there_is(affinity: Any, expected: Any) -> None:
    assert parse_pod(gated_pod(affinity=affinity)).affinity_terms == expected


@pytest.mark.parametrize("changed", [{"uid": "other"}, {"resource_version": "4712"}], ids=str)
def test_a_pod_that_is_not_the_one_seen_is_not_released(changed: dict[str, str]) -> None:
    patch = build_release(replace(release(), **changed), NOW)

    with pytest.raises(JsonPatchTestFailed):
        apply_patch(gated_pod(), patch)


@pytest.mark.parametrize("gates", [[], [{"name": "other/gate"}]], ids=["none", "another"])
def test_no_gate_but_ours_is_removed(gates: list[dict[str, str]]) -> None:
    body = gated_pod(schedulingGates=gates)

    with pytest.raises((JsonPatchTestFailed, JsonPatchConflict)):
        apply_patch(body, build_release(release(), NOW))


def test_keys_with_a_slash_are_escaped() -> None:
    paths = {step["path"] for step in build_release(release(has_node_selector=True), NOW)}

    assert "/spec/nodeSelector/kubernetes.io~1hostname" in paths
    assert "/metadata/annotations/kwatt.dev~1released" in paths


def test_a_deletion_cost_is_text_and_bound_to_the_pod() -> None:
    patch = build_cost(Cost(PodKey("city", "p"), "77aa", -1))

    annotations = {"controller.kubernetes.io/pod-deletion-cost": "-1"}
    assert patch == {"metadata": {"uid": "77aa", "annotations": annotations}}


def test_a_share_is_capacity_and_allocatable_alike() -> None:
    status = build_share(ShareChange("n1", None, 250, "4711"))["status"]

    assert status["capacity"] == status["allocatable"] == {"kwatt.dev/watts": "250"}


def test_a_share_is_refused_for_a_node_that_changed() -> None:
    patch = build_share(ShareChange("n1", 300, 0, "4711"))

    assert patch["metadata"] == {"resourceVersion": "4711"}
