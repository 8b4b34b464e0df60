"""`kwatt profile suggest`: the ModelProfile with what was measured, ready to review and apply."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from kwatt.__main__ import main
from kwatt.api.v1alpha1.model_profile import ModelProfile
from unit.observation.bodies import point, profile

ROW = {
    "npuClass": "atom",
    "npus": 1,
    "operatingPoint": "batch-8",
    "ratio": "1.1",
    "declaredWatts": "41.2",
    "measuredWatts": "45.32",
    "plannedWatts": "45.32",
    "hours": "3.5",
    "confidence": "High",
    "drift": "More",
}


def measured(**row: Any) -> dict[str, Any]:
    body = profile(points=[point(), point("batch-16", perSecond=600, watts=60)])
    body["metadata"] |= {"resourceVersion": "7", "labels": {"team": "city"}}
    return {**body, "status": {"measured": [ROW | row]}}


def suggest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], *bodies: Any, name: str = ""
) -> Any:
    path = tmp_path / "profiles.json"
    path.write_text(json.dumps({"kind": "List", "apiVersion": "v1", "items": bodies}))
    arguments = ["profile", "suggest", *([name] if name else []), "-f", str(path)]
    status = main([*arguments, "--now", "2026-11-22T12:00:00Z"])
    out, err = capsys.readouterr()
    return status, list(yaml.safe_load_all(out)), err


def test_a_point_gets_the_watts_that_were_measured(tmp_path: Path, capsys: Any) -> None:
    status, (body,), err = suggest(tmp_path, capsys, measured())

    corrected, other = body["spec"]["points"]
    assert status == 0
    assert (corrected["watts"], corrected["basis"]) == ("45.32", "Measured")
    assert (
        "3.5 hours of replicas until 2026-11-22, 1.1 times the 41.2 W declared"
        in corrected["source"]
    )
    assert other == point("batch-16", perSecond=600, watts=60)
    assert err == "kwatt profile: yolo: points corrected: 1\n"


def test_what_is_printed_can_be_applied(tmp_path: Path, capsys: Any) -> None:
    _, (body,), _ = suggest(tmp_path, capsys, measured())

    assert ModelProfile.model_validate(body)
    assert body["metadata"] == {"name": "yolo", "labels": {"team": "city"}}
    assert "status" not in body


@pytest.mark.parametrize(
    "row",
    [{"confidence": "Low"}, {"drift": "AsDeclared"}, {"declaredWatts": "40"}],
    ids=["too-little-measured", "as-declared", "declared-anew-since"],
)
def test_other_points_are_left_alone(row: dict[str, str], tmp_path: Path, capsys: Any) -> None:
    _, bodies, _ = suggest(tmp_path, capsys, measured(**row))
    _, (named,), _ = suggest(tmp_path, capsys, measured(**row), name="yolo")

    assert bodies == []
    assert named["spec"] == measured()["spec"]


def test_an_unknown_name_is_told_with_those_that_exist(tmp_path: Path, capsys: Any) -> None:
    status, _, err = suggest(tmp_path, capsys, measured(), name="yolov9")

    assert status == 2
    assert "there is no ModelProfile yolov9; there is yolo" in err
