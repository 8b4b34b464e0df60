"""The Deployment of a variant: what KWatt adds to the user's template, its name and its hash."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwatt.manifests.deployments import (
    Owner,
    build_deployment,
    deployment_name,
    desired_hash,
)
from kwatt.model.keys import Variant
from kwatt.model.selectors import Toleration
from unit.manifests.inputs import ATOM, OWNER, built, scale, template, workload

TWO = [{"name": "server", "image": "yolo:1"}, {"name": "proxy", "image": "proxy:1"}]
DNS_LABEL = re.compile("[a-z]([-a-z0-9]*[a-z0-9])?")

# what the CRDs allow: the name of an InferenceService, and that of an NPUClass
services = st.from_regex("[a-z]([-a-z0-9]{0,38}[a-z0-9])?", fullmatch=True)
classes = st.from_regex("[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)
variants = st.builds(
    Variant,
    classes,
    st.sampled_from(("rebellions.ai/ATOM", "furiosa.ai/rngd")),
    st.integers(1, 64),
    st.sampled_from(("", "1f2e3d", "0a0b0c")),
)


def pod_template(**facts: Any) -> dict[str, Any]:
    return built(**facts)["spec"]["template"]


def containers(**facts: Any) -> list[dict[str, Any]]:
    return pod_template(**facts)["spec"]["containers"]


def test_only_the_first_container_gets_npus_and_watts() -> None:
    first, second = containers(template=template(containers=TWO))

    asked = {"rebellions.ai/ATOM": "1", "kwatt.dev/watts": "48"}
    assert first["resources"] == {"requests": asked, "limits": asked}
    assert second == TWO[1]


def test_what_the_first_container_asks_for_besides_stays() -> None:
    asking = {"name": "server", "resources": {"limits": {"memory": "1Gi"}, "claims": []}}

    (container,) = containers(template=template(containers=[asking]))

    assert container["resources"]["limits"]["memory"] == "1Gi"
    assert container["resources"]["claims"] == []


def test_the_environment_of_the_operating_point_wins() -> None:
    batch, level = {"name": "BATCH", "value": "1"}, {"name": "LEVEL", "value": "info"}
    own = template(containers=[{"name": "server", "env": [batch, level]}])

    (container,) = containers(template=own, env=(("BATCH", "8"),))

    assert container["env"] == [level, {"name": "BATCH", "value": "8"}]


def test_the_environment_of_the_operating_point_wins_over_the_override() -> None:
    override = {"spec": {"containers": [{"name": "server", "env": [{"name": "B", "value": "2"}]}]}}

    (container,) = containers(override=override, env=(("B", "8"),))

    assert container["env"] == [{"name": "B", "value": "8"}]


def test_an_override_changes_the_container_of_its_name_only() -> None:
    override = {"spec": {"containers": [{"name": "proxy", "image": "proxy:2"}]}}

    first, second = containers(template=template(containers=TWO), override=override)

    assert (first["image"], second["image"]) == ("yolo:1", "proxy:2")


def test_a_class_adds_its_tolerations_to_those_of_the_template() -> None:
    own = {"key": "dedicated", "operator": "Exists"}
    npu = Toleration("npu", "Exists", "", "NoSchedule")

    spec = pod_template(template=template(tolerations=[own]), tolerations=(npu,))["spec"]

    assert spec["tolerations"] == [
        own,
        {"key": "npu", "operator": "Exists", "effect": "NoSchedule"},
    ]


def test_the_priority_class_of_the_service_is_that_of_its_pods() -> None:
    spec = pod_template(priority_class="city-critical")["spec"]

    assert spec["priorityClassName"] == "city-critical"


def test_without_a_priority_class_the_template_decides() -> None:
    spec = pod_template(template=template(priorityClassName="own"))["spec"]

    assert spec["priorityClassName"] == "own"


def test_labels_and_annotations_of_the_user_stay() -> None:
    own = template() | {"metadata": {"labels": {"app": "x"}, "annotations": {"note": "y"}}}

    metadata = pod_template(template=own)["metadata"]

    assert metadata["labels"]["app"] == "x"
    assert metadata["annotations"]["note"] == "y"


def test_no_user_label_hides_the_label_that_selects_the_pods() -> None:
    own = template() | {"metadata": {"labels": {"kwatt.dev/variant": "mine"}}}

    spec = built(template=own)["spec"]

    selected = spec["selector"]["matchLabels"].items()
    assert selected <= spec["template"]["metadata"]["labels"].items()


def test_every_pod_arrives_gated() -> None:
    assert pod_template()["spec"]["schedulingGates"] == [{"name": "kwatt.dev/placement"}]


def test_every_pod_has_annotations_to_which_its_release_can_be_added() -> None:
    assert pod_template()["metadata"]["annotations"]


def test_a_rollout_takes_down_before_it_brings_up() -> None:
    """ADR 4: `maxSurge: 0`, `maxUnavailable: 25%`."""
    rolling = built()["spec"]["strategy"]["rollingUpdate"]

    assert rolling == {"maxSurge": 0, "maxUnavailable": "25%"}


def test_the_template_is_not_changed_by_building() -> None:
    own = template(containers=[{"name": "server", "env": [{"name": "A", "value": "1"}]}])
    before = repr(own)

    built(template=own, env=(("A", "2"),), override={"spec": {"nodeSelector": {"a": "b"}}})

    assert repr(own) == before


@given(services, variants)
def test_names_are_dns_labels_that_leave_room_for_the_pods_suffix(
    service: str, variant: Variant
) -> None:
    name = deployment_name(service, variant)

    assert DNS_LABEL.fullmatch(name)
    assert len(name) <= 63 - len("-6b474476c4-x7k2p")


@given(services, variants, variants)
def test_variants_have_a_name_each(service: str, one: Variant, other: Variant) -> None:
    names = {deployment_name(service, one), deployment_name(service, other)}

    assert len(names) == len({one, other})


@given(services, services, variants)
def test_services_have_a_name_each(one: str, other: str, variant: Variant) -> None:
    names = {deployment_name(one, variant), deployment_name(other, variant)}

    assert len(names) == len({one, other})


def test_a_hyphen_between_service_and_class_does_not_confuse_two_names() -> None:
    one = deployment_name("a-b", ATOM._replace(npu_class="c"))
    other = deployment_name("a", ATOM._replace(npu_class="b-c"))

    assert one != other


def test_equal_content_has_an_equal_hash() -> None:
    turned = {"spec": {"containers": [{"image": "yolo:1", "name": "server"}]}}

    assert desired_hash(built()) == desired_hash(built(template=turned))


@pytest.mark.parametrize(
    "facts",
    [
        {"template": template(containers=TWO)},
        {"override": {"spec": {"nodeSelector": {"a": "b"}}}},
        {"env": (("A", "1"),)},
        {"tolerations": (Toleration("npu", "Exists", "", ""),)},
        {"priority_class": "city-critical"},
    ],
    ids=lambda facts: next(iter(facts)),
)
def test_another_workload_has_another_hash(facts: dict[str, Any]) -> None:
    assert desired_hash(built(**facts)) != desired_hash(built())


@pytest.mark.parametrize(
    "changed",
    [
        {"replicas": 2},
        {"pod_watts": 49},
        {"variant": ATOM._replace(npus=2)},
        {"variant": ATOM._replace(setting="1f2e3d")},
    ],
    ids=str,
)
def test_another_scale_has_another_hash(changed: dict[str, Any]) -> None:
    other = build_deployment(workload(), replace(scale(), **changed))

    assert desired_hash(other) != desired_hash(built())


def test_another_owner_of_the_same_name_has_another_hash() -> None:
    again = replace(workload(), owner=Owner(OWNER.namespace, OWNER.name, "another-uid"))

    assert desired_hash(build_deployment(again, scale())) != desired_hash(built())


def test_the_operating_point_alone_changes_nothing() -> None:
    """Without `env` a point is only a level of load: no restart for it."""
    other = build_deployment(workload(), replace(scale(), operating_point="batch-1"))

    assert other == built()
