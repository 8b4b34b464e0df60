"""The master program over classes and racks, solved by HiGHS: a lower bound as LP, a baseline as MIP.

    min   sum cost x + sum opening y                         watts
    s.t.  sum x = 1                                          each service
          sum npus x <= sum h,   sum above x <= sum w        each class
          sum cpu x <= sum cpu y,   sum memory x <= sum memory y
          sum w + sum opening y <= room                      each budget; opening only where empty nodes are off
          h <= npus y,  y <= nodes,  least h <= w <= greatest h       each pool
          sum nodes x <= sum y                               each service and class, where these are few

A pool is a set of nodes alike in class and budgets; y, h and w are its nodes, NPUs and watts in use. x chooses
among ALL columns: those not in the program are priced after each solution, and the bound is the solution's
value plus what the best column of each service could still save, so it holds for every column.
It bounds every plan whose replicas of one service are alike.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np

from bench.planner.columns import columns_of
from bench.planner.problem import Floats, Ints, Problem
from bench.planner.program import Master, Program, pools_of

ROUNDS: Final = 40
PRECISION: Final = 1e-6
ALL_AT_ONCE: Final = 5000  # columns
FIRST: Final = 4  # columns of each service to begin with
MORE: Final = 3  # and in each round
MIP_COLUMNS: Final = 10


class Bound(NamedTuple):
    """Watts below which no plan draws, and the CPU seconds that took; `columns` were priced."""

    watts: float
    seconds: float
    columns: int


class Incumbent(NamedTuple):
    """What the MIP found: watts (not packed on nodes), its own bound, and how it ended.

    `reached` is the CPU seconds until it was as good as asked for, None if it never was.
    """

    watts: float
    bound: float
    seconds: float
    reached: float | None
    status: str


def master_of(problem: Problem, targets: Mapping[int, float]) -> Master:
    """Return the program for serving `targets`."""
    always = [0.0 if off else 1.0 for off in problem.empty_off]
    full = problem.npus * problem.idle / 1000
    drawn = np.array([a * full[m].sum() for a, m in zip(always, problem.members, strict=True)])
    on = problem.opening() == 0
    return Master(
        problem=problem,
        columns=columns_of(problem, targets),
        pools=pools_of(problem),
        constant=float(full[on].sum()),
        rooms=problem.room / 1000 - drawn,
    )


def bound_of(problem: Problem, targets: Mapping[int, float]) -> Bound:
    """Return a lower bound on the draw of every plan that serves the targets with alike replicas."""
    began = time.process_time()
    if not targets:
        on = problem.opening() == 0
        return Bound(float((problem.npus * problem.idle)[on].sum()) / 1000, 0.0, 0)
    relaxation = Relaxation(master_of(problem, targets))
    watts = relaxation.solve()
    return Bound(watts, time.process_time() - began, len(relaxation.master.columns.service))


class Relaxation:
    """The linear program with column generation."""

    def __init__(self, master: Master) -> None:
        self.master = master
        self._program = Program(master)
        self._used = np.zeros(len(master.columns.service), dtype=bool)
        self.reduced: Floats = np.zeros(0)

    def solve(self) -> float:
        """Return the bound in watts."""
        if len(self._used) <= ALL_AT_ONCE:
            self._add(np.arange(len(self._used)))
        for price in (0.0, 0.5, 2.0):
            self._add(_best(self.master, self._simple_cost(price), FIRST))
        best = -np.inf
        for _ in range(ROUNDS):
            value = self._program.solve()
            self.reduced = self._program.reduced_costs()
            least = np.minimum.reduceat(self.reduced, self.master.columns.starts)
            saving = float(np.minimum(least, 0).sum())
            best = max(best, value + saving)
            if -saving <= PRECISION * abs(value):
                break
            chosen = _best(self.master, self.reduced, MORE)
            self._add(chosen[self.reduced[chosen] < -1e-9])
        return self.master.constant + best * (1 - 1e-9)

    def _simple_cost(self, price: float) -> Floats:
        """Return costs with all NPUs at a multiple of their mean idle watts."""
        columns = self.master.columns
        mean = float(np.mean([pool.opening / max(1, pool.npus) for pool in self.master.pools]))
        cost: Floats = columns.cost + (mean + price * (1 + mean)) * columns.npus
        return cost

    def _add(self, chosen: Ints) -> None:
        fresh = np.unique(chosen[~self._used[chosen]])
        self._used[fresh] = True
        if len(fresh):
            self._program.add(fresh)


def best_plan(
    problem: Problem, targets: Mapping[int, float], seconds: float, goal: float
) -> Incumbent:
    """Solve the MIP over the ten best columns of each service within a time limit; `goal` is in watts.

    The time contains all that a planner would need as well: columns, prices, program.
    """
    began = time.process_time()
    relaxation = Relaxation(master_of(problem, targets))
    relaxation.solve()
    master = relaxation.master
    program = Program(master)
    program.add(np.unique(_best(master, relaxation.reduced, MIP_COLUMNS)))
    before = time.process_time() - began
    ended = program.solve_integers(max(1.0, seconds - before), goal - master.constant)
    return Incumbent(
        watts=ended.value + master.constant,
        bound=ended.bound + master.constant,
        seconds=time.process_time() - began,
        reached=None if ended.reached is None else before + ended.reached,
        status=ended.status,
    )


def _best(master: Master, cost: Floats, count: int) -> Ints:
    """Return the `count` cheapest columns of each service."""
    columns = master.columns
    order = np.lexsort((cost, columns.service))
    rank = np.arange(len(order)) - columns.starts[columns.service[order]]
    chosen: Ints = order[rank < count]
    return chosen
