"""The cluster as a scheduler fills it pod by pod: devices, cpu, memory, pods, and the room of every budget.

A node is `devices` of eight slices. A replica of less than a device takes the best-fitting one, a larger one
takes whole devices; what runs is never re-packed.
"""

from __future__ import annotations

import numpy as np

from bench.planner.problem import UNLIMITED, Bools, Curve, Ints, Problem
from kwatt.model.snapshot import PodShape

WIDE = 64  # nodes under a budget from which on its room is compared for all nodes at once


class Cluster:
    """What is left. `devices[n, v]` counts the devices of node n with v slices free."""

    def __init__(self, problem: Problem, slices: int = 8) -> None:
        self.problem, self.slices = problem, slices
        self.free = problem.npus.copy()
        self.devices = np.zeros((problem.nodes, slices + 1), dtype=np.int64)
        self.devices[:, slices] = problem.npus // slices
        self.cpu, self.memory = problem.cpu.copy(), problem.memory.copy()
        self.pods, self.replicas = problem.pods.copy(), np.zeros(problem.nodes, dtype=np.int64)
        self._empty_watts = problem.npus * problem.idle
        counted = [0 if off else 1 for off in problem.empty_off]
        drawn = [
            c * int(self._empty_watts[m].sum())
            for c, m in zip(counted, problem.members, strict=True)
        ]
        self.room = np.append(problem.room - np.array(drawn, dtype=np.int64), UNLIMITED)
        self.over = _budgets_over(problem)
        self.off = np.append(problem.empty_off, False)
        self.touched: list[int] = []  # nodes that changed, in order

    def fitting(self, nodes: Ints, npus: Ints) -> Bools:
        """Tell which nodes have devices free for a replica of so many NPUs (one figure per node)."""
        small = npus < self.slices
        largest = self.slices - np.argmax(self.devices[nodes, ::-1] > 0, axis=1)
        whole = self.devices[nodes, self.slices] * self.slices
        fits: Bools = np.where(small, largest, whole) >= np.maximum(npus, 1)
        return fits

    def needs(self, nodes: Ints, above: Ints) -> tuple[Ints, Ints]:
        """Return what one replica adds to budgets that count empty nodes always, and to the others."""
        opening = np.where(self.replicas[nodes] == 0, self._empty_watts[nodes], 0)
        return above, above + opening

    def powered(self, nodes: Ints, above: Ints) -> Bools:
        """Tell where every budget has room for one more replica."""
        always, when_used = self.needs(nodes, above)
        over = self.over[nodes]
        need = np.where(self.off[over], when_used[:, None], always[:, None])
        enough: Bools = (self.room[over] >= need).all(axis=1)
        return enough

    def hosting(self, nodes: Ints, shape: PodShape) -> Bools:
        """Tell where cpu, memory and the number of pods allow one more."""
        cpu = self.cpu[nodes] >= shape.cpu_milli
        memory = self.memory[nodes] >= shape.memory_bytes
        enough: Bools = cpu & memory & (self.pods[nodes] >= 1)
        return enough

    def place(self, node: int, curve: Curve, shape: PodShape) -> None:
        """Put one replica on a node that has room for it."""
        self._take(node, curve.npus)
        self.count(node, curve, shape, 1)

    def remove(self, node: int, curve: Curve, shape: PodShape) -> None:
        """Take one replica away again; of its devices those that were taken last come free first."""
        self._give(node, curve.npus)
        self.count(node, curve, shape, -1)

    def count(self, node: int, curve: Curve, shape: PodShape, sign: int) -> None:
        """Count one replica more (1) or less (-1), whatever its devices."""
        before = int(self.replicas[node])
        opened = 0 if before > (0 if sign > 0 else 1) else int(self._empty_watts[node])
        self.replicas[node] = before + sign
        self.touched.append(node)
        self.free[node] -= sign * curve.npus
        self.cpu[node] -= sign * shape.cpu_milli
        self.memory[node] -= sign * shape.memory_bytes
        self.pods[node] -= sign
        for budget in self.over[node].tolist():
            if budget < len(self.room) - 1:
                self.room[budget] -= sign * (curve.above + (opened if self.off[budget] else 0))

    def _take(self, node: int, npus: int) -> None:
        devices = self.devices[node]
        if npus >= self.slices:
            devices[self.slices] -= npus // self.slices
            devices[0] += npus // self.slices
            return
        best = npus + int(np.argmax(devices[npus:] > 0))
        devices[best] -= 1
        devices[best - npus] += 1

    def _give(self, node: int, npus: int) -> None:
        """Free slices of the fullest device that can have held them."""
        devices = self.devices[node]
        if npus >= self.slices:
            devices[0] -= npus // self.slices
            devices[self.slices] += npus // self.slices
            return
        fullest = int(np.argmax(devices[: self.slices - npus + 1] > 0))
        devices[fullest] -= 1
        devices[fullest + npus] += 1

    def after(self, nodes: Ints, npus: Ints) -> Ints:
        """Return the devices of nodes as they would be with one replica more, where it fits."""
        devices = self.devices[nodes].copy()
        rows = np.arange(len(nodes))
        large = npus >= self.slices
        devices[large, self.slices] -= npus[large] // self.slices
        devices[large, 0] += npus[large] // self.slices
        for size in {int(n) for n in np.unique(npus[~large]) if n > 0}:
            here = rows[npus == size]
            best = size + np.argmax(devices[here, size:] > 0, axis=1)
            devices[here, best] -= 1
            devices[here, best - size] += 1
        return devices


def _budgets_over(problem: Problem) -> Ints:
    """Return the budgets over each node, filled up with one that is unlimited."""
    found: list[list[int]] = [[] for _ in range(problem.nodes)]
    for budget, members in enumerate(problem.members):
        for node in members.tolist():
            found[node].append(budget)
    width = max((len(budgets) for budgets in found), default=0)
    none = len(problem.members)
    return np.array(
        [[*budgets, *[none] * (width - len(budgets))] for budgets in found], dtype=np.int64
    ).reshape(problem.nodes, width)
