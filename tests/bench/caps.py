"""Whether every cap held, worked out from scratch: shares no code with KWatt, knows nothing of plans.

A budget counts host + idle of all NPUs + kwatt.dev/watts of the pods bound to its nodes (terminating ones
too) + what NPUs held by foreign pods may draw above idle. `draw` is that sum; `grant` counts for each node
what pods hold or what it advertises, whichever is more: the most that the kube-scheduler can let happen.

Both must be within the cap at every instant. A cap that is cut below what already runs can't be kept before
pods have ended. From then on neither sum may grow, so no pod is added and no share is raised; what was on its
way already has `GRACE_SECONDS` to land.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Body = dict[str, Any]
WATTS = "kwatt.dev/watts"
GRACE_SECONDS = 5.0


class NpuClass(NamedTuple):
    """A product: milliwatts of one NPU."""

    labels: Mapping[str, str]
    resource: str
    idle: int
    most: int


class Node(NamedTuple):
    """A node with NPUs; `share` is what it advertises, in watts."""

    labels: Mapping[str, str]
    npus: Mapping[str, int]
    share: int


class Pod(NamedTuple):
    """A bound pod: the watts it asked for, and its NPUs."""

    node: str
    watts: int
    asked: Mapping[str, int]


class Budget(NamedTuple):
    """A cap, in milliwatts."""

    labels: Mapping[str, str]
    cap: int
    host: int
    empty_off: bool


class Sum(NamedTuple):
    """Milliwatts of a node or of a budget."""

    draw: int
    grant: int


class Violation(NamedTuple):
    """A sum above what was allowed, in milliwatts."""

    at: float
    budget: str
    what: str
    watts: int
    allowed: int
    cause: str


@dataclass(slots=True)
class Limits:
    """What is allowed under one budget: its cap, or less and less of what there was before a cut."""

    cap: int | None
    allowed: Sum
    settling_until: float = 0.0
    cut_at: float | None = None


@dataclass(slots=True)
class Record:
    """What was seen of one budget."""

    margin: int | None = None
    grant_margin: int | None = None
    cuts: int = 0
    longest_over_seconds: float = 0.0


@dataclass
class Caps:
    """Replays changes in the order of their versions and checks every budget after each."""

    classes: tuple[NpuClass, ...]
    nodes: dict[str, Node] = field(default_factory=dict)
    pods: dict[str, Pod] = field(default_factory=dict)
    budgets: dict[str, Budget] = field(default_factory=dict)
    records: dict[str, Record] = field(default_factory=lambda: defaultdict(Record))
    violations: list[Violation] = field(default_factory=list)
    instants: int = 0

    def __post_init__(self) -> None:
        """Start with empty indexes."""
        self._on_node: defaultdict[str, set[str]] = defaultdict(set)
        self._over: defaultdict[str, list[str]] = defaultdict(list)
        self._by_node: dict[str, dict[bool, Sum]] = {}
        self._sums: dict[str, Sum] = {}
        self._limits: dict[str, Limits] = {}

    def begin(self) -> None:
        """Take what was set so far as the first instant."""
        self._by_node = {name: self._measured(name) for name in self.nodes}
        self._recount()
        for name, budget in self.budgets.items():
            self._limits[name] = Limits(budget.cap, Sum(budget.cap, budget.cap))

    def set_pod(self, uid: str, pod: Pod | None) -> set[str]:
        """Bind, change or remove a pod; return the budgets it touches."""
        before = self.pods.pop(uid, None)
        if before is not None:
            self._on_node[before.node].discard(uid)
        if pod is not None:
            self.pods[uid] = pod
            self._on_node[pod.node].add(uid)
        nodes = {one.node for one in (before, pod) if one is not None}
        return {budget for node in sorted(nodes) for budget in self._update(node)}

    def set_node(self, name: str, node: Node | None) -> set[str]:
        """Change or remove a node; return the budgets it touches."""
        before = self.nodes.pop(name, None)
        if node is not None:
            self.nodes[name] = node
        if before is not None and node is not None and before.labels == node.labels:
            return self._update(name)
        self._by_node.pop(name, None)
        if node is not None:
            self._by_node[name] = self._measured(name)
        self._recount()
        return set(self.budgets)

    def set_budget(self, name: str, budget: Budget | None) -> set[str]:
        """Change or remove a budget; return it."""
        self.budgets.pop(name, None)
        if budget is not None:
            self.budgets[name] = budget
        self._recount()
        return {name} & set(self.budgets)

    def check(self, touched: Iterable[str], at: float, cause: str) -> None:
        """Judge the budgets that a change touched."""
        self.instants += 1
        for name in sorted(touched):
            self._judge(name, at, cause)

    def _judge(self, name: str, at: float, cause: str) -> None:
        cap, now, record = self.budgets[name].cap, self._sums[name], self.records[name]
        limits = self._limits.setdefault(name, Limits(None, now))  # it is new
        if cap != limits.cap:
            self._recapped(limits, cap, now, record, at)
        if at < limits.settling_until:
            limits.allowed = _each(max, limits.allowed, now)
        for what, watts, allowed in zip(Sum._fields, now, limits.allowed, strict=True):
            if watts > allowed:
                self.violations.append(Violation(at, name, what, watts, allowed, cause))
        self._note(cap, limits, now, record, at)

    def _recapped(self, limits: Limits, cap: int, now: Sum, record: Record, at: float) -> None:
        limits.cap = cap
        before = limits.allowed if limits.cut_at else now
        limits.allowed = _each(max, before, Sum(cap, cap))
        if now.grant > cap:
            record.cuts += 1
            limits.cut_at = limits.cut_at or at
            limits.settling_until = at + GRACE_SECONDS

    def _note(self, cap: int, limits: Limits, now: Sum, record: Record, at: float) -> None:
        if limits.cut_at is None:
            record.margin = _least(record.margin, cap - now.draw)
            record.grant_margin = _least(record.grant_margin, cap - now.grant)
            return
        if now.draw > cap:
            over = at - limits.cut_at
            record.longest_over_seconds = max(record.longest_over_seconds, over)
        if at >= limits.settling_until:
            lowered = _each(min, limits.allowed, now)
            limits.allowed = _each(max, lowered, Sum(cap, cap))
            if now.grant <= cap:
                limits.cut_at = None

    def _update(self, node: str) -> set[str]:
        if node not in self.nodes:
            return set()
        before, after = self._by_node.get(node), self._measured(node)
        self._by_node[node] = after
        touched = self._over[node]
        for name in touched:
            off = self.budgets[name].empty_off
            old = before[off] if before else Sum(0, 0)
            have, new = self._sums[name], after[off]
            self._sums[name] = Sum(
                have.draw + new.draw - old.draw, have.grant + new.grant - old.grant
            )
        return set(touched)

    def _recount(self) -> None:
        self._over.clear()
        self._sums = {}
        for name, budget in self.budgets.items():
            draw = grant = budget.host
            for node in _covered(budget, self.nodes):
                self._over[node].append(name)
                one = self._by_node[node][budget.empty_off]
                draw, grant = draw + one.draw, grant + one.grant
            self._sums[name] = Sum(draw, grant)

    def _measured(self, name: str) -> dict[bool, Sum]:
        """Return the sums of a node; under True for budgets whose empty nodes are powered off."""
        node = self.nodes[name]
        pods = [self.pods[uid] for uid in self._on_node[name]]
        idle = foreign = 0
        for one in self.classes:
            if _matches(one.labels, node.labels):
                idle += one.idle * node.npus.get(one.resource, 0)
                strange = sum(pod.asked.get(one.resource, 0) for pod in pods if not pod.watts)
                foreign += (one.most - one.idle) * strange
        held = sum(pod.watts for pod in pods)
        fixed, reach = idle + foreign, max(held, node.share)
        on = Sum(fixed + held * 1000, fixed + reach * 1000)
        off = Sum(on.draw if held or foreign else 0, on.grant if reach or foreign else 0)
        return {False: on, True: off}


def _covered(budget: Budget, nodes: Mapping[str, Node]) -> Iterator[str]:
    return (name for name, node in nodes.items() if _matches(budget.labels, node.labels))


def _matches(wanted: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    return all(labels.get(key) == value for key, value in wanted.items())


def _each(choose: Callable[[int, int], int], one: Sum, other: Sum) -> Sum:
    return Sum(choose(one.draw, other.draw), choose(one.grant, other.grant))


def _least(known: int | None, value: int) -> int:
    return value if known is None else min(known, value)
