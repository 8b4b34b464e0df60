"""The rate of an InferenceService: fixed, or one that follows the demand between two bounds."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from kwatt.api.v1alpha1.fields import Decimal, Part, Rate, Rule, Timestamp, ruled
from kwatt.units import Throughput

_ONE_FORM = Rule(
    "has(self.perSecond) ? !has(self.min) && !has(self.max) && !has(self.headroomPercent) "
    ": has(self.min) && has(self.max)",
    "write either perSecond for a fixed rate, or min and max for one that follows the demand",
)
_RISING = Rule(
    "!has(self.min) || !has(self.max) || !isQuantity(string(self.min)) || "
    "!isQuantity(string(self.max)) || "
    "quantity(string(self.min)).compareTo(quantity(string(self.max))) <= 0",
    "throughput.min is above throughput.max; lower min or raise max",
)


class RequiredThroughput(Part):
    """The rate that must be sustained: a fixed one, or one that follows the demand between two bounds."""

    model_config = ruled(_ONE_FORM, _RISING)

    per_second: Rate | None = Field(
        default=None, description="Units (of the profile's unit) per second, fixed."
    )
    min: Rate | None = Field(
        default=None,
        description="Least units per second that are kept ready where the rate follows the demand.",
    )
    max: Rate | None = Field(
        default=None,
        description="Most units per second; also what is kept ready until demand was first measured.",
    )
    headroom_percent: Annotated[int, Field(ge=0, le=1000)] | None = Field(
        default=None,
        description="Percent that are kept ready beyond the demand; 20 when absent.",
    )

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        bounds = self.min is not None, self.max is not None
        fixed = not any(bounds) and self.headroom_percent is None
        _ONE_FORM.require(fixed if self.per_second is not None else all(bounds))
        _RISING.require(
            self.min is None
            or self.max is None
            or Throughput.parse(self.min) <= Throughput.parse(self.max)
        )
        return self


class FollowedDemand(Part):
    """The rate that is planned for, where the service follows its demand."""

    per_second: Decimal = Field(description="Units per second that are planned for.")
    at: Timestamp = Field(description="When this rate was set.")
