"""Branch and bound by HiGHS over an assignment: what it finds is only proposed, floats decide nothing.

Limits are on the nodes of the search tree and never on time: the same program gives the same proposal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from kwatt.planning import program
from kwatt.planning.assignment import Assignment, Pick, Spot
from kwatt.planning.draft import Holding

MOST_SEARCHED: Final = 100  # nodes of the tree
_SETTINGS: Final = (
    ("output_flag", False),
    ("threads", 1),
    ("parallel", "off"),
    ("random_seed", 0),
    ("presolve", "off"),  # takes longer than it saves on programs of this size
    ("mip_rel_gap", 0.0),
    ("mip_abs_gap", 1e-6),
)

_FINE: Final = 1000
_SLACK: Final = 1e-5

_Floats = npt.NDArray[np.float64]
Proposal = dict[int, Holding]  # by the seeker's place


class Branching:
    """The solver with an assignment, whose picks can be narrowed down and are then searched for the best."""

    def __init__(self, assignment: Assignment) -> None:
        self._assignment = assignment
        self._solver: Any = program.highspy.Highs()
        for option, setting in (*_SETTINGS, ("mip_max_nodes", MOST_SEARCHED)):
            self._solver.setOptionValue(option, setting)
        upper = np.array(assignment.upper())
        zeros, none = np.zeros(len(upper)), np.array([], dtype=np.int32)
        starts = np.zeros(len(upper), dtype=np.int32)
        self._solver.addCols(len(upper), zeros, zeros, upper, 0, starts, none, none.astype(float))
        every = np.arange(len(upper), dtype=np.int32)
        whole = np.full(len(upper), program.highspy.HighsVarType.kInteger)
        self._solver.changeColsIntegrality(len(upper), every, whole)
        for row in assignment.rows():
            self._add_row(*row)

    def require(self, values: Mapping[int, float], least: float) -> None:
        """Reach no less than a sum of values, by column, from now on.

        The row is scaled up, so that the solver's tolerance gives away next to nothing.
        """
        entries = {column: _FINE * value for column, value in values.items()}
        self._add_row(_FINE * least - _SLACK, np.inf, entries)

    def allow(self, seeker: int, served: int) -> None:
        """Serve a seeker just that rate from now on, in millionths a second; 0: not at all."""
        for pick in self._assignment.picks:
            if pick.seeker == seeker:
                self._solver.changeColBounds(pick.column, 0.0, float(pick.choice.served == served))
        self._solver.changeRowBounds(seeker, float(served > 0), float(served > 0))

    def most_valued(self, values: Mapping[int, float], start: Proposal) -> Proposal | None:
        """Return an assignment with the highest sum of values, by column; None where none is found."""
        costs = [-values.get(column, 0.0) for column in range(self._assignment.columns)]
        return self._best(costs, start)

    def cheapest(self, start: Proposal) -> Proposal | None:
        """Return an assignment of the least draw, None where none is found."""
        assignment = self._assignment
        costs = [float(pick.choice.cost) / 1000 for pick in assignment.picks]
        opening = [watts / 1000 for watts in assignment.opened.values()]
        return self._best([*costs, *[0.0] * len(assignment.spots), *opening], start)

    def _add_row(self, lower: float, upper: float, entries: Mapping[int, float]) -> None:
        columns = np.array(sorted(entries), dtype=np.int32)
        values = np.array([entries[column] for column in columns.tolist()])
        self._solver.addRow(lower, upper, len(columns), columns, values)

    def _best(self, costs: Sequence[float], start: Proposal) -> Proposal | None:
        every = np.arange(len(costs), dtype=np.int32)
        self._solver.changeColsCost(len(costs), every, np.array(costs))
        known = program.highspy.HighsSolution()
        known.col_value = self._values(start)
        self._solver.setSolution(known)
        self._solver.run()
        info = self._solver.getInfo()
        if info.primal_solution_status != program.highspy.SolutionStatus.kSolutionStatusFeasible:
            return None
        return self._proposal(np.array(self._solver.getSolution().col_value))

    def _values(self, proposal: Proposal) -> list[float]:
        """Return the values of all columns for a proposal."""
        assignment = self._assignment
        picked = [float(_is_picked(pick, proposal.get(pick.seeker))) for pick in assignment.picks]
        placed = [
            float(
                _placed(spot, proposal.get(spot.seeker))
                - _placed(spot, assignment.seekers[spot.seeker].kept)
            )
            for spot in assignment.spots
        ]
        used = {n for holding in proposal.values() for n, _ in holding.counts}
        return [*picked, *placed, *[float(number in used) for number in assignment.opened]]

    def _proposal(self, values: _Floats) -> Proposal | None:
        """Return what the values of the columns say, None where they are contradictory."""
        assignment = self._assignment
        whole = np.rint(values).astype(np.int64).tolist()
        picks = [pick for pick, value in zip(assignment.picks, whole, strict=False) if value]
        placed = whole[len(assignment.picks) :]
        spots = [(s, count) for s, count in zip(assignment.spots, placed, strict=False) if count]
        proposal = {
            pick.seeker: Holding(
                pick.choice.option.demand,
                pick.choice.option,
                _together(
                    assignment.seekers[pick.seeker].kept,
                    {
                        s.number: n
                        for s, n in spots
                        if (s.seeker, s.ground) == (pick.seeker, pick.ground)
                    },
                ),
            )
            for pick in picks
        }
        is_sound = len(proposal) == len(picks) and all(
            proposal[pick.seeker].replicas == pick.choice.replicas for pick in picks
        )
        return proposal if is_sound else None


def _is_picked(pick: Pick, holding: Holding | None) -> bool:
    return (
        holding is not None
        and holding.demand == pick.choice.option.demand
        and holding.replicas == pick.choice.replicas
    )


def _together(kept: Holding | None, started: Mapping[int, int]) -> tuple[tuple[int, int], ...]:
    """Return replicas per node: those that stay and those that are started."""
    counts = Counter(dict(kept.counts) if kept else {}) + Counter(started)
    return tuple(sorted(counts.items()))


def _placed(spot: Spot, holding: Holding | None) -> int:
    if holding is None or holding.demand != spot.demand:
        return 0
    return dict(holding.counts).get(spot.number, 0)
