"""The command as a whole: what it prints, and its exit status."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from kwatt.__main__ import main
from kwatt.cli import plan as command
from kwatt.planning.curves import setting_of
from kwatt.units import parse_quantity
from unit.observation import bodies

KEYS = ["now", "planHash", "placements", "unplaced", "budgets", "totals", "bound", "invalid"]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `kwatt plan` on a folder with these objects; return status, output and error."""

    def _run(objects: list[dict[str, Any]], *arguments: str) -> tuple[int, str, str]:
        path = tmp_path / "objects.json"
        path.write_text(json.dumps({"kind": "List", "apiVersion": "v1", "items": objects}))
        status = main(["plan", "-f", str(path), "--now", "2026-11-23T18:00:00+09:00", *arguments])
        seen = capsys.readouterr()
        return status, seen.out, seen.err

    return _run


def city(**service: Any) -> list[dict[str, Any]]:
    return [
        bodies.node("n1"),
        bodies.npu_class(),
        bodies.profile(),
        bodies.service(**service),
        bodies.budget("rack", windows=[bodies.window()]),
    ]


def test_all_placed_is_0(run: Run) -> None:
    status, out, _ = run(city(), "-o", "json")

    rendered = json.loads(out)
    assert status == 0
    assert list(rendered) == KEYS
    assert rendered["now"] == "2026-11-23T09:00:00Z"
    assert [(one["node"], one["replicas"]) for one in rendered["placements"]] == [("n1", 1)]
    assert rendered["budgets"][0]["capWatts"] == 6000


@pytest.mark.parametrize(("clock", "watts"), [("16:59:14", 9000), ("16:59:15", 6000)])
def test_now_has_the_cap_that_the_operator_plans_with_then(
    run: Run, clock: str, watts: int
) -> None:
    _, out, _ = run(city(), "-o", "json", "--now", f"2026-11-23T{clock}+09:00")

    assert json.loads(out)["budgets"][0]["capWatts"] == watts


def test_something_unplaced_is_3(run: Run) -> None:
    status, out, _ = run(city(throughput={"perSecond": "10k"}), "-o", "json")

    rendered = json.loads(out)
    assert status == 3
    assert rendered["unplaced"][0]["service"] == "traffic"
    assert rendered["unplaced"][0]["rejections"][0]["npuClass"] == "atom"


def test_an_invalid_service_is_3_and_the_others_are_planned(run: Run) -> None:
    status, out, _ = run([*city(), bodies.service("broken", model=None)], "-o", "json")

    rendered = json.loads(out)
    assert status == 3
    assert len(rendered["placements"]) == 1
    assert rendered["invalid"] == [
        {
            "kind": "InferenceService",
            "namespace": "city",
            "name": "broken",
            "field": "spec.model",
            "message": rendered["invalid"][0]["message"],
        }
    ]


def test_yaml_is_the_same_document(run: Run) -> None:
    _, as_json, _ = run(city(), "-o", "json")
    _, as_yaml, _ = run(city(), "-o", "yaml")

    assert yaml.safe_load(as_yaml) == json.loads(as_json)


def test_the_table_names_services_and_budgets(run: Run) -> None:
    status, out, _ = run(city())

    assert status == 0
    assert "city/traffic" in out
    assert "rack" in out
    assert "1 of 1 services placed" in out


def test_a_what_if_changes_the_plan(run: Run) -> None:
    status, out, _ = run(city(), "--set", "budget/rack=70W", "-o", "json")

    assert status == 3
    assert json.loads(out)["unplaced"][0]["rejections"][0]["reason"] == "PowerBudgetExceeded"


@pytest.mark.parametrize(
    ("requests", "hard", "change"),
    [
        ({"cpu": "2"}, {"requests.cpu": "3"}, "+1 cpu"),
        ({"cpu": "2"}, {"cpu": "3500m"}, "+500m cpu"),
        ({"cpu": "2", "memory": "4Gi"}, {"requests.memory": "6Gi"}, "+2Gi memory"),
        ({"cpu": "2", "memory": "4Gi"}, {"memory": "7681Mi"}, "+511Mi memory"),
        ({}, {"pods": "1"}, "+1 pods"),
        ({}, {"requests.kwatt.dev/watts": "24"}, "+24 kwatt.dev/watts"),
        ({}, {f"requests.{bodies.ATOM}": "0"}, f"+2 {bodies.ATOM}"),
    ],
)
def test_a_quota_raised_by_what_is_printed_lets_the_service_in(
    run: Run, requests: dict[str, str], hard: dict[str, str], change: str
) -> None:
    template = {"spec": {"containers": [bodies.container(**requests)]}}
    wanted = city(template=template, throughput={"perSecond": 825})

    _, out, _ = run([*wanted, bodies.quota(hard)], "-o", "json")
    (told,) = json.loads(out)["unplaced"][0]["nearest"]
    printed = told["change"].removeprefix("+").split()[0]
    [(key, least)] = hard.items()
    raised = parse_quantity(least, key) + parse_quantity(printed, key)
    status, _, _ = run([*wanted, bodies.quota({key: str(float(raised))})])

    assert told["change"] == f"{change} in ResourceQuota watts"
    assert told["figures"]["amount"] == printed
    assert status == 0


