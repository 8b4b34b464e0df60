"""Worlds for tests: bodies parsed and put together as the operator's store does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kwatt.model.snapshot import Node, Service
from kwatt.observation.observe import Observation, observe
from kwatt.observation.parsing.table import parse
from kwatt.observation.world import World
from unit.observation.bodies import NOW


def world(
    *bodies: dict[str, Any],
    verdicts: Mapping[tuple[str, int], str] | None = None,
    recognised: frozenset[str] = frozenset(),
    serves_routes: bool = True,
) -> World:
    """Parse `bodies` into a World."""
    entries = (parse(body["kind"], body) for body in bodies)
    return World.of(entries, verdicts, recognised, serves_routes=serves_routes)


def observed(
    *bodies: dict[str, Any],
    verdicts: Mapping[tuple[str, int], str] | None = None,
    recognised: frozenset[str] = frozenset(),
) -> Observation:
    """Observe `bodies` at NOW."""
    return observe(world(*bodies, verdicts=verdicts, recognised=recognised), NOW)


def only_node(*bodies: dict[str, Any]) -> Node:
    """Return the one node of the snapshot."""
    (node,) = observed(*bodies).snapshot.nodes
    return node


def only_service(*bodies: dict[str, Any]) -> Service:
    """Return the one service of the snapshot."""
    (service,) = observed(*bodies).snapshot.services
    return service
