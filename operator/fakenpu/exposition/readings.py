"""What an exporter reads of its cards before it writes: the true watts, and what its faults make of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from fakenpu.faults import Faults
from fakenpu.pods import Node, Pod
from fakenpu.quantities import MILLI

_HOUR = 3_600_000


@dataclass(frozen=True, slots=True)
class Device:
    """One device (unit of the resource) of a node: who holds it, and how busy it is in percent.

    `milliwatts` are those of its whole card, as every vendor's sensor counts.
    """

    number: int
    card: int
    milliwatts: int
    busy_percent: float = 0.0
    pod: Pod | None = None


@dataclass(frozen=True, slots=True)
class NodeReading:
    """All that one exporter knows at one reading. `at` is when it read, milliseconds since the world began."""

    node: Node
    devices: tuple[Device, ...]
    faults: Faults
    at: int
    timestamp: int | None = None

    def watts(self, device: Device) -> float:
        """Return what is said of the card of a device, in watts."""
        return _said(device, self)

    def pod_labels(self, device: Device) -> Mapping[str, str]:
        """Return namespace, pod and container of a device; empty where nobody holds it."""
        if device.pod is None or self.faults.no_pod_labels:
            return {}
        key = device.pod.key
        return {"namespace": key.namespace, "pod": key.name, "container": device.pod.container}

    @property
    def healthy(self) -> bool:
        """Return what is said of the cards' health."""
        return self.faults.unhealthy == self.faults.health_inverted


def _said(device: Device, reading: NodeReading) -> float:
    faults = reading.faults
    if faults.watts is not None:
        return float(faults.watts)
    first = device.number % reading.node.product.devices_per_card == 0
    if not first and faults.card_power == "FirstThenZero":
        return 0.0
    said = _drifted(device.milliwatts, reading) * _noise(device, reading)
    if faults.step_watts:
        said = round(said / MILLI / faults.step_watts) * faults.step_watts * MILLI
    return round(said * faults.unit_slip) / MILLI


def _drifted(milliwatts: int, reading: NodeReading) -> float:
    hours = reading.at / _HOUR
    return (
        milliwatts
        * reading.faults.factor
        * (1 + reading.faults.drift_percent_per_hour * hours / 100)
    )


def _noise(device: Device, reading: NodeReading) -> float:
    """Return a factor around 1, evenly spread; the same for the same card and reading."""
    if not reading.faults.noise_percent:
        return 1.0
    seed = f"{reading.node.name}/{device.card}/{reading.at}".encode()
    number = int.from_bytes(hashlib.blake2b(seed, digest_size=8).digest()) / 2**64
    return 1 + (2 * number - 1) * reading.faults.noise_percent / 100
