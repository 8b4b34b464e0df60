"""From the World to the Snapshot: every selector resolved, every name looked up, everything sorted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from kwatt.model.feedback import Feedback
from kwatt.model.snapshot import Snapshot
from kwatt.observation.budgets import resolve_budgets
from kwatt.observation.caps import next_boundary, usual_lead
from kwatt.observation.catalogue import resolve_catalogue
from kwatt.observation.matching import NodeIndex
from kwatt.observation.memory import Memory
from kwatt.observation.nodes import Occupancy, resolve_nodes
from kwatt.observation.ownership import sort_out
from kwatt.observation.quotas import resolve_quotas
from kwatt.observation.remembering import remembered_feedback
from kwatt.observation.services import resolve_services, retired_pods
from kwatt.observation.values import Invalid, Notice
from kwatt.observation.world import World


@dataclass(frozen=True, slots=True)
class Observation:
    """What is planned, what could not be used and why, and what somebody should know.

    `boundary` is the next instant at which the clock changes a cap to plan with, None if it never does.
    """

    snapshot: Snapshot
    invalid: tuple[Invalid, ...] = ()
    notices: tuple[Notice, ...] = ()
    boundary: datetime | None = None


def observe(
    world: World,
    now: datetime,
    moves_horizon: int | None = None,
    *,
    memory: Memory | None = None,
    feedback: Feedback | None = None,
) -> Observation:
    """Resolve `world` at `now`, an aware time. The same world in any order gives an equal Observation.

    `moves_horizon` is the operator's setting, in seconds, for nodes under no budget with its own. With the
    `memory` of the last observation only what changed since is made anew. `feedback` is what measurements
    change about planning; without it that is what the statuses remember.
    """
    memory = memory or Memory()
    if feedback is None:
        feedback = remembered_feedback(world)
    owned = sort_out(world, memory)
    retired = retired_pods(world, owned)
    catalogue = resolve_catalogue(world.classes, world.profiles, feedback.points, world.invalid)
    occupancy = Occupancy(world.nodes, owned, retired)
    index = NodeIndex(world.nodes)
    nodes, about_nodes = resolve_nodes(index, catalogue.classes, occupancy, memory)
    lead = usual_lead(world)
    budgets, about_budgets = resolve_budgets(world.budgets, index, lead, now, feedback.withheld)
    quotas, about_quotas = resolve_quotas(world.quotas, owned.foreign)
    active = [pod for pod in owned.pods if pod.uid not in retired]
    services = resolve_services(world, catalogue, active, memory, feedback.demands)
    notices = (*catalogue.notices, *about_nodes, *about_budgets, *about_quotas, *services.notices)
    problems = (one.problem for one in world.budgets if one.problem)
    return Observation(
        snapshot=Snapshot(
            now=now,
            nodes=nodes,
            classes=catalogue.classes,
            profiles=catalogue.profiles,
            budgets=budgets,
            services=services.services,
            quotas=quotas,
            pods=owned.pods,
            deployments=owned.deployments,
            moves_horizon=moves_horizon,
        ),
        invalid=tuple(sorted((*world.invalid, *services.invalid, *problems), key=_invalid_order)),
        notices=tuple(sorted(notices, key=_notice_order)),
        boundary=next_boundary(world.budgets, lead, now),
    )


def _invalid_order(one: Invalid) -> tuple[str, str, str, str, str]:
    return one.kind, one.namespace, one.name, one.field, one.message


def _notice_order(one: Notice) -> tuple[str, str, str, str, str]:
    return one.kind, one.namespace, one.name, one.reason, one.message