UNUSABLE = "no NPUClass that it may use is there and schedulable: "
ABOVE = "atom can't be used: spec.watts watts.idle is above watts.max; lower idle or raise max"


@pytest.mark.parametrize(
    ("classes", "service", "says"),
    [
        ([], {}, UNUSABLE + "atom does not exist"),
        ([{"watts": {"idle": 70, "max": 65}}], {}, UNUSABLE + ABOVE),
        (
            [{"memory": None}],
            {},
            UNUSABLE + "atom is not schedulable until spec.memory is filled in",
        ),
        ([], {"npuClasses": ["atom", "rngd"]}, UNUSABLE + "atom does not exist"),
        ([], {"npuClasses": ["rngd"]}, "yolo is measured on atom only, which npuClasses"),
    ],
)
def test_a_class_that_cannot_be_used_is_named_and_nothing_is_held(
    run: Run, classes: list[dict[str, Any]], service: dict[str, Any], says: str
) -> None:
    others = [one for one in city(**service) if one["kind"] != "NPUClass"]
    objects = [*others, *(bodies.npu_class(**spec) for spec in classes)]

    _, rendered, _ = run(objects, "-o", "json")
    (rejection,) = json.loads(rendered)["unplaced"][0]["rejections"]
    _, table, _ = run(objects)

    assert rejection["reason"] == "NoMatchingProfile"
    assert rejection["message"].startswith(says)
    assert "unplaced\n" in table
    assert "held" not in table.lower()


def test_adding_the_node_that_a_nearest_change_names_lets_the_service_in(run: Run) -> None:
    small = {"cpu": "64", "memory": "256Gi", "pods": "110", bodies.ATOM: "1"}
    objects = [
        *city(throughput={"perSecond": 2800}),  # seven NPUs, of five
        bodies.node("n0", capacity=small, allocatable=small),
    ]

    _, out, silent = run(objects, "-o", "json")
    status, _, error = run(objects, "--set", "nodes/atom=+1")

    assert json.loads(out)["unplaced"][0]["nearest"][0]["change"] == "one more atom node like n1"
    assert (status, silent, error) == (0, "", "kwatt plan: 1 node like n1 added\n")


def test_a_p99_that_falls_with_load_is_noted(run: Run) -> None:
    points = [bodies.point(), bodies.point("batch-16", perSecond="600", p99Milliseconds=20)]
    objects = [one for one in city() if one["kind"] != "ModelProfile"]

    _, out, _ = run([*objects, bodies.profile(points=points)])

    assert (
        "ModelProfile yolo: on atom (npus: 1) the p99 falls from 38 ms at 412.5/s to 20 ms at 600/s"
        in " ".join(out.split())
    )


@pytest.mark.parametrize(
    ("rate", "replicas", "p99s", "best", "says"),
    [
        (30, {}, (40, 20), 40.0, "the best such p99 is 40 ms"),
        (90, {"min": 3}, (40, 20), 40.0, "the best such p99 is 40 ms"),
        (30, {}, (None, 20), None, "no such point states a p99"),
    ],
)
def test_the_best_latency_within_reach_is_told(
    run: Run,
    rate: int,
    replicas: dict[str, int],
    p99s: tuple[int | None, int],
    best: float | None,
    says: str,
) -> None:
    points = [
        bodies.point("low", perSecond="50", p99Milliseconds=p99s[0]),
        bodies.point("high", perSecond="100", p99Milliseconds=p99s[1]),
    ]
    wanted = {"throughput": {"perSecond": rate}, "latency": {"p99Milliseconds": 25}}
    objects = [one for one in city(**wanted, replicas=replicas) if one["kind"] != "ModelProfile"]

    _, out, _ = run([*objects, bodies.profile(points=points)], "-o", "json")

    (rejection,) = json.loads(out)["unplaced"][0]["rejections"]
    assert rejection["reason"] == "LatencyUnreachable"
    assert rejection["figures"] == {"needed": 25.0, "available": best, "unit": "ms"}
    assert rejection["message"].endswith(says)


