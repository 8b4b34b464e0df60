"""The exporters of FuriosaAI: for RNGD (furiosa-metrics-exporter, watts) and of Warboy's time (microwatts).

Names and labels: furiosa-ai/furiosa-metrics-exporter@4779b3a:internal/collector and its README at 0b3171b;
Warboy: furiosa-ai/docs@949befa. Temperatures and versions are made up.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

from fakenpu.exposition.readings import Device, NodeReading
from fakenpu.exposition.text import Family, Sample, by_label_name
from fakenpu.quantities import MICRO, MILLI

_Pair = tuple[str, str]

_CORES: Final = tuple(("core", str(number)) for number in range(8))
_CYCLES_PER_MS: Final = 1_000_000  # 1.0 GHz, developer.furiosa.ai, RNGD overview
_NAMESPACE: Final = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")  # RFC 4122, name space URL


@lru_cache(maxsize=65_536)
def card_uuid(node: str, number: int) -> str:
    """Return the UUID of a card; the same for the same node and number."""
    return str(uuid.uuid5(_NAMESPACE, f"fakenpu/{node}/{number}"))


def rngd_families(reading: NodeReading) -> tuple[Family, ...]:
    """Return what furiosa-metrics-exporter writes, by name as Go's registry does."""
    temperatures = _each(reading, _peak, label="peak") + _each(reading, _ambient, label="ambient")
    return (
        Family(
            "furiosa_npu_alive",
            "gauge",
            "The liveness of NPU device",
            _each(reading, _alive(reading)),
        ),
        Family(
            "furiosa_npu_core_utilization",
            "gauge",
            "The current core utilization of NPU device",
            _per_core(reading, lambda device: device.busy_percent),
        ),
        Family(
            "furiosa_npu_hw_power",
            "gauge",
            "The current power of NPU device",
            _each(reading, reading.watts, label="rms"),
        ),
        Family(
            "furiosa_npu_hw_temperature",
            "gauge",
            "The current temperature of NPU device",
            temperatures,
        ),
        Family(
            "furiosa_npu_total_cycle_count",
            "counter",
            "The total cycle count of NPU device",
            _per_core(reading, lambda _: reading.at * _CYCLES_PER_MS),
        ),
    )


def warboy_families(reading: NodeReading) -> tuple[Family, ...]:
    """Return what npu-metrics-exporter wrote: microwatts, thousandths of a degree, no pods."""

    def microwatts(device: Device) -> float:
        return round(reading.watts(device) * MICRO, 3)

    def thousandths(device: Device) -> float:
        return _peak(device) * MILLI

    return (
        Family("furiosa_npu_alive", "gauge", "The liveness of the Furiosa NPU device.",
               _each_warboy(reading, _alive(reading))),
        Family("furiosa_npu_error", "gauge", "The error count of the Furiosa NPU device.",
               _each_warboy(reading, lambda _: 0, label="device_error")),
        Family("furiosa_npu_hw_power", "gauge", "The power consumption of the Furiosa NPU device.",
               _each_warboy(reading, microwatts, label="PCI Total RMS PWR")),
        Family("furiosa_npu_hw_temperature", "gauge", "The temperature of the Furiosa NPU device.",
               _each_warboy(reading, thousandths, label="Average")),
        Family("furiosa_npu_uptime", "gauge", "The uptime of the Furiosa NPU device.",
               _each_warboy(reading, lambda _: reading.at // MILLI)),
    )  # fmt: skip


def _alive(reading: NodeReading) -> Callable[[Device], float]:
    return lambda _: 1 if reading.healthy else 0


def _peak(device: Device) -> float:
    return 35 + round(device.milliwatts / 5_000)  # assumption: warmer with watts


def _ambient(_: Device) -> float:
    return 30  # assumption


def _each(
    reading: NodeReading, value: Callable[[Device], float], **extra: str
) -> tuple[Sample, ...]:
    return tuple(
        Sample(_labels(*_told_of(reading, device), *extra.items()), value(device))
        for device in reading.devices
    )


def _per_core(reading: NodeReading, value: Callable[[Device], float]) -> tuple[Sample, ...]:
    samples: list[Sample] = []
    for device in reading.devices:
        told, told_value = _told_of(reading, device), value(device)
        samples += (Sample(_labels(*told, core), told_value) for core in _CORES)
    return tuple(samples)


def _told_of(reading: NodeReading, device: Device) -> tuple[str, str, int, tuple[_Pair, ...]]:
    node = reading.node
    return node.product.model, node.name, device.number, tuple(reading.pod_labels(device).items())


@lru_cache(maxsize=65_536)  # the same for a card until its pod changes
def _labels(
    arch: str, node: str, number: int, pod: tuple[_Pair, ...], *extra: _Pair
) -> Mapping[str, str]:
    return by_label_name(
        {
            "arch": arch,
            "device": f"npu{number}",
            "uuid": card_uuid(node, number),
            "pci_bus_id": f"0000:{(0x17 + number) % 256:02x}:00.0",
            "firmware_version": "2026.1.0",
            "driver_version": "2026.1.0",
            "hostname": node,
            **dict(pod),
            **dict(extra),
        }
    )


def _each_warboy(
    reading: NodeReading, value: Callable[[Device], float], **extra: str
) -> tuple[Sample, ...]:
    return tuple(
        Sample(
            by_label_name(
                {
                    "arch": "warboy",
                    "core": "0-1",
                    "device": f"npu{device.number}",
                    "kubernetes_node_name": reading.node.name,
                    "uuid": card_uuid(reading.node.name, device.number),
                    **extra,
                }
            ),
            value(device),
        )
        for device in reading.devices
    )
