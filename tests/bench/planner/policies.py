"""Scores of nodes: the highest wins. The formula in the docstring is the formula in the code.

Kubernetes: NodeResourcesFit of kube-scheduler, https://kubernetes.io/docs/concepts/scheduling-eviction/
resource-bin-packing/ and the sources beside it, in integers from 0 to 100, with the NPUs as the only resource.
FGD (ATC 2023) and PWR (CCGrid 2025): as in their published schedulers, on our power model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from bench.planner.cluster import Cluster
from bench.planner.problem import Floats, Ints

HIGHEST: Final = 100
PWR_WEIGHT: Final = 0.1  # the published scripts run 0.5, 0.3, 0.2, 0.1, 0.05 and 0.025


@dataclass(frozen=True, slots=True)
class Request:
    """One more replica: per node its NPUs, the watts it adds (opening included) and the rate it brings.

    `extra` is in milliwatts at the rate that it will serve: what it sustains, or what is still missing.
    """

    nodes: Ints
    npus: Ints
    extra: Floats
    rate: Floats


class Policy(Protocol):
    """Scores the nodes of a request that can take it; equal scores are drawn by lot."""

    def scores(self, cluster: Cluster, request: Request) -> Floats:
        """Return a score per node of the request."""
        ...


def least_allocated(requested: Ints, capacity: Ints, weights: Ints) -> Ints:
    """Return kube-scheduler's score: sum of w (capacity - requested) 100 / capacity, over sum of w.

    `requested` contains the pod. Rows are resources, columns nodes; integer divisions as in Go.
    """
    score = (capacity - requested) * HIGHEST // np.maximum(capacity, 1)
    score = np.where((capacity == 0) | (requested > capacity), 0, score)
    return _weighted(score, weights)


def most_allocated(requested: Ints, capacity: Ints, weights: Ints) -> Ints:
    """Return kube-scheduler's score: sum of w requested 100 / capacity, over sum of w."""
    score = np.minimum(requested, capacity) * HIGHEST // np.maximum(capacity, 1)
    return _weighted(np.where(capacity == 0, 0, score), weights)


def _weighted(score: Ints, weights: Ints) -> Ints:
    weighted: Ints = (score * weights[:, None]).sum(axis=0) // weights.sum()
    return weighted


class LeastAllocated:
    """Spread: the emptiest node."""

    def scores(self, cluster: Cluster, request: Request) -> Floats:
        """Return the free share after placing."""
        return least_allocated(*_npus(cluster, request)).astype(np.float64)


class MostAllocated:
    """Pack: the fullest node."""

    def scores(self, cluster: Cluster, request: Request) -> Floats:
        """Return the used share after placing."""
        return most_allocated(*_npus(cluster, request)).astype(np.float64)


def _npus(cluster: Cluster, request: Request) -> tuple[Ints, Ints, Ints]:
    capacity = cluster.problem.npus[request.nodes]
    requested = capacity - cluster.free[request.nodes] + request.npus
    return requested[None, :], capacity[None, :], np.ones(1, dtype=np.int64)


class RoundRobin:
    """The next node that can take the replica."""

    def scores(self, cluster: Cluster, request: Request) -> Floats:
        """Return minus the distance from the node used last."""
        last = cluster.touched[-1] if cluster.touched else -1
        distance = (request.nodes - last - 1) % cluster.problem.nodes
        return -distance.astype(np.float64)


class Random:
    """Any node: all are equal, so the lot decides."""

    def scores(self, cluster: Cluster, request: Request) -> Floats:
        """Return the same for all nodes."""
        return np.zeros(len(request.nodes))


class Pwr:
    """PWR: the node whose draw grows least."""

    def scores(self, cluster: Cluster, request: Request) -> Floats:
        """Return minus the extra watts; not cut to 0..100 here, which would only make ties."""
        return -request.extra


