"""What one round of reading exporters, runtimes and meters brought. Values only: nothing is judged here.

Instants (`at`) are whole milliseconds of the reader's monotonic clock, so that no change of the wall clock
makes or loses energy. What was not read is absent, never 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from kwatt.model.keys import PodKey
from kwatt.model.npu import Scope
from kwatt.units import Power


class CardKey(NamedTuple):
    """A card by what its exporter calls it, on the node that the exporter was found on."""

    node: str
    npu_class: str
    card: str


@dataclass(frozen=True, slots=True)
class CardSample:
    """The watts of one whole card, each card once however many devices or partitions repeat them.

    `pods` are those that the exporter's labels name, all on the card's node; `names_pods` tells whether the
    exporter names pods at all, so that a card without any is idle rather than unknown. `devices` are the
    NPUs (units of the resource) that the figure covers. `healthy` is None where the exporter does not say.
    """

    card: CardKey
    at: int
    power: Power
    devices: int = 1
    pods: tuple[PodKey, ...] = ()
    names_pods: bool = False
    healthy: bool | None = None
    scope: Scope = Scope.DEVICE


@dataclass(frozen=True, slots=True)
class CounterSample:
    """A counter of a serving runtime, one per engine (`series`), in millionths of `unit`, since it started.

    `arrived` counts what was asked for and `served` what was done, either may be None where the runtime has no
    such counter. `waiting` is the length of its queue in requests, `running` what it works on.
    """

    pod: PodKey
    series: str
    at: int
    unit: str
    served: int | None = None
    arrived: int | None = None
    waiting: int | None = None
    running: int | None = None


@dataclass(frozen=True, slots=True)
class MeterSample:
    """The watts that a PowerBudget's own meter (a Prometheus query) shows; of its budget as a whole."""

    budget: str
    at: int
    power: Power


class Refusal(StrEnum):
    """Why something that was read is not used; the closed set of the label `reason`."""

    UNREACHABLE = "Unreachable"
    TIMED_OUT = "TimedOut"
    HTTP_STATUS = "HTTPStatus"
    REDIRECTED = "Redirected"
    TLS = "TLS"
    TOO_LARGE = "TooLarge"
    TOO_MANY_SERIES = "TooManySeries"
    NOT_EXPOSITION = "NotExposition"
    UNKNOWN_METRICS = "UnknownMetrics"
    EMPTY = "Empty"
    DUPLICATE_SERIES = "DuplicateSeries"
    NOT_A_NUMBER = "NotANumber"
    NEGATIVE = "Negative"
    ABOVE_CEILING = "AboveCeiling"
    FROZEN = "Frozen"
    FUTURE_CLOCK = "FutureClock"
    FOREIGN_LABEL = "ForeignLabel"
    UNIT_MISMATCH = "UnitMismatch"
    IMPLAUSIBLE = "Implausible"


class Source(StrEnum):
    """What was read: a vendor's exporter, a serving runtime, or a Prometheus-compatible server."""

    EXPORTER = "Exporter"
    RUNTIME = "Runtime"
    PROMETHEUS = "Prometheus"


@dataclass(frozen=True, slots=True)
class Refused:
    """Something that was read and is not used. `target` is for people: class and node, pod, or query.

    `count` is how many samples it concerns; `npu_class`, `node`, `pod` and `budget` say whose they would
    have been, as far as known.
    """

    source: Source
    target: str
    reason: Refusal
    message: str
    count: int = 1
    npu_class: str | None = None
    node: str | None = None
    pod: PodKey | None = None
    budget: str | None = None


@dataclass(frozen=True, slots=True)
class Readings:
    """All that one round brought, of the targets that were due in it."""

    cards: tuple[CardSample, ...] = ()
    counters: tuple[CounterSample, ...] = ()
    meters: tuple[MeterSample, ...] = ()
    refused: tuple[Refused, ...] = ()
