"""Everything that exporters and runtimes do wrong, as switches. The default does nothing wrong.

Written as YAML or JSON in camelCase; an unknown name is refused. docs/fakenpu.md explains each.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class Part(BaseModel):
    """Base of what people write: camelCase, immutable, unknown names refused."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True
    )


class CardPower(StrEnum):
    """What a device of a card with several devices shows as power."""

    EVERY_DEVICE = "EveryDevice"
    FIRST_DEVICE = "FirstDevice"
    FIRST_THEN_ZERO = "FirstThenZero"


class Faults(Part):
    """Switches of one exporter or one runtime."""

    # What is said of watts. Applied in this order to what the card truly draws.
    drift_percent_per_hour: float = 0.0
    factor: float = Field(default=1.0, ge=0)
    noise_percent: float = Field(default=0.0, ge=0, le=100)
    step_watts: float = Field(default=0.0, ge=0)
    unit_slip: float = Field(default=1.0, gt=0)
    watts: Literal["NaN", "+Inf", "-Inf"] | float | None = None
    frozen: bool = False

    # What is said of cards.
    repeated: int = Field(default=1, ge=1, le=64)
    card_power: CardPower = CardPower.EVERY_DEVICE
    unhealthy: bool = False
    health_inverted: bool = False

    # How series are named.
    labels: Mapping[str, str] = Field(default_factory=dict)
    no_pod_labels: bool = False
    legacy_names: bool | None = None
    renamed: str = ""
    duplicated: bool = False
    timestamp_offset_seconds: float | None = None

    # What a runtime says of its counters.
    counter_factor: float = 1.0
    counter_value: Literal["NaN", "+Inf"] | float | None = None
    resets_each_scrape: bool = False

    # What becomes of the answer.
    silence_seconds: float = Field(default=0.0, ge=0)
    down: bool = False
    status: int | None = Field(default=None, ge=400, le=599)
    redirect: str | None = None
    body_bytes: int = Field(default=0, ge=0)
    endless: bool = False
    series: int = Field(default=0, ge=0)
    html: bool = False
    invalid_utf8: bool = False
    truncated: bool = False


NO_FAULTS = Faults()
