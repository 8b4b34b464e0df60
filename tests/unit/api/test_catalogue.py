"""The catalogue has every product, each figure with a source, and what is missing stays missing."""

from pathlib import Path

import pytest
import yaml

from kwatt.api.v1alpha1.npu_class import NPUClass, NPUClassSpec
from kwatt.model.npu import Basis
from kwatt.units import Power, parse_quantity

CATALOGUE = Path(__file__).parents[3] / "charts" / "kwatt" / "catalogue"
FILES = sorted(CATALOGUE.glob("*.yaml"))
COMPLETE = {
    "furiosa-rngd",
    "rebellions-atom-ca02",
    "rebellions-atom-ca12",
    "rebellions-atom-max",
    "rebellions-atom-plus",
}
INCOMPLETE = {
    "deepx-dx-h1",
    "deepx-dx-m1",
    "deepx-dx-m2",
    "etri-ab9",
    "eyenix",
    "furiosa-rngd-max",
    "furiosa-rngd-s",
    "furiosa-warboy",
    "hyperaccel-bertha-100",
    "hyperaccel-bertha-500",
    "kaist",
    "mangoboost-dpu",
    "mobilint-aries-mla100",
    "mobilint-regulus",
    "naver-samsung-mach-1",
    "nepes",
    "nextchip",
    "openedges",
    "rebellions-rebel",
    "sapeon-x220",
    "sapeon-x330",
    "telechips",
}


def spec_of(path: Path) -> NPUClassSpec:
    return NPUClass.model_validate(yaml.safe_load(path.read_text())).spec


def complete(spec: NPUClassSpec) -> bool:
    watts = spec.watts
    figures = (spec.node_selector, spec.resource_name, spec.memory)
    return None not in figures and watts is not None and None not in (watts.idle, watts.max)


def test_every_product_has_its_class_and_only_those_with_all_figures_are_complete() -> None:
    found = {path.stem: complete(spec_of(path)) for path in FILES}

    assert found == dict.fromkeys(COMPLETE, True) | dict.fromkeys(INCOMPLETE, False)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_file_is_named_like_its_class(path: Path) -> None:
    assert yaml.safe_load(path.read_text())["metadata"]["name"] == path.stem


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_figure_is_named_in_the_source(path: Path) -> None:
    spec = spec_of(path)
    watts = spec.watts

    if spec.memory is not None:
        assert "Memory:" in spec.source or "GiB" in spec.source
    if watts is not None and watts.idle is not None:
        assert "Idle:" in spec.source
    if watts is not None and watts.max is not None:
        assert "Max:" in spec.source


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_incomplete_class_says_what_is_missing(path: Path) -> None:
    spec = spec_of(path)

    assert complete(spec) or "missing" in spec.note or "not published" in spec.note


def test_no_figure_in_the_catalogue_is_an_assumption() -> None:
    with_watts = [path.stem for path in FILES if spec_of(path).watts]

    assert [
        name for name in with_watts if spec_of(CATALOGUE / f"{name}.yaml").basis is Basis.ASSUMPTION
    ] == []


def test_both_names_of_rebellions_resource_are_in_use() -> None:
    spec = spec_of(CATALOGUE / "rebellions-atom-plus.yaml")

    assert (spec.resource_name, *spec.alternative_resource_names) == (
        "rebellions.ai/npu",
        "rebellions.ai/ATOM",
    )


def test_a_unit_of_atom_max_is_a_quarter_of_the_card() -> None:
    spec = spec_of(CATALOGUE / "rebellions-atom-max.yaml")

    assert spec.watts is not None
    assert Power.parse(spec.watts.idle) * spec.devices_per_card == Power.parse("45.2")
    assert Power.parse(spec.watts.max) * spec.devices_per_card == Power.parse("350")
    assert parse_quantity(spec.memory, "memory") < parse_quantity("16Gi", "memory")
