"""What a metric is: its name, type, labels, unit and meaning. No I/O.

Names follow Prometheus: base units, in the name, and `_total` behind what only grows
(https://prometheus.io/docs/practices/naming/).
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Type(StrEnum):
    """Types of metrics."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


class Family(NamedTuple):
    """One metric. `unit` is what its value counts, `series` how many series there are at most."""

    name: str
    type: Type
    labels: tuple[str, ...]
    unit: str
    meaning: str
    series: str


def gauge(name: str, labels: tuple[str, ...], unit: str, meaning: str, series: str) -> Family:
    return Family(name, Type.GAUGE, labels, unit, meaning, series)


def counter(name: str, labels: tuple[str, ...], unit: str, meaning: str, series: str) -> Family:
    return Family(name, Type.COUNTER, labels, unit, meaning, series)
