"""What is to be read: where watts and counters are served, and what they are called there. Values only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from kwatt.model.keys import PodKey
from kwatt.model.telemetry import Refusal
from kwatt.units import Power, Ratio


@dataclass(frozen=True, slots=True)
class CardFormat:
    """How the exporters of one NPUClass tell the watts of a card.

    `metrics` and `health` are names of which the first that is served counts. `card_label` tells one card
    from another; with `grouped` it names devices by number, of which `devices` in a row make a card and carry
    its watts on one or on all of them. `match` are labels that a series must have, "" for one that it must not.
    A figure is `milliwatts` times what is read, covers `devices` NPUs that idle at `idle` together, and lies
    from `floor` to `ceiling`.
    """

    npu_class: str
    metrics: tuple[str, ...]
    card_label: str
    milliwatts: Ratio
    idle: Power
    floor: Power
    ceiling: Power
    match: tuple[tuple[str, str], ...] = ()
    devices: int = 1
    grouped: bool = False
    health: tuple[str, ...] = ()
    healthy: int = 1
    frozen_ms: int | None = None


@dataclass(frozen=True, slots=True)
class ExporterTarget:
    """The exporter of one node; `pods` are those that hold NPUs of the class there, by the API server."""

    node: str
    url: str
    format: CardFormat
    interval_ms: int
    pods: frozenset[PodKey] = frozenset()


@dataclass(frozen=True, slots=True)
class CounterFormat:
    """How a serving runtime counts, in `unit`; each field names metrics of which the first served counts.

    Series that differ in `series_labels` (in any label where there are none) are engines of their own.
    `excluded` are labels of series that do not count, such as aborted requests.
    """

    unit: str
    served: tuple[str, ...]
    arrived: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    running: tuple[str, ...] = ()
    series_labels: tuple[str, ...] = ()
    excluded: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a target can't be read, found without asking it."""

    reason: Refusal
    message: str


@dataclass(frozen=True, slots=True)
class RuntimeTarget:
    """The counters of one pod of an InferenceService."""

    pod: PodKey
    url: str
    format: CounterFormat | Unreadable
    interval_ms: int


@dataclass(frozen=True, slots=True)
class ClassQuery:
    """The cards of one NPUClass as a Prometheus-compatible server at `url` knows them.

    `nodes` leads from what its labels may call a node (name, hostname, address of the exporter) to the name of
    a node of the class; `pods` are those that hold NPUs of the class, by node.
    """

    url: str
    format: CardFormat
    interval_ms: int
    nodes: Mapping[str, str] = field(default_factory=dict)
    pods: Mapping[str, frozenset[PodKey]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MeterQuery:
    """The meter of a PowerBudget: a query for watts that has one value."""

    budget: str
    url: str
    query: str
    interval_ms: int = 15_000


Target = ExporterTarget | RuntimeTarget | ClassQuery | MeterQuery


@dataclass(frozen=True, slots=True)
class Targets:
    """All that is to be read; empty where nothing is configured, so that nothing is polled."""

    exporters: tuple[ExporterTarget, ...] = ()
    runtimes: tuple[RuntimeTarget, ...] = ()
    queries: tuple[ClassQuery, ...] = ()
    meters: tuple[MeterQuery, ...] = ()

    def every(self) -> Iterator[Target]:
        """Yield them all."""
        yield from self.exporters
        yield from self.runtimes
        yield from self.queries
        yield from self.meters
