"""The faults of `make chaos`, each for seconds instead of minutes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chaos.faults import SCENARIOS, Scenario
from chaos.fuzzing import fuzz
from chaos.judging import judge
from chaos.run import OBJECTS, SIZE
from chaos.stage import Stage, staged

pytestmark = pytest.mark.cluster
SEED = 1
SELECTED = [one for one in SCENARIOS if one.selected]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """Set the stage once: what a fault leaves behind is what the next one meets."""
    with staged(SIZE, SEED) as stage:
        yield stage


@pytest.mark.parametrize("scenario", SELECTED, ids=lambda one: one.name)
def test_no_cap_is_exceeded_and_nothing_is_lost_when(stage: Stage, scenario: Scenario) -> None:
    outcome = judge(stage, scenario, False, SEED)

    if outcome.skipped:
        pytest.skip(outcome.what)
    assert outcome.problems == [], stage.operator.text()[-4000:]
    assert outcome.changes > 0
    assert outcome.told > 0, "no status tells joules"


def test_fuzzed_objects_are_refused_or_handled_and_stop_nothing(stage: Stage) -> None:
    fuzzed = fuzz(stage, OBJECTS[False], SEED)

    assert fuzzed.problems == []
    assert min(fuzzed.refused, fuzzed.handled) > OBJECTS[False] // 10