class GreedyJoules:
    """The node whose draw grows least for each unit of rate."""

    def scores(self, cluster: Cluster, request: Request) -> Floats:
        """Return minus the extra watts per rate."""
        return -request.extra / request.rate


class Fgd:
    """FGD: the node whose expected fragments grow least; `demand` is the share of each size, by class."""

    def __init__(self, demand: Mapping[int, Mapping[int, float]]) -> None:
        self._demand = demand
        self._sizes = np.array(sorted({size for sizes in demand.values() for size in sizes}))
        self._table = np.zeros((0, 0))  # scores by size and node
        self._known: dict[tuple[int, bytes], Floats] = {}  # by class and state of the devices
        self._seen = 0

    def scores(self, cluster: Cluster, request: Request) -> Floats:
        """Return 100 sigmoid(fragments before - after), in devices, cut to a whole number."""
        if not self._table.size:
            self._table = np.zeros((len(self._sizes), cluster.problem.nodes))
            self._renew(cluster, range(cluster.problem.nodes))
        elif self._seen < len(cluster.touched):
            self._renew(cluster, cluster.touched[self._seen :])
        self._seen = len(cluster.touched)
        found: Floats = self._table[np.searchsorted(self._sizes, request.npus), request.nodes]
        return found

    def _renew(self, cluster: Cluster, nodes: Iterable[int]) -> None:
        for node in nodes:
            state = (int(cluster.problem.kind[node]), cluster.devices[node].tobytes())
            if state not in self._known:
                self._known[state] = self._by_size(cluster, node)
            self._table[:, node] = self._known[state]

    def _by_size(self, cluster: Cluster, node: int) -> Floats:
        """Return the score of a node for every size, 0 where it does not fit."""
        nodes = np.full(len(self._sizes), node)
        fits = cluster.fitting(nodes, self._sizes)
        nodes, sizes = nodes[fits], self._sizes[fits]
        before = self._fragments(cluster, nodes, cluster.devices[nodes])
        after = self._fragments(cluster, nodes, cluster.after(nodes, sizes))
        scores = np.zeros(len(self._sizes))
        scores[fits] = np.floor(HIGHEST / (1 + np.exp((after - before) / cluster.slices)))
        return scores

    def _fragments(self, cluster: Cluster, nodes: Ints, devices: Ints) -> Floats:
        found, kinds = np.zeros(len(nodes)), cluster.problem.kind[nodes]
        for kind in np.unique(kinds).tolist():
            here = kinds == kind
            sizes = self._demand.get(kind, {})
            found[here] = expected_fragments(devices[here], sizes, cluster.slices)
        return found


def expected_fragments(devices: Ints, sizes: Mapping[int, float], slices: int) -> Floats:
    """Return, per node, the free slices that a replica drawn from `sizes` can't use.

    All free slices where it does not fit; else those of devices with less free than it needs of one.
    """
    worth = devices * np.arange(slices + 1)
    free = worth.sum(axis=1)
    found = np.zeros(len(devices))
    for size, share in sizes.items():
        of_one = min(size, slices)
        lost = worth[:, :of_one].sum(axis=1)
        fits = devices[:, of_one:].sum(axis=1) * of_one >= size
        found += share * np.where(fits, lost, free)
    return found


class PwrFgd:
    """The published combination: both scores from 0 to 100, PWR's brought there between its extremes."""

    def __init__(self, fgd: Fgd, weight: float = PWR_WEIGHT) -> None:
        self._fgd, self._weight = fgd, weight

    def scores(self, cluster: Cluster, request: Request) -> Floats:
        """Return weight x PWR + (1 - weight) x FGD."""
        saved = -np.ceil(request.extra / 1000)
        low, high = saved.min(), saved.max()
        spread = np.full(len(saved), float(HIGHEST))
        if high > low:
            spread = np.floor((saved - low) * HIGHEST / (high - low))
        return self._weight * spread + (1 - self._weight) * self._fgd.scores(cluster, request)
