"""`--set` changes what is planned, and what it can't change is told in one sentence."""

from __future__ import annotations

from typing import Any

import pytest

from kwatt.cli.edits import about_copies, apply_edits, kinds_of
from kwatt.cli.manifests import Objects, key_of
from kwatt.errors import InvalidInput
from unit.observation import bodies

SERVICE = ("InferenceService", "city", "traffic")


def objects() -> Objects:
    found = [
        bodies.node("n1"),
        bodies.npu_class(),
        bodies.profile(),
        bodies.service(),
        bodies.budget("rack", windows=[bodies.window()]),
    ]
    return {key: body for body in found if (key := key_of(body))}


def spec_after(edit: str, key: tuple[str, str, str]) -> Any:
    return apply_edits(objects(), [edit])[key]["spec"]


@pytest.mark.parametrize(
    ("value", "watts"), [("6kW", "6k"), ("6000W", "6000"), ("6000", "6000"), ("1500mW", "1500m")]
)
def test_a_cap_is_set_whatever_windows_say(value: str, watts: str) -> None:
    spec = spec_after(f"budget/rack={value}", ("PowerBudget", "", "rack"))

    assert spec["watts"] == watts
    assert "windows" not in spec


@pytest.mark.parametrize(
    ("edit", "path", "value"),
    [
        ("perSecond=1500", ("throughput", "perSecond"), "1500"),
        ("perSecond=0.5/s", ("throughput", "perSecond"), "0.5"),
        ("watts=600W", ("power", "watts"), "600"),
        ("p99Milliseconds=50ms", ("latency", "p99Milliseconds"), "50"),
        ("replicas.max=4", ("replicas", "max"), 4),
    ],
)
def test_a_service_wants_something_else(edit: str, path: tuple[str, str], value: object) -> None:
    spec = spec_after(f"service/city/traffic.{edit}", SERVICE)

    assert spec[path[0]][path[1]] == value
    assert spec["model"] == "yolo"


def test_a_fixed_rate_takes_the_place_of_one_that_follows_the_demand() -> None:
    body = bodies.service(throughput={"min": 10, "max": 100})
    (edited,) = apply_edits({SERVICE: body}, ["service/city/traffic.perSecond=50"]).values()

    assert edited["spec"]["throughput"] == {"perSecond": "50"}  # type: ignore[index]


def test_a_class_draws_something_else() -> None:
    spec = spec_after("class/atom.idle=20W", ("NPUClass", "", "atom"))

    assert spec["watts"] == {"idle": "20", "max": 65}


def test_nodes_of_a_class_are_copied_with_their_labels() -> None:
    after = apply_edits(objects(), ["nodes/atom=+2"])

    names = sorted(name for kind, _, name in after if kind == "Node")
    labels: Any = after["Node", "", "n1-added-2"]["metadata"]
    assert names == ["n1", "n1-added-1", "n1-added-2"]
    assert labels["labels"] == {"kubernetes.io/hostname": "n1-added-2", "npu": "atom"}


def node_of(name: str, npus: int, **spec: Any) -> dict[str, Any]:
    amounts = {"cpu": "64", "memory": "256Gi", "pods": "110", bodies.ATOM: str(npus)}
    return {**bodies.node(name, capacity=amounts, allocatable=amounts), "spec": spec}


TAINTED = {"taints": [{"key": "dedicated", "value": "x", "effect": "NoSchedule"}]}


@pytest.mark.parametrize(
    ("value", "copy"),
    [("+1", "n3-added-1"), ("+1@n2", "n2-added-1"), ("+1@n6", "n6-added-1")],
)
def test_the_largest_node_that_takes_replicas_is_copied_or_the_one_named(
    value: str, copy: str
) -> None:
    nodes = [
        node_of("n2", 2),
        node_of("n4", 8),
        node_of("n3", 8),
        node_of("n5", 16, unschedulable=True),
        node_of("n6", 16, **TAINTED),
    ]
    before = {**objects(), **{("Node", "", one["metadata"]["name"]): one for one in nodes}}

    after = apply_edits(before, [f"nodes/atom={value}"])

    assert [name for _, _, name in after.keys() - before.keys()] == [copy]
    assert about_copies(before, after) == [f"1 node like {copy[:2]} added"]


def test_nodes_are_added_each_time() -> None:
    after = apply_edits(objects(), ["nodes/atom=+1", "nodes/atom=+2"])

    assert about_copies(objects(), after) == ["3 nodes like n1 added"]


def test_edits_follow_one_another_and_leave_the_input_alone() -> None:
    before = objects()

    after = apply_edits(before, ["budget/rack=6kW", "budget/rack=7kW"])

    assert after["PowerBudget", "", "rack"]["spec"]["watts"] == "7k"  # type: ignore[index]
    assert before == objects()


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        ("rack=6kW", "is not known; write budget/NAME=6kW"),
        ("budget/rack", "is not known"),
        ("budget/rack-b=6kW", "there is no PowerBudget rack-b; there are rack"),
        ("service/traffic.perSecond=1", "there is no InferenceService default/traffic"),
        ("service/city/traffic.colour=1", "'colour' can't be set; use .perSecond"),
        ("service/city/traffic.perSecond=many", "'many' is not a quantity"),
        ("service/city/traffic.perSecond=-1", "spec.throughput.perSecond"),
        ("service/city/traffic.replicas.max=0", "spec.replicas.max"),
        ("service/city/traffic.replicas.max=1.5", "'1.5' is not a whole number"),
        ("budget/rack=1Ek", "suffix"),
        ("class/atom.idle=70", "watts.idle is above watts.max"),
        ("nodes/atom=2", "is not a number of nodes to add; write +2"),
        ("nodes/atom=+1@n9", "no node n9 of NPUClass atom takes new replicas; there are n1"),
        ("nodes/rngd=+1", "there is no NPUClass rngd; there are atom"),
    ],
)
def test_what_cannot_be_set_is_told(edit: str, says: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        apply_edits(objects(), [edit])

    assert str(refused.value).startswith("--set")
    assert says in str(refused.value)


def test_without_a_node_of_the_class_there_is_none_to_copy() -> None:
    without = {key: body for key, body in objects().items() if key[0] != "Node"}

    with pytest.raises(InvalidInput, match="there is no node of NPUClass atom to copy"):
        apply_edits(without, ["nodes/atom=+1"])


@pytest.mark.parametrize(
    "edit",
    [
        "budget/rack=70W",
        "service/city/traffic.perSecond=5",
        "class/atom.idle=20",
        "nodes/atom=+2",
    ],
)
def test_an_edit_needs_no_objects_of_other_kinds(edit: str) -> None:
    needed = {key: body for key, body in objects().items() if key[0] in kinds_of([edit])}

    edited = apply_edits(needed, [edit])

    assert edited != needed
    assert {**objects(), **edited} == apply_edits(objects(), [edit])
