"""An exporter of no vendor in particular: one gauge of a name and unit that the scenario chooses."""

from __future__ import annotations

from fakenpu.exposition.readings import NodeReading
from fakenpu.exposition.text import Family, Sample, by_label_name
from fakenpu.quantities import MICRO


def generic_families(reading: NodeReading) -> tuple[Family, ...]:
    """Return the one gauge, of each card once, with the pod that holds it."""
    node = reading.node
    scale = MICRO / node.microunits
    samples = tuple(
        Sample(
            by_label_name(
                {
                    node.card_label: str(device.card),
                    "node": node.name,
                    **reading.pod_labels(device),
                }
            ),
            round(reading.watts(device) * scale, 3),
        )
        for device in reading.devices
        if device.number % node.product.devices_per_card == 0
    )
    return (Family(node.metric, "gauge", "Power of the card.", samples),)
