"""From samples of one card to energy: the trapezoidal rule in whole numbers, nothing lost to rounding.

Between two samples of the same card at most the freshness limit apart the energy of everybody who has a part
of its watts is the mean of the parts at both ends times the time between (who has a part at one end only has
nothing at the other, so that a card which passes from one pod to the next is counted once). Milliwatts times
milliseconds are microjoules; sums are kept in halves of them, so that no mean is rounded. Farther apart than
the limit nothing is integrated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from kwatt.energy.attribution import Attribution
from kwatt.model.keys import PodKey, ServiceKey
from kwatt.model.npu import Scope
from kwatt.model.telemetry import CardSample
from kwatt.units import Energy

HALVES_PER_MILLIJOULE: Final = 2000


def energy_of(halves: int) -> Energy:
    """Return the energy of so many halves of a microjoule, rounded down to the millijoule."""
    return Energy(halves // HALVES_PER_MILLIJOULE)


def halves_of(energy: Energy) -> int:
    """Return an energy in halves of a microjoule."""
    return energy.millijoules * HALVES_PER_MILLIJOULE


@dataclass(frozen=True, slots=True)
class Trail:
    """The last sample of a card and whose its watts were, in milliwatts by service and by pod."""

    at: int
    milliwatts: int
    scope: Scope
    devices: int
    names_pods: bool
    pods: Mapping[PodKey, int]
    services: Mapping[ServiceKey, int]
    estimated: bool


def trail_of(sample: CardSample, attribution: Attribution) -> Trail:
    """Remember a sample and its attribution."""
    services: dict[ServiceKey, int] = {}
    for holder, milliwatts in attribution.parts:
        if holder.service is not None:
            services[holder.service] = services.get(holder.service, 0) + milliwatts
    return Trail(
        at=sample.at,
        milliwatts=sample.power.milliwatts,
        scope=sample.scope,
        devices=sample.devices,
        names_pods=sample.names_pods,
        pods={holder.pod: milliwatts for holder, milliwatts in attribution.parts},
        services=services,
        estimated=attribution.estimated,
    )


@dataclass(frozen=True, slots=True)
class Stretch:
    """The energy of one card between two samples, in halves of a microjoule; `services` have a part of it."""

    card: int
    services: Mapping[ServiceKey, int]
    scope: Scope


def stretch_between(before: Trail, after: Trail) -> Stretch:
    """Integrate from one sample to the next of the same card."""
    span = after.at - before.at
    keys = sorted({*before.services, *after.services})
    return Stretch(
        card=(before.milliwatts + after.milliwatts) * span,
        services={
            key: (before.services.get(key, 0) + after.services.get(key, 0)) * span for key in keys
        },
        scope=after.scope,
    )
