"""Loads as people write them, and the shapes that they become."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from fakenpu.faults import Part
from fakenpu.quantities import MILLI, micro_units, milliseconds
from fakenpu.shapes import Constant, Diurnal, Shape, Steps
from fakenpu.traces import trace_buckets


class ConstantLoad(Part):
    """The same rate for ever, in the profile's unit per second."""

    shape: Literal["Constant"]
    per_second: float = Field(ge=0)

    def as_shape(self, folder: Path) -> Shape:
        del folder
        return Constant(micro_units(self.per_second, "perSecond"))


class Step(Part):
    """A rate from a second on."""

    at_seconds: float = Field(ge=0)
    per_second: float = Field(ge=0)


class StepLoad(Part):
    """Rates that change at instants; `repeatSeconds` begins anew."""

    shape: Literal["Step"]
    steps: tuple[Step, ...] = Field(min_length=1)
    repeat_seconds: float = Field(default=0, ge=0)

    def as_shape(self, folder: Path) -> Shape:
        del folder
        steps = sorted(
            (milliseconds(step.at_seconds, "atSeconds"), micro_units(step.per_second, "perSecond"))
            for step in self.steps
        )
        return Steps(tuple(steps), milliseconds(self.repeat_seconds, "repeatSeconds"))


class DiurnalLoad(Part):
    """A day: lowest at its start, highest in its middle."""

    shape: Literal["Diurnal"]
    low_per_second: float = Field(ge=0)
    high_per_second: float = Field(ge=0)
    period_seconds: int = Field(default=86_400, ge=1)
    every_seconds: int = Field(default=60, ge=1)

    def as_shape(self, folder: Path) -> Shape:
        del folder
        return Diurnal(
            low=micro_units(self.low_per_second, "lowPerSecond"),
            high=micro_units(self.high_per_second, "highPerSecond"),
            period=self.period_seconds * MILLI,
            every=self.every_seconds * MILLI,
        )


class TraceLoad(Part):
    """Arrivals of the Azure LLM inference trace 2023 (a CSV of requests, or of counts per minute), repeated.

    `count` is what a unit is: generated tokens or requests. `peakPerSecond` scales the busiest bucket to that
    rate, otherwise `factor` multiplies.
    """

    shape: Literal["Trace"]
    file: str
    count: Literal["GeneratedTokens", "Requests"] = "GeneratedTokens"
    service: str = ""
    bucket_seconds: int = Field(default=60, ge=1)
    factor: float = Field(default=1.0, gt=0)
    peak_per_second: float | None = Field(default=None, gt=0)

    def as_shape(self, folder: Path) -> Shape:
        counts = trace_buckets(folder / self.file, self.count, self.service, self.bucket_seconds)
        peak = max(counts) / self.bucket_seconds
        factor = self.factor if self.peak_per_second is None else self.peak_per_second / peak
        bucket = self.bucket_seconds * MILLI
        steps = tuple(
            (number * bucket, micro_units(count * factor / self.bucket_seconds, self.file))
            for number, count in enumerate(counts)
        )
        return Steps(steps, len(counts) * bucket)


Load = Annotated[ConstantLoad | StepLoad | DiurnalLoad | TraceLoad, Field(discriminator="shape")]
LOAD: TypeAdapter[Load] = TypeAdapter(Load)
