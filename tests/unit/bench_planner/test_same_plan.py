"""What is told of plans in several Pythons: that they agree, and each way in which they may not."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bench.planner.same import run as same_plan
from bench.planner.same.cases import cases
from bench.planner.same.fingerprints import fingerprints
from bench.planner.same.page import Run, differences, results, section
from bench.planner.same.pythons import Python, find, folder_for
from bench.planner.synthetic import Shape, synthetic
from bench.sections import SAME_PLAN
from kwatt.model.keys import ServiceKey
from kwatt.model.snapshot import Snapshot
from kwatt.planning.plan import plan

ONE, OTHER = "1" * 64, "2" * 64
TINY = synthetic(Shape(12, 3, 10, 2), 1)
OLD = Run("tiny", "3.11.7", ("in",), (ONE,) * 3, ("w",) * 3, 1.4, {"numpy": "2.4"})
NEW = replace(OLD, python="3.13.0", seconds=2.6)


def test_equal_plans_are_no_difference() -> None:
    assert list(differences([OLD, NEW])) == []
    assert same_plan.verdict([OLD, NEW]) == 0


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"hashes": (ONE, OTHER, OTHER)}, "another plan hash in 2 of 3 shuffles, first 1"),
        ({"hashes": (OTHER,) * 3}, "another plan hash in 3 of 3 shuffles, first 0"),
        ({"wholes": ("w", "w", "v")}, "another whole plan in 1 of 3 shuffles, first 2"),
        (
            {"inputs": ("in", "out")},
            "another input than in Python 3.11.7, as generated or as planned before",
        ),
    ],
)
def test_each_difference_is_told_and_fails(change: dict[str, object], told: str) -> None:
    runs = [OLD, replace(NEW, **change)]  # type: ignore[arg-type]

    (found,) = differences(runs)

    assert found.startswith("tiny: Python 3.13.0")
    assert found.endswith(told)
    assert same_plan.verdict(runs) == 1


def test_a_shuffle_that_differs_in_the_first_python_is_found_too() -> None:
    (found,) = differences([replace(OLD, hashes=(ONE, ONE, OTHER))])

    assert "3.11.7: another plan hash in 1 of 3" in found


def test_cases_are_compared_each_with_its_own() -> None:
    other = replace(OLD, case="large", hashes=(OTHER,) * 3, inputs=("more",), wholes=("x",) * 3)

    assert list(differences([OLD, NEW, other, replace(other, python="3.13.0")])) == []


def test_the_table_counts_the_shuffles_of_each_python() -> None:
    rows = results([OLD, replace(NEW, hashes=(ONE, OTHER, ONE), wholes=("w", "v", "w"))])

    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert cells[0][4:] == ["3.11.7", "3.13.0", "plan hash"]
    assert cells[2] == ["tiny", "6", "1", "1", "3 of 3", "2 of 3", ONE[:12]]


def test_the_section_says_what_was_not_compared_and_what_differs() -> None:
    text = "\n".join(
        section([OLD, replace(NEW, inputs=("out",))], {"cores": "2"}, ["p is not there"])
    )

    assert text.startswith(SAME_PLAN)
    for word in (
        "| cores",
        "| CPU of Python 3.13.0",
        "3 s",
        "| numpy",
        "**Not compared:** p is not there.",
    ):
        assert word in text
    assert "**Differs:** tiny: Python 3.13.0: another input" in text


def test_fingerprints_are_those_of_the_plan_and_of_all_that_it_says() -> None:
    found = fingerprints(TINY, range(3))

    assert found["hashes"] == [plan(TINY).hash] * 3
    assert len(set(found["wholes"])) == 1


def test_another_input_has_other_fingerprints() -> None:
    other = fingerprints(_without(TINY, TINY.services[0].key), [0])

    assert all(other[what] != fingerprints(TINY, [0])[what] for what in other)


def _without(snapshot: Snapshot, key: ServiceKey) -> Snapshot:
    return replace(snapshot, services=tuple(s for s in snapshot.services if s.key != key))


def test_a_python_that_is_not_there_or_does_not_run_is_named_and_one_is_found_once() -> None:
    found, missing = find([sys.executable, "no-such-python", "false", sys.executable])

    assert [python.version for python in found] == [sys.version.split()[0]]
    assert missing == [
        f"{name} is not there, or does not run" for name in ("no-such-python", "false")
    ]


def test_a_python_that_is_too_old_is_named(tmp_path: Path) -> None:
    old = tmp_path / "python3.10"
    old.write_text("#!/bin/sh\necho 3.10.13 /usr/bin/python3.10\n")
    old.chmod(0o755)

    assert find([str(old)]) == ([], [f"{old} is 3.10.13; KWatt needs 3.11 or later"])


def test_other_locked_packages_and_other_pythons_have_a_folder_of_their_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KWATT_CACHE", str(tmp_path))
    python = Python("3.12.1", Path("/a/python"))
    keys = [(python, b"a"), (python, b"b"), (python._replace(path=Path("/b/python")), b"a")]

    folders = {folder_for(*key) for key in keys}

    assert len(folders) == 3
    assert all(folder.parent == tmp_path / "same-plan" for folder in folders)


def test_cases_cover_replicas_that_run_and_a_cap_that_was_cut() -> None:
    running = cases()["100x5x100-loose-40 -60 %, running"]()
    names = list(cases())

    assert any(service.incumbents for service in running.services)
    assert len(names) == len(set(names)) >= 6


def test_a_case_is_planned_in_processes_that_share_its_shuffles(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = "6x2x3-tight-40 -50 %"
    monkeypatch.setattr(same_plan, "PART", 2)

    run = same_plan.run_case(Path(sys.executable), name, 3, 1000)

    assert run.hashes == (plan(cases()[name]()).hash,) * 3
    assert len(run.inputs) == 2
    assert len(set(run.inputs)) == len(set(run.wholes)) == 1
    assert run.python == sys.version.split()[0]
