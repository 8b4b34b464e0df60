"""The rows and columns of the master program in HiGHS; see `master` for what they mean."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import highspy
import numpy as np

from bench.planner.columns import GIB, Columns
from bench.planner.problem import Floats, Ints, Problem

MOST_NODE_ROWS: Final = (
    2000  # services x classes up to which whole nodes of each service are counted
)


class Pool(NamedTuple):
    """Nodes alike in class, NPUs, cpu (cores), memory (GiB), `opening` watts and budgets.

    `off` are the budgets that count opening.
    """

    kind: int
    npus: int
    cpu: float
    memory: float
    opening: float
    budgets: tuple[int, ...]
    off: tuple[int, ...]
    nodes: int


class Ended(NamedTuple):
    """How integers ended: value and bound in watts, CPU seconds until the goal was reached, if it was."""

    value: float
    bound: float
    reached: float | None
    status: str


@dataclass(frozen=True, slots=True)
class Master:
    """A problem with the columns of the services to be served; solved again and again with more of them."""

    problem: Problem
    columns: Columns
    pools: tuple[Pool, ...]
    constant: float
    rooms: Floats


def pools_of(problem: Problem) -> tuple[Pool, ...]:
    """Return the nodes that are alike together."""
    over: list[list[int]] = [[] for _ in range(problem.nodes)]
    for budget, members in enumerate(problem.members):
        for node in members.tolist():
            over[node].append(budget)
    opening = problem.opening()
    cpu, memory = (problem.cpu / 1000).tolist(), (problem.memory / GIB).tolist()
    found: Counter[tuple[Any, ...]] = Counter()
    for node, budgets in enumerate(over):
        off = tuple(b for b in budgets if problem.empty_off[b])
        key = (int(problem.kind[node]), int(problem.npus[node]), cpu[node], memory[node])
        found[(*key, float(opening[node]) / 1000, tuple(budgets), off)] += 1
    return tuple(Pool(*key, nodes) for key, nodes in sorted(found.items()))


def _highs() -> Any:
    create: Any = highspy.Highs  # the wheel ships no types
    return create()


class Program:
    """Rows and pools in HiGHS; columns are added by their numbers."""

    def __init__(self, master: Master) -> None:
        self._master = master
        self._services = len(master.columns.starts)
        kinds = len(master.problem.kinds)
        self._npus = self._services
        self._watts = self._npus + kinds
        self._cpu = self._watts + kinds
        self._memory = self._cpu + kinds
        self._budgets = self._memory + kinds
        self._nodes = self._budgets + len(master.rooms)
        few = self._services * kinds <= MOST_NODE_ROWS
        self._first_pool = self._nodes + (self._services * kinds if few else 0)
        self._highs: Any = _highs()
        for option, value in (("output_flag", False), ("threads", 1)):
            self._highs.setOptionValue(option, value)
        self._add_rows()
        self._add_pools()
        self._add_lack()
        self._continuous = (
            self._highs.getNumCol()
        )  # the columns behind these choose, the others do not

    def solve(self) -> float:
        """Solve the linear program. Raises RuntimeError where HiGHS ends without an optimum."""
        self._highs.run()
        status = self._highs.getModelStatus()
        if status != highspy.HighsModelStatus.kOptimal:
            raise RuntimeError(f"HiGHS: {self._highs.modelStatusToString(status)}")
        return float(self._highs.getInfo().objective_function_value)

    def reduced_costs(self) -> Floats:
        """Return the reduced costs of all columns, in the program or not."""
        duals = np.array(self._highs.getSolution().row_dual)
        columns = self._master.columns
        cost: Floats = (
            columns.cost
            - duals[columns.service]
            - duals[self._npus + columns.kind] * columns.npus
            - duals[self._watts + columns.kind] * columns.above
            - duals[self._cpu + columns.kind] * columns.cpu
            - duals[self._memory + columns.kind] * columns.memory
        )
        if self._counts_whole:
            cost -= duals[self._node_rows(columns.service, columns.kind)] * columns.nodes
        return cost

    @property
    def _of_kinds(self) -> tuple[int, ...]:
        """Return the first rows of NPUs, watts, cpu and memory by class."""
        return self._npus, self._watts, self._cpu, self._memory

    @property
    def _counts_whole(self) -> bool:
        return self._first_pool > self._nodes

    def _node_rows(self, service: Ints, kind: Ints) -> Ints:
        return self._nodes + service * len(self._master.problem.kinds) + kind

    def solve_integers(self, seconds: float, goal: float) -> Ended:
        """Solve with columns and nodes whole, within a time limit."""
        count = self._highs.getNumCol()
        whole = [n for n in range(count) if n >= self._continuous or self._counts_nodes(n)]
        kinds = np.full(len(whole), highspy.HighsVarType.kInteger)
        self._highs.changeColsIntegrality(len(whole), np.array(whole, dtype=np.int32), kinds)
        self._highs.setOptionValue("time_limit", seconds)
        self._highs.setOptionValue("mip_rel_gap", 1e-5)
        times: list[float] = []
        began = time.process_time()

        def improved(event: Any) -> None:
            if event.data_out.objective_function_value <= goal:
                times.append(time.process_time() - began)

        self._highs.cbMipImprovingSolution.subscribe(improved)
        self._highs.run()
        info = self._highs.getInfo()
        found = info.primal_solution_status == 2
        return Ended(
            value=float(info.objective_function_value) if found else float("inf"),
            bound=float(info.mip_dual_bound),
            reached=min(times, default=None),
            status=str(self._highs.modelStatusToString(self._highs.getModelStatus())),
        )

    def _counts_nodes(self, column: int) -> bool:
        return column < 3 * len(self._master.pools) and column % 3 == 0

    def _add_lack(self) -> None:
        """Let NPUs, watts, cpu and memory be lacking at a high price: the first columns need not fit.

        That only makes the value lower, so a bound stays one; where columns fit, nothing is lacking.
        """
        columns = self._master.columns
        dearest = 10 * float((columns.cost / columns.npus).max(initial=1))
        densest = float((columns.above / columns.npus).max(initial=1))
        for row in range(self._npus, self._watts):
            self._add_column(dearest, np.inf, {row: -1.0})
        for row in range(self._watts, self._cpu):
            self._add_column(dearest / densest * 10, np.inf, {row: -1.0})
        for first, of_hosts in ((self._cpu, columns.cpu), (self._memory, columns.memory)):
            most = float((of_hosts / columns.npus).max(initial=0))
            for row in range(first, first + len(self._master.problem.kinds)):
                self._add_column(dearest / max(most, 1e-3) * 10, np.inf, {row: -1.0})

    def _add_rows(self) -> None:
        master, pools = self._master, len(self._master.pools)
        lower = np.full(self._first_pool + 3 * pools, -np.inf)
        upper = np.zeros(len(lower))
        lower[: self._services] = upper[: self._services] = 1
        upper[self._budgets : self._nodes] = master.rooms
        none = np.array([], dtype=np.int32)
        self._highs.addRows(len(lower), lower, upper, 0, none, none, np.array([]))

    def _add_pools(self) -> None:
        """Add y, h and w of each pool, in this order."""
        least, greatest = self._densities()
        for number, pool in enumerate(self._master.pools):
            row = self._first_pool + 3 * number
            nodes = {row: -float(pool.npus)}
            nodes |= {self._cpu + pool.kind: -pool.cpu, self._memory + pool.kind: -pool.memory}
            nodes |= {self._budgets + b: pool.opening for b in pool.off}
            if self._counts_whole:
                kinds = len(self._master.problem.kinds)
                own = range(self._nodes + pool.kind, self._first_pool, kinds)
                nodes |= dict.fromkeys(own, -1.0)
            npus = {row: 1.0, row + 1: -greatest[pool.kind], row + 2: least[pool.kind]}
            npus[self._npus + pool.kind] = -1.0
            watts = {row + 1: 1.0, row + 2: -1.0, self._watts + pool.kind: -1.0}
            watts |= {self._budgets + b: 1.0 for b in pool.budgets}
            self._add_column(pool.opening, float(pool.nodes), nodes)
            self._add_column(0.0, np.inf, npus)
            self._add_column(0.0, np.inf, watts)

    def _densities(self) -> tuple[Floats, Floats]:
        """Return the least and greatest reserved watts above idle for each NPU, by class."""
        kinds = len(self._master.problem.kinds)
        least, greatest = np.full(kinds, np.inf), np.zeros(kinds)
        for curve in self._master.problem.curves:
            density = curve.above / 1000 / curve.npus
            least[curve.kind] = min(least[curve.kind], density)
            greatest[curve.kind] = max(greatest[curve.kind], density)
        return np.where(np.isfinite(least), least, 0), greatest

    def _add_column(self, cost: float, upper: float, entries: dict[int, float]) -> None:
        rows = np.array(sorted(entries), dtype=np.int32)
        values = np.array([entries[row] for row in rows.tolist()])
        self._highs.addCol(cost, 0.0, upper, len(rows), rows, values)

    def add(self, chosen: Ints) -> None:
        """Add columns by number."""
        columns, count = self._master.columns, len(chosen)
        service, kind = columns.service[chosen], columns.kind[chosen]
        rows = [service, *(first + kind for first in self._of_kinds)]
        values = [np.ones(count), columns.npus[chosen], columns.above[chosen]]
        values += [columns.cpu[chosen], columns.memory[chosen]]
        if self._counts_whole:
            rows.append(self._node_rows(service, kind))
            values.append(columns.nodes[chosen])
        entries = np.stack(values, axis=1).astype(np.float64)
        self._highs.addCols(
            count,
            columns.cost[chosen],
            np.zeros(count),
            np.full(
                count, np.inf
            ),  # the row says at most 1; a bound here would have a price of its own
            entries.size,
            np.arange(0, entries.size, len(rows), dtype=np.int32),
            np.stack(rows, axis=1).ravel().astype(np.int32),
            entries.ravel(),
        )
