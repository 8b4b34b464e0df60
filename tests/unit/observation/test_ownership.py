"""Labels alone make no pod KWatt's: a ReplicaSet of a Deployment of an InferenceService must control it."""

from __future__ import annotations

from typing import Any

import pytest

from kwatt.model.keys import PodKey, Variant
from unit.observation.bodies import (
    ATOM,
    OWN_LABELS,
    deployment,
    node,
    npu_class,
    own_pod,
    profile,
    service,
)
from unit.observation.worlds import observed

SERVED = (service(), profile(), npu_class(), node())
LABELS = {**OWN_LABELS, "pod-template-hash": "abc"}


def owner(**differs: Any) -> list[dict[str, Any]]:
    return [{"kind": "ReplicaSet", "name": "traffic-atom-1a2b3-abc", "controller": True, **differs}]


def test_an_own_pod_is_read_with_its_variant() -> None:
    (seen,) = observed(*SERVED, deployment(), own_pod("a")).snapshot.pods

    assert seen.key == PodKey("city", "a")
    assert seen.variant == Variant("atom", ATOM, 1, "")
    assert (seen.deployment, seen.watts, seen.assigned) == ("traffic-atom-1a2b3", 24, "n1")


@pytest.mark.parametrize(
    "metadata",
    [
        {"ownerReferences": []},
        {"ownerReferences": owner(name="traffic-atom-1a2b3-xyz")},
        {"ownerReferences": owner(kind="StatefulSet")},
        {"ownerReferences": owner(controller=False)},
        {"labels": {**LABELS, "kwatt.dev/service": "other"}},
        {"labels": {**LABELS, "kwatt.dev/variant": "other"}},
        {"labels": {**LABELS, "kwatt.dev/npus": "many"}},
        {"labels": OWN_LABELS},
        {"namespace": "elsewhere"},
    ],
)
def test_a_forged_pod_is_foreign_and_counts_at_the_maximum(metadata: dict[str, Any]) -> None:
    seen = observed(*SERVED, deployment(), own_pod("a", **metadata)).snapshot

    assert seen.pods == ()
    assert seen.nodes[0].foreign_npus == 1


@pytest.mark.parametrize(
    "metadata",
    [
        {"ownerReferences": []},
        {"labels": {}},
        {"labels": {**OWN_LABELS, "kwatt.dev/service": "other"}},
    ],
)
def test_a_forged_deployment_owns_nothing(metadata: dict[str, Any]) -> None:
    seen = observed(*SERVED, deployment(**metadata), own_pod("a")).snapshot

    assert seen.deployments == ()
    assert seen.pods == ()


def test_a_deployment_without_a_readable_variant_is_like_nothing_planned() -> None:
    body = deployment(labels={"kwatt.dev/service": "traffic"})
    body["spec"]["template"]["metadata"]["labels"] = {}

    (seen,) = observed(*SERVED, body).snapshot.deployments

    assert seen.variant.npus == 0


def test_a_released_pod_is_pinned_to_the_node_of_its_hostname() -> None:
    body = own_pod("a", None)
    body["spec"]["nodeSelector"] = {"kubernetes.io/hostname": "host-1"}
    named = node("n9", {"kubernetes.io/hostname": "host-1"})

    (seen,) = observed(*SERVED, named, deployment(), body).snapshot.pods
    (lost,) = observed(*SERVED, deployment(), body).snapshot.pods

    assert seen.pin == "n9"
    assert lost.pin == "host-1"


def test_a_gated_pod_is_assigned_nowhere_even_if_its_template_selects_a_host() -> None:
    body = own_pod("a", None)
    body["spec"] |= {
        "nodeSelector": {"kubernetes.io/hostname": "n1"},
        "schedulingGates": [{"name": "kwatt.dev/placement"}],
    }

    (seen,) = observed(*SERVED, deployment(), body).snapshot.pods

    assert (seen.pin, seen.assigned, seen.gated) == (None, None, True)


def test_a_class_that_changed_its_resource_keeps_its_pods() -> None:
    renamed = npu_class(resourceName="rebellions.ai/npu")

    seen = observed(service(), profile(), renamed, node(), deployment(), own_pod("a")).snapshot

    assert [one.variant.resource for one in seen.pods] == [ATOM]


def test_an_own_pod_that_outlives_its_deployment_is_not_foreign() -> None:
    objects = (profile(), npu_class(), node(), own_pod("a"))

    first_seen = observed(*objects).snapshot
    recognised = observed(
        *objects, recognised=frozenset({own_pod("a")["metadata"]["uid"]})
    ).snapshot

    assert (first_seen.nodes[0].foreign_npus, first_seen.nodes[0].stuck_npus) == (1, 0)
    assert (recognised.nodes[0].foreign_npus, recognised.nodes[0].stuck_npus) == (0, 1)
    assert recognised.nodes[0].stuck_watts == 24
