"""From what a cycle observed and planned to what telemetry is read and judged by."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import ValidationError

from kwatt.api.v1alpha1.measuring import EnergyUsed
from kwatt.energy.accounts import Books
from kwatt.model.keys import ServiceKey
from kwatt.model.measurements import Counted
from kwatt.model.plan import Plan
from kwatt.model.snapshot import Snapshot
from kwatt.model.targets import Targets
from kwatt.observation.holdings import holdings_of
from kwatt.observation.remembering import grounds_of, remembered_feedback
from kwatt.observation.world import World
from kwatt.reconciler.store import Store
from kwatt.reconciler.telemetry import Sighting
from kwatt.status.measuring import counted_of


def sighting_of(store: Store, world: World, snapshot: Snapshot, planned: Plan) -> Sighting:
    """Gather targets, who holds what, and what statuses say was counted and decided before."""
    services = [ServiceKey(one.namespace, one.name) for one in store.own("InferenceService")]
    classes = [one.name for one in store.own("NPUClass")]
    return Sighting(
        targets=Targets(),
        holdings=holdings_of(snapshot, planned, world.pods, services, classes),
        grounds=grounds_of(world, snapshot),
        books=books_of(store),
        remembered=remembered_feedback(world),
    )


def books_of(store: Store) -> Books:
    """Return the energy that the statuses tell; one that can't be read is left out, and begins anew."""
    return Books(
        services={
            ServiceKey(namespace, name): counted
            for namespace, name, counted in _counted(store, "InferenceService")
        },
        budgets={name: counted for _, name, counted in _counted(store, "PowerBudget")},
        classes={name: counted for _, name, counted in _counted(store, "NPUClass")},
    )


def _counted(store: Store, kind: str) -> Iterator[tuple[str, str, Counted]]:
    for written in store.own(kind):
        energy = written.status.get("energy")
        try:
            counted = counted_of(EnergyUsed.model_validate(energy)) if energy else None
        except ValidationError:
            continue
        if counted is not None:
            yield written.namespace, written.name, counted
