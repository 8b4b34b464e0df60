"""The exporter of Rebellions: one series per device, watts of the card, 0 = healthy, two generations of names.

Names and labels: RBLN-SW/rbln-metrics-exporter@617ac7c:internal/collector. Labels that are empty are written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from fakenpu.exposition.furiosa import card_uuid
from fakenpu.exposition.readings import Device, NodeReading
from fakenpu.exposition.text import Family, Sample, by_label_name
from fakenpu.faults import CardPower


class _Name(NamedTuple):
    new: str
    legacy: str
    help: str


_HEALTH: Final = _Name("rbln_npu_health", "RBLN_DEVICE_STATUS:HEALTH", "NPU health status")
_TOTAL: Final = _Name("rbln_npu_memory_total", "RBLN_DEVICE_STATUS:DRAM_TOTAL", "Total DRAM")
_USED: Final = _Name(
    "rbln_npu_memory_used", "RBLN_DEVICE_STATUS:DRAM_USED", "DRAM currently in use"
)
_POWER: Final = _Name("rbln_npu_power", "RBLN_DEVICE_STATUS:CARD_POWER", "Card power usage (W)")
_TEMPERATURE: Final = _Name(
    "rbln_npu_temperature", "RBLN_DEVICE_STATUS:TEMPERATURE", "NPU temperature (C)"
)
_BUSY: Final = _Name(
    "rbln_npu_utilization", "RBLN_DEVICE_STATUS:UTILIZATION", "NPU utilization (%)"
)


def rebellions_families(reading: NodeReading) -> tuple[Family, ...]:
    """Return what rbln-metrics-exporter writes, by name as Go's registry does."""
    total = reading.node.product.memory_bytes
    families = (
        _family(reading, _HEALTH, lambda _: 0 if reading.healthy else 1),
        _family(reading, _TOTAL, lambda _: total),
        _family(reading, _USED, lambda device: total // 2 if device.pod else 0),
        _power(reading),
        _family(reading, _TEMPERATURE, lambda device: 25 + round(device.milliwatts / 3_000)),
        _family(reading, _BUSY, lambda device: round(device.busy_percent, 1)),
    )
    return tuple(sorted(families, key=lambda family: family.name))


def _power(reading: NodeReading) -> Family:
    per_card = reading.node.product.devices_per_card
    first_only = reading.faults.card_power is CardPower.FIRST_DEVICE
    family = _family(reading, _POWER, reading.watts)
    samples = tuple(
        sample
        for device, sample in zip(reading.devices, family.samples, strict=True)
        if not (first_only and device.number % per_card)
    )
    return Family(family.name, family.kind, family.help, samples)


def _family(reading: NodeReading, name: _Name, value: Callable[[Device], float]) -> Family:
    legacy = reading.faults.legacy_names
    written = name.legacy if (reading.node.legacy_names if legacy is None else legacy) else name.new
    samples = tuple(
        Sample(by_label_name(_labels(reading, device)), value(device)) for device in reading.devices
    )
    return Family(written, "gauge", name.help, samples)


def _labels(reading: NodeReading, device: Device) -> Mapping[str, str]:
    pod = {} if reading.faults.no_pod_labels else {"container": "", "namespace": "", "pod": ""}
    return {
        "card": reading.node.product.model,
        "name": f"rbln{device.number}",
        "uuid": card_uuid(reading.node.name, device.number),
        "deviceID": reading.node.product.device_id,
        "hostname": reading.node.name,
        "driver_version": "3.2.2",
        "firmware_version": "3.2.2",
        **pod,
        **reading.pod_labels(device),
    }
