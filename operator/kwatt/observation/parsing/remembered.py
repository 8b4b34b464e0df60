"""What the statuses remember of feedback, so that a restart or another leader goes on from there.

A status that cannot be read (somebody edited it, another version wrote it) remembers nothing.
"""

from __future__ import annotations

from kwatt.errors import InvalidInput
from kwatt.observation.parsing.reading import Body, read_mapping
from kwatt.units import Throughput


def remembered_demand(status: Body) -> Throughput | None:
    """Return the rate that an InferenceService followed last."""
    try:
        demand = read_mapping(status, "demand")
        found = Throughput.parse(demand.get("perSecond")) if demand else None
    except InvalidInput:
        return None
    return found if found and found.micros > 0 else None
