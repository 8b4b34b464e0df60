"""What the kit's own meter shows: the true joules and the true work, exact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fakenpu.keys import CardKey, PodKey, ServiceKey


@dataclass(frozen=True, slots=True)
class Work:
    """What was asked of a service and what became of it, in billionths of a unit.

    arrived = served + waiting + refused.
    """

    arrived: int
    served: int
    waiting: int
    refused: int


def sum_of(first: Work, second: Work) -> Work:
    """Return both together."""
    return Work(
        first.arrived + second.arrived,
        first.served + second.served,
        first.waiting + second.waiting,
        first.refused + second.refused,
    )


@dataclass(frozen=True, slots=True)
class Frozen:
    """What was true when somebody stopped looking: milliwatts by device, or the work of a pod."""

    at: int
    milliwatts: tuple[int, ...] = ()
    work: Work | None = None


@dataclass(frozen=True, slots=True)
class Meter:
    """True energy in microjoules since the world began, up to `now` (milliseconds).

    Pods and services are there for ever, also when they are gone; a service's energy is that of its pods.
    """

    now: int
    cards: Mapping[CardKey, int]
    nodes: Mapping[str, int]
    pods: Mapping[PodKey, int]
    services: Mapping[ServiceKey, int]
    work: Mapping[ServiceKey, Work]

    def as_document(self) -> dict[str, object]:
        """Return it for JSON: joules and units as numbers, microjoules as they are."""
        return {
            "seconds": self.now / 1_000,
            "microjoules": {
                "cards": {f"{key.node}/{key.card}": value for key, value in self.cards.items()},
                "nodes": dict(self.nodes),
                "pods": {"/".join(key): value for key, value in self.pods.items()},
                "services": {"/".join(key): value for key, value in self.services.items()},
            },
            "work": {
                "/".join(key): {
                    "arrived": work.arrived / 10**9,
                    "served": work.served / 10**9,
                    "waiting": work.waiting / 10**9,
                    "refused": work.refused / 10**9,
                }
                for key, work in self.work.items()
            },
        }
