"""From what a cycle observed and planned to what telemetry is read and judged by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from pydantic import ValidationError

from kwatt.api.v1alpha1.measuring import EnergyUsed
from kwatt.energy.accounts import Books
from kwatt.model.keys import ServiceKey
from kwatt.model.measurements import Counted
from kwatt.model.plan import Plan
from kwatt.model.snapshot import Snapshot
from kwatt.model.targets import MeterQuery
from kwatt.observation.holdings import Existing, holdings_of
from kwatt.observation.memory import Memory
from kwatt.observation.remembering import grounds_of, remembered_in
from kwatt.observation.targets import resolve_targets
from kwatt.observation.world import World
from kwatt.reconciler.store import OWN_KINDS, Store
from kwatt.reconciler.telemetry import Sighting
from kwatt.status.measuring import counted_of


class Lookout:
    """Makes sightings; what nobody asks for is never made. `via` is a stand-in for all exporters and pods."""

    def __init__(self, store: Store, via: str | None = None) -> None:
        self._store = store
        self._via = via
        self._memory = Memory()

    def sighting(self, world: World, snapshot: Snapshot, planned: Plan) -> Sighting:
        """Gather targets, who holds what, and what statuses say was counted and decided before."""
        return Sighting(
            targets=resolve_targets(
                world, meters=_meters(world), via=self._via, memory=self._memory
            ),
            make_holdings=partial(holdings_of, snapshot, planned, world, existing(self._store)),
            make_grounds=partial(grounds_of, world, snapshot, planned),
            make_books=partial(books_of, self._store),
            make_remembered=lambda: remembered_in(_statuses(self._store)),
        )


def existing(store: Store) -> Existing:
    """Return which objects there are."""
    return Existing(
        services=frozenset(ServiceKey(o.namespace, o.name) for o in store.own("InferenceService")),
        budgets=frozenset(one.name for one in store.own("PowerBudget")),
        classes=frozenset(one.name for one in store.own("NPUClass")),
    )


def _meters(world: World) -> tuple[MeterQuery, ...]:
    return tuple(
        MeterQuery(one.name, one.meter.url, one.meter.query)
        for one in world.budgets
        if one.meter and one.meter.query
    )


def _statuses(store: Store) -> Iterator[tuple[str, str, str, Mapping[str, object]]]:
    for kind in OWN_KINDS:
        for one in store.own(kind):
            yield kind, one.namespace, one.name, one.status


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
