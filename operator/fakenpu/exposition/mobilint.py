"""The metrics of Mobilint's device plugin: label `device` only, no pods, -1 where a rail is unknown.

Names, labels and their order: mobilint/mobilint-device-plugin@6faba61:pkg/plugin/metrics/metrics.go.
"""

from __future__ import annotations

from collections.abc import Callable

from fakenpu.exposition.readings import Device, NodeReading
from fakenpu.exposition.text import Family, Sample


def mobilint_families(reading: NodeReading) -> tuple[Family, ...]:
    """Return what the plugin writes, in its order."""
    memory = reading.node.product.memory_bytes

    def used(device: Device) -> int:
        return memory // 2 if device.pod else 0

    def busy(device: Device) -> float:
        return round(device.busy_percent / 100, 4)

    return (
        _family(reading, "health", "1 if device monitor sample can be read, 0 otherwise.",
                lambda _: 1 if reading.healthy else 0),
        Family("mobilint_npu_info", "gauge", "Static ARIES device information.", _info(reading)),
        _family(reading, "temperature_celsius", "Die temperature in degrees Celsius.",
                lambda device: 30 + round(device.milliwatts / 1_000)),
        _family(reading, "power_watts", "Total power in watts.", reading.watts),
        _family(reading, "memory_total_bytes", "Total NPU memory in bytes.", lambda _: memory),
        _family(reading, "memory_used_bytes", "Used NPU memory in bytes.", used),
        _family(reading, "process_count", "Number of processes currently using the NPU.",
                lambda device: 1 if device.pod else 0),
        _family(reading, "utilization_ratio", "Total NPU utilization, 0-1.", busy),
    )  # fmt: skip


def _family(
    reading: NodeReading, name: str, help_text: str, value: Callable[[Device], float]
) -> Family:
    samples = tuple(
        Sample({"device": f"aries{device.number}"}, value(device)) for device in reading.devices
    )
    return Family(f"mobilint_npu_{name}", "gauge", help_text, samples)


def _info(reading: NodeReading) -> tuple[Sample, ...]:
    static = {
        "model": reading.node.product.model,
        "driver_version": "1.1.1",
        "firmware_version": "1.1.1",
        "vendor_id": "0x209f",
        "device_id": "0x0000",
        "pcie_gen": "4",
        "pcie_lanes": "8",
    }
    return tuple(
        Sample({"device": f"aries{device.number}", **static}, 1) for device in reading.devices
    )
