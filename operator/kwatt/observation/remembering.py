"""Between statuses, declarations and feedback: where planning goes on, and what feedback is decided from."""

from __future__ import annotations

from collections.abc import Iterator

from kwatt.model.feedback import Feedback, Following, Grounds
from kwatt.model.keys import ServiceKey
from kwatt.model.snapshot import Snapshot
from kwatt.observation.world import World


def remembered_feedback(world: World) -> Feedback:
    """Return what the statuses in `world` say was planned with last."""
    return Feedback(
        demands={
            ServiceKey(one.namespace, one.name): one.demanded
            for one in world.services
            if one.demand_range and one.demanded
        }
    )


def grounds_of(world: World, snapshot: Snapshot) -> Grounds:
    """Return what feedback is decided from besides measurements."""
    return Grounds(services=dict(_following(world, snapshot)))


def _following(world: World, snapshot: Snapshot) -> Iterator[tuple[ServiceKey, Following]]:
    for one in world.services:
        profile = snapshot.profiles.get(one.model)
        if one.demand_range and profile:
            key = ServiceKey(one.namespace, one.name)
            yield key, Following(one.demand_range, profile.unit, one.demanded)
