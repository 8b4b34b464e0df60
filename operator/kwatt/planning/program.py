"""The linear program whose duals are good prices, solved by HiGHS. Nothing here needs to be exact.

    min   sum cost x + sum opening y
    s.t.  sum x = 1                            each block
          sum npus x <= sum h                  each kind
          sum watts x <= sum w                 each kind
          sum nodes x <= sum y                 each service and kind
          sum w + sum opening y <= room        each budget
          h <= usable y,  y <= number of nodes,  least h <= w <= greatest h         each pool

x are columns; y, h and w the nodes, NPUs and watts of a pool that are in use. All in watts.
A block is a service. Where there are too many, it is several that choose together: a column then is
one choice for each of them, and good prices need more rounds of a much smaller program.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from kwatt.planning.columns import SCALE
from kwatt.planning.lagrangian import Prices, Relaxation
from kwatt.planning.layout import Ints

highspy: Any
try:
    import highspy
except ImportError:  # the plan is good without the bound
    highspy = None

_ITERATIONS: Final = 200_000
_PER_WATT: Final = 1000 * SCALE
_LARGEST_PRICE: Final = 2**60  # of all prices times what any column takes

_Floats = npt.NDArray[np.float64]


def is_available() -> bool:
    """Tell whether the solver could be imported."""
    return highspy is not None


class Program:
    """The program over a growing choice of columns; solving goes on from the last basis."""

    def __init__(self, relaxation: Relaxation, blocks: int) -> None:
        self._relaxation = relaxation
        services, kinds = len(relaxation.columns.starts), relaxation.kinds
        self._is_joint = blocks < services
        self._npus = blocks
        self._watts = self._npus + kinds
        self._nodes = self._watts + kinds
        self._budgets = self._nodes + (services * kinds if relaxation.counts_nodes else 0)
        self._pools = self._budgets + len(relaxation.rooms)
        self._solver: Any = highspy.Highs()
        for option, setting in (
            ("output_flag", False),
            ("threads", 1),
            ("solver", "simplex"),
            ("simplex_iteration_limit", _ITERATIONS),
        ):
            self._solver.setOptionValue(option, setting)
        self._add_rows()
        self._add_pools()
        self._add_lack()

    def add(self, chosen: Ints) -> None:
        """Let the program use more columns, by number: one of each service if there are joint blocks."""
        if self._is_joint:
            self._add_jointly(chosen)
        else:
            self._add_each(chosen)

    def reached(self) -> int:
        """Return the least cost with the columns so far, in milliwatts x SCALE; not below the best bound."""
        watts = self._solver.getInfo().objective_function_value
        return self._relaxation.constant * SCALE + int(watts * _PER_WATT)

    def _add_each(self, chosen: Ints) -> None:
        columns, count = self._relaxation.columns, len(chosen)
        kind, service = columns.kind[chosen], columns.service[chosen]
        rows = [service, self._npus + kind, self._watts + kind]
        values = [np.ones(count), columns.npus[chosen], columns.watts[chosen]]
        if self._relaxation.counts_nodes:
            rows.append(self._nodes + service * self._relaxation.kinds + kind)
            values.append(-columns.nodes[chosen])
        entries = np.stack(values, axis=1).astype(np.float64)
        self._add_columns(columns.cost[chosen] / _PER_WATT, np.stack(rows, axis=1), entries)

    def _add_jointly(self, chosen: Ints) -> None:
        """Add one column per block: the sums over its services, each n-th of them by name."""
        columns, blocks, kinds = self._relaxation.columns, self._npus, self._relaxation.kinds
        block = columns.service[chosen] % blocks
        place = block * kinds + columns.kind[chosen]
        cost, npus, watts = (
            np.bincount(at, weights=vector[chosen], minlength=size)
            for at, vector, size in (
                (block, columns.cost, blocks),
                (place, columns.npus, blocks * kinds),
                (place, columns.watts, blocks * kinds),
            )
        )
        every = np.broadcast_to(np.arange(self._npus, self._nodes), (blocks, 2 * kinds))
        rows = np.hstack([np.arange(blocks)[:, None], every])
        values = [np.ones((blocks, 1)), npus.reshape(blocks, kinds), watts.reshape(blocks, kinds)]
        self._add_columns(cost / _PER_WATT, rows, np.hstack(values))

    def prices(self) -> Prices | None:
        """Solve and return the duals as prices, None where the solver fails."""
        self._solver.run()
        solution = self._solver.getSolution()
        duals = np.array(solution.row_dual, dtype=np.float64)
        if not solution.dual_valid or not np.isfinite(duals).all():
            return None
        columns = self._relaxation.columns
        budgets = self._price(-duals[self._budgets : self._pools] / 1000, 1)
        return Prices(
            npus=self._price(-duals[self._npus : self._watts], int(columns.npus.max())),
            watts=self._price(-duals[self._watts : self._nodes], int(columns.watts.max())),
            budgets=tuple(budgets.tolist()),
            nodes=self._price(duals[self._nodes : self._budgets], int(columns.nodes.max())),
            cpu=np.zeros(self._relaxation.kinds, dtype=np.int64),
            memory=np.zeros(self._relaxation.kinds, dtype=np.int64),
        )

    def _price(self, duals: _Floats, most: int) -> Ints:
        """Return duals in watts as prices, so small that no column's price overflows."""
        limit = float(_LARGEST_PRICE // (4 * max(1, most)))
        prices: Ints = np.rint(duals * _PER_WATT).clip(0, limit).astype(np.int64)
        return prices

    def _add_rows(self) -> None:
        blocks, pools = self._npus, len(self._relaxation.pools)
        rooms = np.array(self._relaxation.rooms, dtype=np.float64) / 1000
        counts = self._budgets - self._nodes
        lower = np.full(self._pools + 3 * pools, -np.inf)
        lower[:blocks] = 1
        lower[self._nodes : self._budgets] = 0
        upper = np.zeros(len(lower))
        upper[:blocks] = 1
        upper[self._nodes : self._nodes + counts] = np.inf
        upper[self._budgets : self._pools] = rooms
        none = np.array([], dtype=np.int32)
        starts = np.zeros(len(lower), dtype=np.int32)
        self._solver.addRows(len(lower), lower, upper, 0, starts, none, none.astype(np.float64))

    def _add_pools(self) -> None:
        relaxation = self._relaxation
        for place, pool in enumerate(relaxation.pools):
            row = self._pools + 3 * place  # h <= usable y; w <= greatest h; least h <= w
            least, greatest = (drawn / size for drawn, size in relaxation.densities[pool.kind])
            opening = pool.opening / 1000
            nodes: dict[int, float] = {row: -pool.usable}
            nodes |= {self._budgets + b: opening for b in pool.off}
            if relaxation.counts_nodes:
                first = self._nodes + pool.kind
                nodes |= {r: 1.0 for r in range(first, self._budgets, relaxation.kinds)}
            npus = {row: 1.0, row + 1: -greatest, row + 2: least, self._npus + pool.kind: -1.0}
            watts = {row + 1: 1.0, row + 2: -1.0, self._watts + pool.kind: -1.0}
            watts |= {self._budgets + b: 1.0 for b in pool.budgets}
            for cost, upper, entries in (
                (opening, float(pool.nodes), nodes),
                (0.0, np.inf, npus),
                (0.0, np.inf, watts),
            ):
                self._add_column(cost, upper, entries)

    def _add_lack(self) -> None:
        """Let NPUs and watts be lacking at a high price: the first columns need not fit."""
        dearest = 1 + 2 * float(np.abs(self._relaxation.columns.cost).max()) / _PER_WATT
        for row in range(self._npus, self._nodes):
            self._add_column(dearest, np.inf, {row: -1.0})

    def _add_column(self, cost: float, upper: float, entries: dict[int, float]) -> None:
        rows = np.array(sorted(entries), dtype=np.int32)
        values = np.array([entries[row] for row in rows.tolist()], dtype=np.float64)
        self._solver.addCol(cost, 0.0, upper, len(rows), rows, values)

    def _add_columns(self, cost: _Floats, rows: Ints, values: _Floats) -> None:
        width = rows.shape[1]
        self._solver.addCols(
            len(cost),
            cost,
            np.zeros(len(cost)),
            np.full(len(cost), np.inf),
            rows.size,
            np.arange(0, rows.size, width, dtype=np.int32),
            rows.ravel().astype(np.int32),
            values.ravel(),
        )
