"""What the last observation made of each object, so that the next one makes only what changed.

A memory never decides anything: with it and without it an observation is equal. Of objects that did not change
even the identity of their values stays, so that whoever plans with them can tell at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar, TypeVarTuple

from kwatt.model.snapshot import Deployment, Node, Pod, Service
from kwatt.observation.values import (
    Invalid,
    Notice,
    ParsedDeployment,
    ParsedNode,
    ParsedPod,
    ParsedService,
)

Source = TypeVar("Source")
Value = TypeVar("Value")
Facts = TypeVarTuple("Facts")


class Memo(Generic[Source, Value]):
    """The values of one kind, each by the very object and by the facts that it was made from."""

    def __init__(self) -> None:
        self._scope: object = None
        self._last: dict[int, tuple[Source, tuple[object, ...], Value]] = {}
        self._now: dict[int, tuple[Source, tuple[object, ...], Value]] = {}

    def open(self, scope: object) -> None:
        """Begin an observation; values depend on `scope` too, under another one all are made anew."""
        self._last = self._now if scope == self._scope else {}
        self._now = {}
        self._scope = scope

    def value(
        self, make: Callable[[Source, *Facts], Value], source: Source, *facts: *Facts
    ) -> Value:
        """Return `make(source, *facts)`, or what that was in the last observation."""
        known = self._last.get(id(source))
        if known is None or known[0] is not source or known[1] != facts:
            known = (source, facts, make(source, *facts))
        self._now[id(source)] = known
        return known[2]


Resolved = tuple[Service | None, Invalid | None, tuple[Notice, ...]]
"""What becomes of an InferenceService: the service to plan or to keep, what is wrong, what is to be known."""


class Memory:
    """The memos of one observer of one cluster."""

    def __init__(self) -> None:
        self.deployments: Memo[ParsedDeployment, Deployment] = Memo()
        self.pods: Memo[ParsedPod, Pod | None] = Memo()
        self.nodes: Memo[ParsedNode, Node] = Memo()
        self.services: Memo[ParsedService, Resolved] = Memo()
