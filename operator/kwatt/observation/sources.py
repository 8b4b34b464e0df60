"""Parsed values about telemetry: where pods answer, and how watts and counters are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from kwatt.model.targets import CardFormat


class PodReach(NamedTuple):
    """Where a pod answers and how it is told from others; labels that name a single pod are left out.

    On the host's network (`of_host`) the address is the node's, where others answer too.
    """

    address: str
    ready: bool
    labels: tuple[tuple[str, str], ...] = ()
    of_host: bool = False


class ExporterPods(NamedTuple):
    """The pods that may say what cards draw: of one namespace only, with these labels."""

    namespace: str
    labels: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ParsedTelemetry:
    """How the watts of a class are read: from `pods`, a `prometheus` server, or `static` (node, address)."""

    format: CardFormat
    interval_ms: int
    scheme: str
    port: int
    path: str
    pods: ExporterPods | None = None
    prometheus: str | None = None
    static: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ParsedCounters:
    """Where the pods of a service count what they serve; names are None where the runtime's own hold."""

    runtime: str
    port: int
    path: str
    unit: str | None = None
    served: str | None = None
    arrived: str | None = None
    waiting: str | None = None
    running: str | None = None
