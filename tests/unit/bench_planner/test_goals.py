"""Goals are judged by the worst of their results; what was not measured is neither met nor missed."""

from __future__ import annotations

from typing import Any

import pytest

from bench.planner.goals import GOALS, Goal, goals_table
from bench.planner.tables import Result


def lost(*seconds: float, starts: int = 10) -> Result:
    step = {"what": "a node lost", "seconds": seconds, "starts": starts, "lost": 10, "drift": None}
    return Result("step by step", "10kx10x5k-loose-30", 1, "steps", {"steps": [step]})


def sticky(starts: int, own: int) -> Result:
    data: dict[str, Any] = {"percent": 1.0, "starts": starts, "own_starts": own}
    data |= {"fresh_starts": 1000, "watts": 1001.0, "fresh_watts": 1000.0}
    return Result("sticky", "1kx10x1k-loose-30 1 %", 1, "sticky", data)


def rows_of(*results: Result) -> dict[str, list[str]]:
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in goals_table(results)[2:]]
    return {cells[0]: cells[1:] for cells in lines}


def test_a_goal_is_judged_by_its_worst_result() -> None:
    rows = rows_of(lost(0.003), lost(0.004), lost(0.0051))

    assert rows["node lost, p99"] == ["3", "4.00 ms (5.10 ms)", "at most 5 ms", "**missed**"]
    assert rows["starts over replicas lost"] == ["3", "1.00 (1.00)", "at most 1.05", "met"]


@pytest.mark.parametrize(
    ("bound", "values", "mark"),
    [
        ({"most": 1.0}, (0.5, 1.0), "met"),
        ({"most": 1.0}, (0.5, 1.1), "**missed**"),
        ({"least": 1.0}, (1.0, 2.0), "met"),
        ({"least": 1.0}, (0.9, 2.0), "**missed**"),
        ({"most": 0.0}, (0,), "met"),
    ],
)
def test_bounds_are_inclusive(
    bound: dict[str, float], values: tuple[float, ...], mark: str
) -> None:
    row = Goal("any", lambda _: values, **bound).row([])

    assert row is not None
    assert row[-1] == mark


def test_what_was_not_measured_has_no_row() -> None:
    assert rows_of() == {}
    assert "node lost, p99" not in rows_of(sticky(10, 10))


def test_starts_are_compared_with_a_fresh_plan_and_with_the_changes_own() -> None:
    rows = rows_of(sticky(12, 10))

    assert rows["starts, sticky over fresh, 1 % changed"][1:] == [
        "1.20 % (1.20 %)",
        "at most 1 %",
        "**missed**",
    ]
    assert rows["starts, sticky over the changed services' own (stretch)"][1] == "1.20 (1.20)"
    assert rows["draw of a sticky plan above a fresh one"][-1] == "met"


def test_every_goal_has_one_bound_and_a_name_of_its_own() -> None:
    assert len({goal.what for goal in GOALS}) == len(GOALS)
    assert all((goal.most is None) != (goal.least is None) for goal in GOALS)
