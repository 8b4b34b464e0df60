"""Results of faults that are kept, and the page about them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bench.load import Size
from chaos.fuzzing import Fuzzed
from chaos.judging import Outcome
from chaos.report import page
from chaos.results import FUZZ, keep, kept, result

KILLED = Outcome(
    name="operator killed",
    what="200 kills",
    violations=("a pod above the cap",),
    lost=(),
    phantoms=(),
    energy=(),
    failed=(),
    told=25,
    changes=300,
    restarts=200,
    seconds=1800.4,
    converged_seconds=12.34,
)
FUZZED = Fuzzed(
    number=10_000,
    refused=7_000,
    handled=3_000,
    by_reason={"PowerBudget Accepted=True": 3_000},
    silent=("fuzz-00359",),
    failures=(),
    canary_seconds=None,
    seconds=900.0,
)
NAMES = ("etcd stopped", "operator killed", FUZZ)


def test_the_newest_result_of_each_scenario_is_told_in_the_order_of_the_names(
    tmp_path: Path,
) -> None:
    keep(tmp_path, result(FUZZ, FUZZED, 2, full=True))
    keep(tmp_path, result(KILLED.name, replace(KILLED, changes=1), 1, full=False))
    keep(tmp_path, result(KILLED.name, KILLED, 1, full=True))

    killed, fuzzed = kept(tmp_path, NAMES)

    assert (killed.name, killed.of.problems) == (KILLED.name, ["a pod above the cap"])
    assert fuzzed.of.problems == ["fuzz-00359", "the canary never ran"]


def test_the_page_has_a_row_for_each_fault_and_says_which_were_short(tmp_path: Path) -> None:
    keep(tmp_path, result(KILLED.name, KILLED, 1, full=False))
    keep(tmp_path, result(FUZZ, FUZZED, 2, full=True))

    text = page(kept(tmp_path, NAMES), Size(nodes=40, services=20))

    row = "| operator killed | 200 kills | 300 | 200 | 1 | 0 | 0 | 0 wrong of 25 | 0 | 1800 s | 12.3 s |"
    assert row in text
    assert "Shorter than in `make chaos`: operator killed." in text
    assert "10,000 objects" in text
    assert "ran never" in text
