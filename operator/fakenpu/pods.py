"""Pods that hold NPUs and services that are asked for work, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from fakenpu.keys import PodKey, ServiceKey
from fakenpu.products import Product
from fakenpu.quantities import MICRO
from fakenpu.shapes import Constant, Shape


class Runtime(StrEnum):
    """The serving runtimes whose counters are imitated."""

    FURIOSA_LLM = "furiosa-llm"
    VLLM = "vllm"
    TRITON = "triton"
    KSERVE = "kserve"
    COUNTER = "counter"


@dataclass(frozen=True, slots=True)
class Node:
    """A node with devices of one product. `metric` and `card_label` are what a generic exporter writes."""

    name: str
    product: Product
    devices: int
    legacy_names: bool = False
    metric: str = "npu_power_watts"
    card_label: str = "card"
    microunits: int = MICRO  # per watt: 1,000,000 in watts, 1 in microwatts


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod bound to a node. Only a ready one serves; one that is not draws what its NPUs draw idle."""

    key: PodKey
    node: str
    npus: int
    npu_class: str
    service: ServiceKey | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    container: str = "server"
    ready: bool = True


@dataclass(frozen=True, slots=True)
class Draw:
    """How the true watts differ from the profile: percent of them, and percent more each hour."""

    percent: float = 100.0
    percent_per_hour: float = 0.0

    def applied(self, milliwatts: int, now: int) -> int:
        """Return what is truly drawn; changes at whole minutes only."""
        if self.percent == 100.0 and not self.percent_per_hour:
            return milliwatts
        hours = (now // 60_000) / 60
        return max(0, round(milliwatts * (self.percent + self.percent_per_hour * hours) / 100))


NO_DEMAND = Constant(0)
AS_DECLARED = Draw()


@dataclass(frozen=True, slots=True)
class Service:
    """What is asked of the pods of an InferenceService, and how they say what they did.

    `units_per_request` and `prompt_per_request` are tokens for a language model, 1 and 0 for images. A queue of
    more than `queue_seconds` of a pod's capacity refuses what comes; `idle_at_rest` says whether a pod without
    any request draws idle watts rather than those of its lowest point.
    """

    key: ServiceKey
    model: str
    demand: Shape = NO_DEMAND
    runtime: Runtime = Runtime.COUNTER
    engines: int = 1
    units_per_request: int = 1
    prompt_per_request: int = 0
    queue_seconds: int = 60
    idle_at_rest: bool = False
    draw: Draw = AS_DECLARED
    counter: str = "served_total"
    engine_label: str = "engine"
    sdk_2025: bool = False
