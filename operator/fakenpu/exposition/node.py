"""The text of a node's exporter in the dialect of its product, with what its faults do to names and labels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final

from fakenpu.exposition.furiosa import rngd_families, warboy_families
from fakenpu.exposition.generic import generic_families
from fakenpu.exposition.mobilint import mobilint_families
from fakenpu.exposition.readings import NodeReading
from fakenpu.exposition.rebellions import rebellions_families
from fakenpu.exposition.text import Family, Hand, Sample, by_label_name, render
from fakenpu.faults import Faults
from fakenpu.products import Dialect

_DIALECTS: Final[Mapping[Dialect, Callable[[NodeReading], tuple[Family, ...]]]] = {
    Dialect.FURIOSA: rngd_families,
    Dialect.WARBOY: warboy_families,
    Dialect.REBELLIONS: rebellions_families,
    Dialect.MOBILINT: mobilint_families,
    Dialect.GENERIC: generic_families,
}


def node_text(reading: NodeReading) -> str:
    """Return the exposition of a node's exporter."""
    dialect = reading.node.product.dialect
    families = _DIALECTS[dialect](reading)
    hand = Hand(whole_in_full=dialect is Dialect.MOBILINT, timestamp=reading.timestamp)
    return render(faulty(families, reading.faults), hand)


def faulty(families: Iterable[Family], faults: Faults) -> tuple[Family, ...]:
    """Return families with wrong names, labels and repetitions, where those are switched on."""
    if not (faults.renamed or faults.labels or faults.duplicated or faults.repeated > 1):
        return tuple(families)
    return tuple(
        replace(
            family,
            name=faults.renamed + family.name,
            samples=tuple(_repeated(family.samples, faults)),
        )
        for family in families
    )


def _repeated(samples: Iterable[Sample], faults: Faults) -> Iterable[Sample]:
    for sample in samples:
        wrong = sample._replace(labels=by_label_name({**sample.labels, **faults.labels}))
        named = wrong if faults.labels else sample
        for part in range(faults.repeated):
            label = {"partition": str(part)} if faults.repeated > 1 else {}
            yield named._replace(labels={**named.labels, **label})
        if faults.duplicated:
            yield named._replace(value=sample.value + 1)
