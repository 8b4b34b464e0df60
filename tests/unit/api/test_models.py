"""What the API server refuses, Python refuses too: an offline plan never sees an API server."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from kwatt.api.kinds import KINDS
from kwatt.api.v1alpha1.fields import Part
from kwatt.api.v1alpha1.npu_class import NpuWatts
from kwatt.api.v1alpha1.power_budget import Window

BAD = sorted((Path(__file__).parents[2] / "bad_input").glob("*.yaml"))
MODELS = {kind.name: kind.model for kind in KINDS}
IGNORED_HERE = "unknown field"  # Python reads objects of newer versions as well


def parsed(manifest: dict[str, Any]) -> Part:
    return MODELS[manifest["kind"]].model_validate(manifest)


def window(**fields: Any) -> Window:
    base = {"name": "w", "timeZone": "Asia/Seoul", "from": "17:00", "to": "21:00", "watts": 6000}
    return Window.model_validate({**base, **fields})


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_bad_input_is_refused(path: Path) -> None:
    text = path.read_text()
    if IGNORED_HERE in text.partition("\n")[0]:
        assert parsed(yaml.safe_load(text))
        return

    with pytest.raises(ValidationError):
        parsed(yaml.safe_load(text))


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_the_sentence_is_the_one_of_the_api_server(path: Path) -> None:
    """Where CEL speaks, both say the same; types, lists and lengths are each side's own."""
    text = path.read_text()
    _, said, sentence = text.partition("\n")[0].partition(": must be ")
    if not said:
        return

    with pytest.raises(ValidationError, match=f"must be {sentence[:40]}"):
        parsed(yaml.safe_load(text))


@pytest.mark.parametrize("watts", [0, 600, "17.24", "500m", "9k", "1G", "0.001", "1e3"])
def test_a_quantity_is_kept_as_written(watts: int | str) -> None:
    assert NpuWatts.model_validate({"idle": watts}).idle == watts


@pytest.mark.parametrize("watts", [True, 17.24, [], {}, "", " ", "1,5", "1_000", "0x10", "∞"])
def test_what_is_no_quantity_is_refused(watts: object) -> None:
    with pytest.raises(ValidationError):
        NpuWatts.model_validate({"idle": watts, "max": watts})


def test_a_number_with_a_decimal_point_is_told_to_go_into_quotes() -> None:
    with pytest.raises(ValidationError, match=r'in quotes: "17.24"'):
        NpuWatts.model_validate({"max": 17.24})


@pytest.mark.parametrize("zone", ["Asia/Soul", "KST-9", "", "../../etc/passwd", "Asia", "/etc"])
def test_a_time_zone_that_does_not_exist_is_refused(zone: str) -> None:
    with pytest.raises(ValidationError):
        window(timeZone=zone)


def test_a_window_over_midnight_is_accepted() -> None:
    assert window(**{"from": "22:00", "to": "06:00"}).to == "06:00"


def test_a_window_may_end_at_midnight() -> None:
    assert window(to="24:00").to == "24:00"


def test_a_window_without_days_opens_on_all_seven() -> None:
    assert len(window().days) == 7


def test_unknown_fields_are_ignored() -> None:
    assert window(colour="red") == window()
