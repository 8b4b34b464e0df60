"""Scenario files: the examples, loads and traces, and what is wrong with a bad one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from fakenpu.__main__ import main
from fakenpu.keys import PodKey, ServiceKey
from fakenpu.quantities import BadInput
from fakenpu.scenario import manifests_in, read_scenario, scenario_of, world_of

EXAMPLES = Path(__file__).parents[3] / "examples"
LOADS = EXAMPLES / "load"


def test_the_example_without_a_cluster_draws_what_the_profiles_say() -> None:
    world = world_of(read_scenario(LOADS / "offline.scenario"), LOADS)
    world.advance(120)

    drawn = {key.name: replica.power.milliwatts for key, replica in world.replicas.items()}

    # 500 of 598.2 tokens a second: 143.2 + (151.8 - 143.2) (500 - 356.8) / (598.2 - 356.8) W
    assert drawn["assistant-1"] == 148_301
    assert drawn["nutrition-notes-1"] == 56_000
    assert drawn["traffic-control-1"] == 65_000
    assert all(replica.curve for replica in world.replicas.values())


@pytest.mark.parametrize("file", sorted(LOADS.glob("*.scenario")), ids=lambda file: file.stem)
def test_example_loads_name_the_example_services_and_their_models(file: Path) -> None:
    bodies = manifests_in([EXAMPLES / "30-services"])
    models = {
        (body["metadata"]["namespace"], body["metadata"]["name"]): body["spec"]["model"]
        for body in bodies
    }

    services = read_scenario(file).services

    assert {(one.namespace, one.name): one.model for one in services} == models
    assert all(one.as_service(LOADS) for one in services)


def test_a_trace_is_scaled_to_its_peak_and_repeated() -> None:
    world = world_of(read_scenario(LOADS / "day.scenario"), LOADS)
    shape = world.services[ServiceKey("city-assistant", "assistant")].demand

    minutes = [shape.rate_at(minute * 60_000) for minute in range(120)]

    assert max(minutes) == 1_500_000_000
    assert minutes[:60] == minutes[60:]


def test_the_original_trace_is_read_as_well(tmp_path: Path) -> None:
    file = tmp_path / "trace.csv"
    file.write_text(
        "TIMESTAMP,ContextTokens,GeneratedTokens\n"
        "2023-11-16 18:17:03.9799600,4808,10\n"
        "2023-11-16 18:17:59.0319600,3180,8\n"
        "2023-11-16 18:18:04.0780000,110,60\n"
    )
    load = {"shape": "Trace", "file": "trace.csv"}
    service = {"namespace": "a", "name": "b", "model": "m", "load": load}
    world = world_of(scenario_of({"services": [service]}), tmp_path)
    shape = world.services[ServiceKey("a", "b")].demand

    assert [shape.rate_at(second * 1_000) for second in (0, 59, 60, 120)] == [
        300_000,
        300_000,
        1_000_000,
        300_000,
    ]


def test_faults_of_nodes_and_pods_are_set_from_the_start() -> None:
    document = {
        "nodes": [{"name": "n", "product": "furiosa-rngd", "devices": 1, "idleWatts": 40}],
        "services": [{"namespace": "a", "name": "b", "model": "m"}],
        "pods": [{"namespace": "a", "name": "p", "node": "n", "npuClass": "x", "service": "b"}],
        "faults": {"n": {"watts": "NaN"}, "a/p": {"counterFactor": 2}},
    }

    world = world_of(scenario_of(document), Path())

    assert world.faults_of("n").watts == "NaN"
    assert world.faults_of(PodKey("a", "p")).counter_factor == 2
    assert world.milliwatts("n", 0) == 40_000


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ({"nods": []}, "nods: Extra inputs"),
        ({"nodes": [{"name": "n", "product": "h100", "devices": 1}]}, "use one of"),
        ({"nodes": [{"name": "n", "product": "furiosa-rngd", "devices": 0}]}, "nodes.0.devices"),
        ({"pods": [{"namespace": "a", "name": "p", "node": "n", "npuClass": "x"}]}, "unknown"),
        ({"profiles": ["nowhere.yaml"]}, "nowhere.yaml"),
        ([1], "valid dictionary"),
    ],
)
def test_a_bad_scenario_says_which_field(document: Any, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        world_of(scenario_of(document), Path())


def test_the_program_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "bad.scenario"
    file.write_text(yaml.safe_dump({"timeScale": -1}))

    statuses = [
        main(["run", "-f", str(file)]),
        main(["what"]),
        main(["load", "nothing", "--constant", "1"]),
    ]

    assert statuses == [2, 2, 2]
    said = capsys.readouterr().err
    assert "timeScale: Input should be greater than or equal to 0" in said
    assert "usage: fakenpu" in said
    assert "name one as namespace/service" in said
