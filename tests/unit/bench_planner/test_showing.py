"""Tables, plots and the contest behind them."""

from __future__ import annotations

import json
from dataclasses import replace
from xml.etree import ElementTree as Xml

import pytest

from bench.planner.contest import Contest, Rules, as_json, contest, from_json
from bench.planner.families import quick_units, units
from bench.planner.measure import measure, same_hashes, shuffled
from bench.planner.page import page
from bench.planner.plots import plots_of
from bench.planner.replay_tables import steps_table
from bench.planner.stepping import as_json as steps_as_json
from bench.planner.stepping import stepping
from bench.planner.svg import Line, Plot, render
from bench.planner.synthetic import Shape, synthetic
from bench.planner.tables import Result, contest_tables, median, table
from kwatt.planning.plan import plan
from unit.bench_planner.fleets import small

TINY = synthetic(Shape(12, 3, 10, 2), 1)


@pytest.fixture(scope="module")
def fought() -> Contest:
    """Run a contest once."""
    rules = Rules(("LeastAllocated", "PWR"), repeat=0, shuffles=2, mip_seconds=2)
    return contest("100x5x100-loose-30", 1, small(), rules)


def test_ratios_compare_equal_served_sets_only(fought: Contest) -> None:
    for entry in fought.entries:
        short = sum(entry.unserved.values())
        assert entry.common <= fought.services - short
        assert entry.ratio == pytest.approx(entry.watts_equal / entry.ours_equal)
        assert entry.ratio > 1
        assert entry.violations == 0
    assert fought.violations == 0
    assert fought.same == (2, 2)
    assert fought.claims == pytest.approx(fought.watts, abs=0.01)
    assert fought.bound <= fought.watts


def test_watts_of_sleeping_nodes_bring_a_ratio_nearer_to_one(fought: Contest) -> None:
    entry = fought.entries[0]

    assert 1 < entry.ratio_with(8, fought.nodes) <= entry.ratio_with(0, fought.nodes)


def test_a_contest_survives_json(fought: Contest) -> None:
    assert from_json(json.loads(json.dumps(as_json(fought)))) == fought


def test_the_tables_print_what_is_behind_each_ratio(fought: Contest) -> None:
    result = Result("synthetic", fought.instance, 1, "contest", as_json(fought))
    twice = [result, replace(result, seed=2)]

    text = "\n".join(contest_tables(twice, "synthetic"))

    for word in ("gap %", "unserved", "above a cap", "LeastAllocated", "PWR", "MIP time / ours"):
        assert word in text
    assert f"{fought.entries[1].ratio:.2f} ({fought.entries[1].ratio:.2f})" in text
    assert set(plots_of(twice)) == {
        "gap-by-size.svg",
        "power-by-load-100x5x100.svg",
        "time-by-size.svg",
    }
    assert "## Results" in page(twice, {"run": "test"}, {})


def test_steps_are_shown_with_their_latency_and_drift() -> None:
    steps = stepping(small(), seed=1, changes=20, losses=3)
    result = Result("step by step", "100x5x100-loose-30", 1, "steps", steps_as_json(steps))

    idle, running, lost = steps_table([result])[2:]

    assert "a service changed, nothing runs | 20 " in idle
    assert "a service changed, all runs" in running
    assert "a node lost" in lost
    assert idle.count("%") == running.count("%") == 2
    assert lost.count("%") == 0


def test_a_table_is_aligned() -> None:
    assert table(("a", "long"), [("xyz", "1")]) == [
        "| a   | long |",
        "|-----|------|",
        "| xyz | 1    |",
    ]


@pytest.mark.parametrize(("values", "expected"), [([], 0), ([3], 3), ([4, 1, 9], 4), ([1, 2], 1.5)])
def test_the_median_is_the_middle(values: list[float], expected: float) -> None:
    assert median(values) == expected


@pytest.mark.parametrize("log_y", [False, True])
def test_a_plot_is_valid_and_its_points_are_inside(log_y: bool) -> None:
    lines = (Line("a <b>", ((20, 1.0), (30, 2.5))), Line("c", ((20, 0.1), (30, 40.0))))

    text = render(Plot("title & more", "x", "y", lines, log_y=log_y))

    root = Xml.fromstring(text)
    circles = [node for node in root.iter() if node.tag.endswith("circle")]
    assert len(circles) == 4
    for circle in circles:
        assert 70 <= float(circle.attrib["cx"]) <= 550
        assert 40 <= float(circle.attrib["cy"]) <= 350


def test_a_higher_value_is_drawn_higher() -> None:
    text = render(Plot("t", "x", "y", (Line("a", ((0, 1.0), (1, 2.0))),)))

    heights = [float(n.attrib["cy"]) for n in Xml.fromstring(text).iter() if "cy" in n.attrib]
    assert heights[0] > heights[1]


def test_the_planner_is_measured_in_its_own_process() -> None:
    found = measure(TINY, repeat=2)

    assert found.hash == plan(TINY).hash
    assert len(found.seconds) == 2
    assert 0 < found.median < 60
    assert 10 < found.mib_before <= found.mib < 2000


def test_the_order_of_the_input_is_another_and_the_plan_the_same() -> None:
    assert shuffled(TINY, 1).services != TINY.services
    assert same_hashes(TINY, 3) == (3, 3)


def test_units_have_keys_of_their_own_and_cover_all_families() -> None:
    families = {
        *("openb", "always-on", "synthetic", "tight racks"),
        *("brown-out", "replayed day", "sticky", "latency", "step by step"),
    }
    for found in (list(units(5)), list(quick_units(2))):
        assert len({unit.key for unit in found}) == len(found)
        assert {unit.family for unit in found} == families
