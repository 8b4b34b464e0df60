"""Law: with a higher cap a small cluster never serves less, nor draws more for the same."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

import builders as b
from kwatt.model.snapshot import Snapshot
from kwatt.planning.plan import plan
from laws.strategies import LAW, crowds
from laws.test_brute_force import rate
from laws.test_small_clusters_are_exact import levels, served


@LAW
@given(crowds(running=False), st.integers(0, 3), st.sampled_from((1, 30, 61, 200)))
def test_a_raised_cap_never_serves_less_or_draws_more(
    snapshot: Snapshot, which: int, more: int
) -> None:
    """Admission by priority decides first, then the least power (design 5)."""
    raised = replace(
        snapshot,
        budgets=tuple(
            replace(budget, cap=budget.cap + b.watts(more)) if place == which else budget
            for place, budget in enumerate(snapshot.budgets)
        ),
    )

    low, high = plan(snapshot), plan(raised)

    by_level = levels(snapshot)
    assert [served(high, level) for level in by_level] >= [served(low, level) for level in by_level]
    if all(rate(low.placements, s) == rate(high.placements, s) for s in snapshot.services):
        assert high.totals.draw <= low.totals.draw
