"""Parts of statuses that say what was measured; several kinds share them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from kwatt.api.v1alpha1.fields import Decimal, Label, Part, Timestamp
from kwatt.model.npu import Scope


class Figures(StrEnum):
    """Which figures of a service are compared with the baseline."""

    PLANNED = "Planned"
    MEASURED = "Measured"


class Measured(Part):
    """What was measured last; absent until measured."""

    per_second: Decimal | None = Field(default=None, description="Units per second.")
    watts: Decimal | None = Field(default=None, description="Mean watts in the window.")
    units_per_joule: Decimal | None = Field(default=None, description="Units per joule.")
    window: Label | None = Field(
        default=None, description="Length of the window in seconds, as 60s."
    )
    scope: Scope | None = Field(
        default=None, description="What the watts cover: Device, Node or Wall."
    )
    estimated: bool | None = Field(
        default=None,
        description="true where a part of the watts was shared out between pods by plan.",
    )
    at: Timestamp | None = Field(default=None, description="End of the window.")


class EnergyUsed(Part):
    """Energy, integrated from power; it only grows."""

    joules: Decimal = Field(description="Joules since `since`.")
    since: Timestamp = Field(description="Start of counting.")
    unmeasured_seconds: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="Seconds since then in which power was unknown."
    )
    scope: Scope | None = Field(
        default=None, description="What the joules cover: Device, Node or Wall."
    )
    at: Timestamp | None = Field(
        default=None,
        description="Until when it is counted; absent while there is nothing to measure.",
    )


class Comparison(Part):
    """The profile's baseline, at the same scope."""

    device: Label = Field(description="Device of the baseline.")
    units_per_joule: Decimal = Field(description="Units per joule of the baseline.")
    saved_percent: Decimal = Field(
        description="Energy saved per unit against it, in percent; negative where more is used."
    )
    figures: Figures | None = Field(
        default=None,
        description="Which figures of the service are compared: Measured, or Planned until measured.",
    )
