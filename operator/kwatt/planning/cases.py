"""Cases: a service that an option can't take whole, and the ground that it shares with others like it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kwatt.model.npu import NpuClass
from kwatt.model.plan import Figure, Reason, Rejection
from kwatt.model.snapshot import Service
from kwatt.planning.draft import Draft
from kwatt.planning.feasibility import fitness_of
from kwatt.planning.layout import Ints
from kwatt.planning.options import Option, shape_on
from kwatt.planning.place import spots_of
from kwatt.planning.shortage import Shortages
from kwatt.planning.tenants import Tenants


class Ground:
    """Where replicas of an option could go, and what stops them; it stands until the draft changes."""

    def __init__(self, draft: Draft, service: Service, option: Option) -> None:
        self.draft = draft
        self.spots = spots_of(draft, service, option, draft.committed)
        self.nodes: tuple[int, ...] = tuple(self.spots.nodes.tolist())
        self.ready = draft.pool(service, option.variant)
        self.shortages = Shortages(draft.committed, self.spots)
        self.places = int(self.spots.slots.sum())
        self._service, self._option = service, option

    @cached_property
    def admitted(self) -> Ints:
        """Return the nodes that would admit the replicas if all were ready and not cordoned."""
        variant = self._option.variant
        shape = shape_on(self._service, variant.npu_class)
        tolerations = self.draft.snapshot.classes[variant.npu_class].tolerations
        return self.draft.pools.admitted(fitness_of(variant, shape, tolerations))

    @cached_property
    def npu_slots(self) -> Ints:
        """Return how many replicas the free NPUs of each spot would hold; unfit nodes stand last in spots."""
        free = self.draft.committed.slots(self.spots.nodes, self._option.demand)["npus"]
        free[len(self.ready) :] = 0
        slots: Ints = np.maximum(free, self.spots.kept)
        return slots

    @cached_property
    def npu_places(self) -> int:
        """Return how many replicas the free NPUs of all spots would hold."""
        return int(self.npu_slots.sum())


@dataclass(frozen=True, slots=True)
class Case:
    """A service that an option can't take whole, with the least number of replicas that would do."""

    tenants: Tenants
    service: Service
    option: Option
    ground: Ground

    @property
    def draft(self) -> Draft:
        """Return what the service finds taken."""
        return self.ground.draft

    @property
    def replicas(self) -> int:
        """Return the least number of replicas that serves the whole target."""
        return self.option.fewest or 0

    @property
    def npu_class(self) -> NpuClass:
        """Return the class of the option."""
        return self.draft.snapshot.classes[self.option.variant.npu_class]

    def reject(self, reason: Reason, message: str, figures: Mapping[str, Figure]) -> Rejection:
        """Make the rejection of the case's class."""
        return Rejection(self.npu_class.name, reason, message, figures)
