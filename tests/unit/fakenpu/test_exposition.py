"""What each exporter and runtime writes, letter by letter: the files in golden/ were compared with the sources.

KWATT_GOLDEN=1 writes them anew; the difference is for a person to judge.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from fakenpu.exposition.text import go_number, python_number
from fakenpu.faults import Faults
from fakenpu.pods import Runtime
from fakenpu.world import World
from unit.fakenpu.worlds import one_pod_world, pod_key

GOLDEN = Path(__file__).parent / "golden"


def golden(name: str, text: str) -> str:
    file = GOLDEN / f"{name}.txt"
    if os.environ.get("KWATT_GOLDEN"):
        file.write_text(text, encoding="utf-8")
    return file.read_text(encoding="utf-8")


def lived(world: World, seconds: int = 100) -> World:
    world.advance(seconds)
    return world


@pytest.mark.parametrize(
    "product",
    [
        "furiosa-rngd",
        "furiosa-warboy",
        "rebellions-atom-max",
        "mobilint-aries-mla100",
        "sapeon-x220",
    ],
)
def test_an_exporter_writes_what_its_makers_wrote(product: str) -> None:
    text = lived(one_pod_world(product, 150)).exposition("n")

    assert text == golden(product, text)
    assert list(text_string_to_metric_families(text))


def test_the_older_exporter_of_rebellions_writes_names_with_a_colon() -> None:
    world = lived(one_pod_world("rebellions-atom-plus", 150))
    world.set_faults("n", Faults(legacy_names=True))

    text = world.exposition("n")

    assert text == golden("rebellions-legacy", text)


@pytest.mark.parametrize("runtime", list(Runtime))
def test_a_runtime_writes_what_its_makers_wrote(runtime: Runtime) -> None:
    world = lived(
        one_pod_world("furiosa-rngd", 250, runtime=runtime, engines=2, units_per_request=10,
                      prompt_per_request=7)
    )  # fmt: skip

    text = world.runtime_exposition(pod_key())

    assert text == golden(runtime, text)
    assert list(text_string_to_metric_families(text))


def test_furiosa_llm_before_2026_3_names_engines_by_their_leading_device() -> None:
    world = one_pod_world(
        "furiosa-rngd", 100, runtime=Runtime.FURIOSA_LLM, engines=2, engine_label="leader_device"
    )

    text = lived(world).runtime_exposition(pod_key())

    assert 'furiosa_llm_generation_tokens_total{leader_device="1",model_name="m"} 5000.0' in text


def test_furiosa_llm_of_2025_has_neither_engines_nor_reasons() -> None:
    world = one_pod_world("furiosa-rngd", 100, runtime=Runtime.FURIOSA_LLM)
    world.add_service(replace(next(iter(world.services.values())), sdk_2025=True))

    text = lived(world).runtime_exposition(pod_key())

    assert 'furiosa_llm_request_success_total{model_name="m"} 10000.0' in text
    assert 'furiosa_llm_request_received_total{model_name="m"} 10000.0' in text


@pytest.mark.parametrize(
    ("value", "go", "python"),
    [
        (0, "0", "0.0"),
        (38.67, "38.67", "38.67"),
        (140, "140", "140.0"),
        (999_999, "999999", "999999.0"),
        (21_400_000, "2.14e+07", "2.14e+07"),
        (0.00001, "1e-05", "1e-05"),
        (-1, "-1", "-1.0"),
        (float("nan"), "NaN", "NaN"),
        (float("-inf"), "-Inf", "-Inf"),
    ],
)
def test_numbers_are_written_as_the_client_libraries_do(value: float, go: str, python: str) -> None:
    assert (go_number(value), python_number(value)) == (go, python)
