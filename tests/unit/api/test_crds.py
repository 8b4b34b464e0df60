"""The CRDs in crds/ are what the models say, small, and explain themselves."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from kwatt.cli.crds import manifests

CRDS = Path(__file__).parents[3] / "crds"
NAMES = sorted(manifests())
LARGEST = 30_000
BUILT_IN = ("apiVersion", "kind", "metadata")  # described by the API server itself


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every part of a schema with its path."""
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    for keyword, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if isinstance(child := schema.get(keyword), dict):
            yield from nodes(child, path + mark)


def schema_of(name: str) -> dict[str, Any]:
    version = yaml.safe_load((CRDS / name).read_text())["spec"]["versions"][0]
    return version["schema"]["openAPIV3Schema"]


def test_the_folder_holds_the_four_kinds_and_nothing_else() -> None:
    assert sorted(path.name for path in CRDS.iterdir()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_file_is_what_the_models_generate(name: str) -> None:
    assert (CRDS / name).read_text() == manifests()[name], "run `make crds`"


@pytest.mark.parametrize("name", NAMES)
def test_the_file_is_at_most_30_kilobytes(name: str) -> None:
    assert (CRDS / name).stat().st_size <= LARGEST


@pytest.mark.parametrize("name", NAMES)
def test_every_field_is_described(name: str) -> None:
    undescribed = [
        path
        for path, part in nodes(schema_of(name))
        if not part.get("description")
        and not path.endswith(("[]", "{}"))
        and path.split(".")[1:2] != []
        and path.split(".")[1] not in BUILT_IN
    ]

    assert undescribed == []


@pytest.mark.parametrize("name", NAMES)
def test_every_text_list_and_map_has_a_limit(name: str) -> None:
    limits = {"string": "maxLength", "array": "maxItems"}

    unlimited = [
        path
        for path, part in nodes(schema_of(name))
        if path.split(".")[1:2] not in ([BUILT_IN[0]], [BUILT_IN[1]])
        and "enum" not in part
        and (limits.get(part.get("type", ""), "type") not in part and "type" in part)
    ]

    assert unlimited == []


@pytest.mark.parametrize("name", NAMES)
def test_no_field_is_a_float(name: str) -> None:
    assert [path for path, part in nodes(schema_of(name)) if part.get("type") == "number"] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_in_watts_or_per_second_says_so(name: str) -> None:
    units = {"watts": "watt", "persecond": "per second", "milliseconds": "milliseconds"}

    silent = [
        path
        for path, part in nodes(schema_of(name))
        for ending, word in units.items()
        if path.lower().endswith(ending) and word not in part["description"].lower()
    ]

    assert silent == []
