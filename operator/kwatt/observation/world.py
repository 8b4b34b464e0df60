"""All that was seen of a cluster, parsed, in any order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from kwatt.observation.values import (
    Invalid,
    Parsed,
    ParsedBudget,
    ParsedClass,
    ParsedDeployment,
    ParsedNode,
    ParsedPod,
    ParsedPriority,
    ParsedProfile,
    ParsedQuota,
    ParsedService,
)

Verdicts = Mapping[tuple[str, int], str]


@dataclass(frozen=True, slots=True)
class World:
    """Parsed objects by kind, and those that could not be parsed.

    `verdicts` maps (uid, generation) of an InferenceService to the API server's sentence about its
    template, where a dry run was refused.
    `recognised` are the uids of pods that were KWatt's own when last seen: they stay so while they end,
    although their Deployment is gone already.
    `serves_routes`: HTTPRoutes can be had, as is taken for granted where only files are read.
    """

    nodes: tuple[ParsedNode, ...] = ()
    pods: tuple[ParsedPod, ...] = ()
    deployments: tuple[ParsedDeployment, ...] = ()
    priorities: tuple[ParsedPriority, ...] = ()
    quotas: tuple[ParsedQuota, ...] = ()
    classes: tuple[ParsedClass, ...] = ()
    profiles: tuple[ParsedProfile, ...] = ()
    services: tuple[ParsedService, ...] = ()
    budgets: tuple[ParsedBudget, ...] = ()
    invalid: tuple[Invalid, ...] = ()
    verdicts: Verdicts = field(default_factory=dict)
    recognised: frozenset[str] = frozenset()
    serves_routes: bool = True

    @classmethod
    def of(
        cls,
        entries: Iterable[Parsed | Invalid],
        verdicts: Verdicts | None = None,
        recognised: frozenset[str] = frozenset(),
        *,
        serves_routes: bool = True,
    ) -> Self:
        """Sort parsed entries of all kinds into a World."""
        seen: defaultdict[type, list[Any]] = defaultdict(list)
        for entry in entries:
            seen[type(entry)].append(entry)
        return cls(
            nodes=tuple(seen[ParsedNode]),
            pods=tuple(seen[ParsedPod]),
            deployments=tuple(seen[ParsedDeployment]),
            priorities=tuple(seen[ParsedPriority]),
            quotas=tuple(seen[ParsedQuota]),
            classes=tuple(seen[ParsedClass]),
            profiles=tuple(seen[ParsedProfile]),
            services=tuple(seen[ParsedService]),
            budgets=tuple(seen[ParsedBudget]),
            invalid=tuple(seen[Invalid]),
            verdicts=dict(verdicts or {}),
            recognised=recognised,
            serves_routes=serves_routes,
        )
