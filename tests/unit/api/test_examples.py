"""The examples are valid, fit together, and the sums in their comments are right."""

import re
from collections.abc import Iterator
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any

import pytest
import yaml

from kwatt.api.kinds import KINDS
from kwatt.api.v1alpha1.inference_service import InferenceService
from kwatt.api.v1alpha1.model_profile import ModelProfile
from kwatt.api.v1alpha1.npu_class import NPUClass
from kwatt.units import parse_quantity

EXAMPLES = Path(__file__).parents[3] / "examples"
CATALOGUE = Path(__file__).parents[3] / "charts" / "kwatt" / "catalogue"
FILES = sorted(EXAMPLES.rglob("*.yaml"))
MODELS = {kind.name: kind.model for kind in KINDS}


def documents() -> Iterator[dict[str, Any]]:
    for path in FILES:
        yield from yaml.safe_load_all(path.read_text())


OURS = [doc for doc in documents() if doc["apiVersion"] == "kwatt.dev/v1alpha1"]
CLASSES = {
    doc["metadata"]["name"]: NPUClass.model_validate(doc)
    for doc in OURS
    if doc["kind"] == "NPUClass"
}
PROFILES = {
    doc["metadata"]["name"]: ModelProfile.model_validate(doc)
    for doc in OURS
    if doc["kind"] == "ModelProfile"
}


def label(doc: dict[str, Any]) -> str:
    return f"{doc['kind']}-{doc['metadata']['name']}"


def class_of(node: dict[str, Any]) -> NPUClass:
    """Return the class whose resource and labels the node has."""
    labels = node["metadata"]["labels"]
    (found,) = [one for one in CLASSES.values() if selects(one, labels)]
    return found


def selects(npu_class: NPUClass, labels: dict[str, str]) -> bool:
    selector = npu_class.spec.node_selector
    assert selector is not None
    return all(labels.get(key) == value for key, value in selector.match_labels.items()) and all(
        labels.get(one.key) in one.values for one in selector.match_expressions
    )


def idle_of(rack: str) -> Fraction:
    """Return the idle watts of all NPUs in a rack."""
    total = Fraction(0)
    for node in yaml.safe_load_all((EXAMPLES / "nodes" / f"rack-{rack}.yaml").read_text()):
        total += npus_of(node) * watts(class_of(node), "idle")
    return total


def npus_of(node: dict[str, Any]) -> int:
    spec = class_of(node).spec
    names = (spec.resource_name, *spec.alternative_resource_names)
    (count,) = [v for k, v in node["status"]["allocatable"].items() if k in names]
    return int(count)


def watts(npu_class: NPUClass, which: str) -> Fraction:
    assert npu_class.spec.watts is not None
    return parse_quantity(getattr(npu_class.spec.watts, which), which)


def above_idle(profile: str, npu_class: str, point: str) -> int:
    """Return the whole watts above idle that a replica on one NPU reserves at a point."""
    (found,) = [
        p
        for p in PROFILES[profile].spec.points
        if (p.npu_class, p.npus, p.operating_point) == (npu_class, 1, point)
    ]
    return ceil(parse_quantity(found.watts, "watts") - watts(CLASSES[npu_class], "idle"))


@pytest.mark.parametrize("doc", OURS, ids=label)
def test_the_example_is_valid(doc: dict[str, Any]) -> None:
    assert MODELS[doc["kind"]].model_validate(doc)


def test_every_class_in_a_profile_is_there() -> None:
    named = {point.npu_class for profile in PROFILES.values() for point in profile.spec.points}

    assert named <= set(CLASSES)


def test_classes_are_links_into_the_catalogue_or_fill_in_one_of_its_gaps() -> None:
    files = {path.name: path for path in (EXAMPLES / "10-classes").iterdir()}

    assert all((CATALOGUE / name).exists() for name in files)
    assert all(
        path.resolve() == CATALOGUE / name if path.is_symlink() else CLASSES[path.stem]
        for name, path in files.items()
    )
    assert {path.stem for path in files.values() if not path.is_symlink()} == {
        "furiosa-warboy",
        "mobilint-aries-mla100",
        "sapeon-x220",
    }


def test_every_service_has_its_model_namespace_and_priority() -> None:
    names = {(doc["kind"], doc["metadata"]["name"]) for doc in documents()}

    for doc in OURS:
        if doc["kind"] == "InferenceService":
            assert ("ModelProfile", doc["spec"]["model"]) in names
            assert ("Namespace", doc["metadata"]["namespace"]) in names
            assert ("PriorityClass", doc["spec"]["priorityClassName"]) in names


def test_every_node_is_of_one_class_and_both_rebellions_names_are_in_use() -> None:
    nodes = [doc for doc in documents() if doc["kind"] == "Node"]

    assert len(nodes) == 12
    assert all(npus_of(node) > 0 for node in nodes)
    offered = {name for node in nodes for name in node["status"]["capacity"]}
    assert {"rebellions.ai/npu", "rebellions.ai/ATOM"} <= offered


def test_idle_watts_are_those_in_the_comments() -> None:
    assert idle_of("a1") == Fraction("403.64")
    assert idle_of("a2") == Fraction("413.04")


@pytest.mark.parametrize(
    ("profile", "npu_class", "point", "expected"),
    [
        ("resnet50-int8", "sapeon-x220", "mlperf-server", 44),
        ("resnet50-int8", "rebellions-atom-ca12", "mlperf-offline", 64),
        ("ssd-mobilenet-int8", "furiosa-warboy", "mlperf-offline", 39),
        ("qwen3-0.6b", "rebellions-atom-plus", "batch-16", 37),
        ("llama-3.1-8b", "furiosa-rngd", "concurrency-16", 114),
    ],
)
def test_watts_above_idle_are_those_in_the_comments(
    profile: str, npu_class: str, point: str, expected: int
) -> None:
    assert above_idle(profile, npu_class, point) == expected


@pytest.mark.parametrize("name", ["rack-a1", "rack-a2", "hall"])
def test_the_sum_in_the_comment_is_right_and_fits(name: str) -> None:
    text = (EXAMPLES / "40-budgets" / f"{name}.yaml").read_text()
    parts = [Fraction(n) for n in re.findall(r"=\s+([\d.]+)\s+W$", text, re.MULTILINE)]
    total, cap = re.search(r"#\s+([\d.]+) W of (\d+) W", text).groups()  # type: ignore[union-attr]

    assert sum(parts) == Fraction(total)
    assert Fraction(total) < int(cap)


def test_a_route_that_is_commented_out_is_valid() -> None:
    text = (EXAMPLES / "30-services" / "assistant.yaml").read_text()
    lines = [re.sub(r"^(  )# (route:|  )", r"\1\2", line) for line in text.splitlines()]

    service = InferenceService.model_validate(yaml.safe_load("\n".join(lines)))

    assert service.spec.route is not None
    assert service.spec.route.hostnames == ("assistant.example.com",)