def test_an_amount_of_a_node_that_cannot_be_read_is_named(run: Run) -> None:
    broken = bodies.node("n2", capacity={"cpu": "4", bodies.ATOM: "1e30"})

    _, out, _ = run([*city(), broken], "-o", "json")

    (invalid,) = json.loads(out)["invalid"]
    assert invalid["field"] == f"status.capacity.{bodies.ATOM}"


def test_a_replica_larger_than_any_node_is_told_so(run: Run) -> None:
    objects = [one for one in city() if one["kind"] != "ModelProfile"]

    _, out, _ = run([*objects, bodies.profile(points=[bodies.point(npus=16)])], "-o", "json")

    (rejection,) = json.loads(out)["unplaced"][0]["rejections"]
    figures = {"needed": 16, "available": 4, "unit": "NPUs", "node": "n1", "heldBy": []}
    assert rejection["figures"] == figures
    assert rejection["message"] == (
        "a replica of 16 NPUs fits on no node of atom that takes replicas, the largest has 4"
    )


def test_pods_bound_in_the_files_count(run: Run) -> None:
    others = [bodies.pod(f"p{i}", "n1", **{bodies.ATOM: "2"}) for i in range(2)]

    status, out, _ = run([*city(), *others], "-o", "json")

    assert status == 3
    assert json.loads(out)["totals"]["foreignWatts"] == 260


def test_pods_of_kwatts_without_their_deployments_are_told_in_one_line(run: Run) -> None:
    leaving = bodies.own_pod("c", deletionTimestamp="2026-11-23T08:59:00Z")
    pods = [bodies.own_pod("a"), bodies.own_pod("b"), leaving]

    _, out, error = run([*city(), *pods], "-o", "json")
    _, whole, silent = run([*city(), *pods, bodies.deployment()], "-o", "json")

    assert json.loads(out)["totals"]["foreignWatts"] > 0
    assert json.loads(whole)["totals"]["foreignWatts"] == 0
    assert silent == ""
    assert error.count("\n") == 1
    assert "without their Deployments city/a and 1 more count as pods of somebody else" in error
    assert "kubectl get nodes,pods,deployments," in error


def test_a_pod_that_outlives_its_deployment_and_ends_is_nothing_to_warn_of(run: Run) -> None:
    leaving = bodies.own_pod("c", deletionTimestamp="2026-11-23T08:59:00Z")

    assert run([*city(), leaving])[2] == ""


def test_what_would_move_over_a_horizon_is_planned(run: Run) -> None:
    cheaper = bodies.profile(
        points=[bodies.point(watts=60, env={"MODE": "a"}), bodies.point("b", watts=30)]
    )
    ready = bodies.own_pod("a")
    ready["metadata"]["labels"]["kwatt.dev/setting"] = setting_of((("MODE", "a"),))
    ready["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
    objects = [
        bodies.node("n1"),
        bodies.npu_class(),
        cheaper,
        bodies.service(),
        bodies.deployment(),
        ready,
    ]

    still, moved = (
        run(objects, "-o", "json", *more)[1] for more in ([], ["--moves-horizon", "3600"])
    )

    assert [json.loads(out)["totals"]["moves"] for out in (still, moved)] == [0, 1]


@pytest.mark.parametrize(
    "arguments",
    [
        ["plan", "-f", "/nowhere"],
        ["plan", "-f", "/dev/null"],
        ["plan", "-f", "/dev/null", "--now", "yesterday"],
        ["plan", "-f", "/dev/null", "--now", "0001-01-01"],
        ["plan", "-f", "/dev/null", "--set", "x"],
    ],
)
def test_unusable_input_is_2_and_one_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2

    seen = capsys.readouterr()
    assert seen.out == ""
    assert seen.err.startswith("kwatt plan: error: ")
    assert seen.err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["fly"],
        ["plan", "-o", "xml"],
        ["plan", "--wat"],
        ["plan", "-f", "/dev/null", "--moves", "600"],  # no short forms
        ["plan", "--moves-horizon", "59"],
        ["plan", "--moves-horizon", "1h"],
        ["run", "--moves-horizon", "31536001"],
    ],
)
def test_a_wrong_command_line_is_2_and_one_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(arguments)

    assert left.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--version"])

    assert left.value.code == 0
    assert capsys.readouterr().out.startswith("kwatt ")


def test_without_files_the_cluster_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[str | None] = []

    def read_cluster(context: str | None) -> list[dict[str, Any]]:
        asked.append(context)
        return city()

    status = command.main(["--context", "kind-a", "-o", "json"], read_cluster)

    assert (status, asked) == (0, ["kind-a"])
    assert json.loads(capsys.readouterr().out)["totals"]["placed"] == 1
