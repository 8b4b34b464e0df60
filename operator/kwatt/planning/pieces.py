"""Pieces: what a replica of an offer takes for each service, and the nodes that admit it; found once.

Services of a namespace whose pods ask for the same share their pieces.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from kwatt.model.snapshot import Service
from kwatt.planning.bins import Piece
from kwatt.planning.capacity import Capacity
from kwatt.planning.columns import Columns
from kwatt.planning.draft import Draft
from kwatt.planning.layout import Ints
from kwatt.planning.options import Offer, demand_for


class Pieces:
    """The nodes for services by number; services whose pods ask for the same labels share them.

    `forms` is, by service, a number that services with the same pieces share.
    """

    def __init__(self, draft: Draft, capacity: Capacity, services: Sequence[Service]) -> None:
        self._draft, self._services = draft, services
        self._kinds = sorted(capacity.kinds, key=lambda kind: capacity.kinds[kind])
        alike: dict[object, int] = {}
        numbers = [alike.setdefault(_fit(service), len(alike)) for service in services]
        self._alike = np.array(numbers, dtype=np.int64)
        first: dict[int, Service] = {}
        for service, number in zip(services, self._alike.tolist(), strict=True):
            first.setdefault(number, service)
        self._nodes = [[self._admitting(s, kind) for kind in self._kinds] for s in first.values()]
        forms: dict[object, int] = {}
        self.forms = [
            forms.setdefault((number, *_asked(service)), len(forms))
            for service, number in zip(services, numbers, strict=True)
        ]

    def nodes(self, service: int, kind: int) -> Ints:
        """Return the nodes of a kind that admit pods of a service."""
        return self._nodes[int(self._alike[service])][kind]

    def admitted(self, columns: Columns) -> npt.NDArray[np.bool_]:
        """Tell which columns have any node at all."""
        some = np.array([[len(nodes) > 0 for nodes in of_fit] for of_fit in self._nodes])
        admitted: npt.NDArray[np.bool_] = some[self._alike[columns.service], columns.kind]
        return admitted

    def piece(self, service: int, offer: Offer, pool: int) -> Piece:
        """Return what one replica of a service takes as an offer says; it depends on its form alone."""
        demand = demand_for(self._services[service], offer)
        return Piece(
            pool=pool,
            npus=demand.variant.npus,
            unit=1000 * demand.watts,
            cpu=demand.cpu_milli,
            memory=demand.memory_bytes,
            demand=demand,
        )

    def _admitting(self, service: Service, kind: tuple[str, str]) -> Ints:
        return self._draft.pool_of_kind(service, kind)


def _asked(service: Service) -> tuple[str, int, int]:
    """Return what decides on a piece besides the nodes and the offer."""
    return service.key.namespace, service.shape.cpu_milli, service.shape.memory_bytes


def _fit(service: Service) -> object:
    """Return what decides on the nodes for a service's pods, on any class."""
    if service.shapes:
        return service.key
    shape = service.shape
    return shape.node_selector, shape.affinity, shape.tolerations
