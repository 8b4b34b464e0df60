"""From the counters of a serving runtime to one sample per engine.

A counter that is not there is absent, never 0; resets are seen by whoever compares two samples.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

from kwatt.model.keys import PodKey
from kwatt.model.targets import CounterFormat
from kwatt.model.telemetry import CounterSample, Refusal
from kwatt.telemetry.exposition import Series, parse_labels
from kwatt.telemetry.numbers import amount
from kwatt.telemetry.refusals import Tally
from kwatt.units import Ratio

MOST_ENGINES: Final = 64
_LONGEST: Final = 128
_MICROS: Final = Ratio(10**6, 1)
_ONE: Final = Ratio(1, 1)

Sums = dict[str, int]  # by engine


def names_of(format: CounterFormat) -> tuple[str, ...]:
    """Return every metric that may be read."""
    wanted = (*format.served, *format.arrived, *format.waiting, *format.running)
    return tuple(dict.fromkeys(wanted))


def judge_counters(
    format: CounterFormat, pod: PodKey, series: Iterable[Series], at: int, tally: Tally
) -> list[CounterSample]:
    """Return a sample per engine, sorted; what is not used is counted in `tally`."""
    by_name: defaultdict[str, list[Series]] = defaultdict(list)
    for one in series:
        by_name[one.name].append(one)
    served = _sums(format, format.served, by_name, _MICROS, tally)
    arrived = _sums(format, format.arrived, by_name, _MICROS, tally)
    waiting = _sums(format, format.waiting, by_name, _ONE, tally)
    running = _sums(format, format.running, by_name, _ONE, tally)
    engines = sorted(served.keys() | arrived.keys() | waiting.keys() | running.keys())
    if len(engines) > MOST_ENGINES:
        tally.add(
            Refusal.TOO_MANY_SERIES,
            f"there are {len(engines)} engines in one pod, at most {MOST_ENGINES} are read",
            len(engines),
        )
        return []
    return [
        CounterSample(
            pod=pod,
            series=engine,
            at=at,
            unit=format.unit,
            served=served.get(engine),
            arrived=arrived.get(engine),
            waiting=waiting.get(engine),
            running=running.get(engine),
        )
        for engine in engines
    ]


def _sums(
    format: CounterFormat,
    names: tuple[str, ...],
    by_name: Mapping[str, list[Series]],
    unit: Ratio,
    tally: Tally,
) -> Sums:
    """Add up what each engine says under the first of `names` that is served.

    An engine with a figure that can't be used has no sum: a part of a counter looks like a reset.
    """
    sums: Sums = {}
    spoiled: set[str] = set()
    seen: set[bytes] = set()
    found = next((name for name in names if name in by_name), None)
    for one in by_name[found] if found else ():
        labels = parse_labels(one.labels)
        if labels is None:
            tally.add(Refusal.NOT_EXPOSITION, f"the labels of {one.name} are malformed")
            return {}
        if any(labels.get(name) == value for name, value in format.excluded):
            continue
        engine = _engine(format, labels)
        value = amount(one.value, unit)
        if one.labels in seen:
            tally.add(Refusal.DUPLICATE_SERIES, f"{one.name} is there twice with equal labels")
            spoiled.add(engine)
        elif isinstance(value, Refusal):
            shown = one.value[:24].decode(errors="replace")
            tally.add(value, f"{one.name} reads {shown}")
            spoiled.add(engine)
        else:
            sums[engine] = sums.get(engine, 0) + value
        seen.add(one.labels)
    return {engine: total for engine, total in sums.items() if engine not in spoiled}


def _engine(format: CounterFormat, labels: Mapping[str, str]) -> str:
    names = format.series_labels or tuple(sorted(labels))
    said = (f"{name}={labels[name][:_LONGEST]}" for name in names if name in labels)
    return ",".join(said)[: 4 * _LONGEST]
