"""Where an InferenceService's own pods count what they serve."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from kwatt.api.v1alpha1.fields import Label, Part, Rule, ruled
from kwatt.api.v1alpha1.route import Port
from kwatt.api.v1alpha1.telemetry import MetricName, UrlPath


class Runtime(StrEnum):
    """Serving runtimes whose counters are known."""

    FURIOSA_LLM = "FuriosaLLM"
    VLLM = "VLLM"
    TRITON = "Triton"
    KSERVE = "KServe"
    CUSTOM = "Custom"


_CUSTOM = Rule(
    "self.runtime != 'Custom' || (has(self.served) && has(self.unit) && has(self.port))",
    "runtime Custom has no defaults; give served, unit and port",
)


class Counters(Part):
    """How the throughput of the service's own pods is read; absent fields are as the runtime has them."""

    model_config = ruled(_CUSTOM)

    runtime: Runtime = Field(
        description="What serves: FuriosaLLM, VLLM, Triton, KServe, or Custom without any defaults."
    )
    port: Port | None = Field(default=None, description="Port of the pods' metrics.")
    path: UrlPath = Field(default="/metrics", description="Path of the metrics.")
    unit: Label | None = Field(
        default=None,
        description="What `served` counts; must be the unit of the ModelProfile. Absent: that unit, where "
        "the runtime counts it.",
    )
    served: MetricName | None = Field(default=None, description="Counter of what was done.")
    arrived: MetricName | None = Field(
        default=None, description="Counter of what was asked for, in the same unit."
    )
    waiting: MetricName | None = Field(default=None, description="Gauge of requests that wait.")
    running: MetricName | None = Field(
        default=None, description="Gauge of requests that are worked on."
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        _CUSTOM.require(
            self.runtime is not Runtime.CUSTOM or bool(self.served and self.unit and self.port)
        )
        return self
