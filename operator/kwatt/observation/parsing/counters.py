"""InferenceService.spec.counters: what each runtime calls its counters, in the unit of the model's profile.

Names: docs of each runtime as docs/telemetry.md cites them. KServe's are those of its Python model server,
Triton's of its metrics page (https://github.com/triton-inference-server/server/blob/main/docs/user_guide/metrics.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from kwatt.api.v1alpha1.counters import Counters, Runtime
from kwatt.model.targets import CounterFormat, Unreadable
from kwatt.model.telemetry import Refusal
from kwatt.observation.sources import ParsedCounters

_ABORTED: Final = (("finished_reason", "abort"),)


@dataclass(frozen=True, slots=True)
class _Preset:
    port: int = 0
    served: Mapping[str, str] = field(default_factory=dict)  # by unit
    arrived: Mapping[str, str] = field(default_factory=dict)
    waiting: str = ""
    running: str = ""
    series_labels: tuple[str, ...] = ()
    excluded: tuple[tuple[str, str], ...] = ()


_INFERENCES: Final = dict.fromkeys(("images", "samples", "inferences"), "nv_inference_count")
PRESETS: Final[Mapping[Runtime, _Preset]] = {
    Runtime.FURIOSA_LLM: _Preset(
        port=8000,
        served={
            "tokens": "furiosa_llm_generation_tokens_total",
            "requests": "furiosa_llm_request_success_total",
        },
        arrived={"requests": "furiosa_llm_request_received_total"},
        waiting="furiosa_llm_num_requests_waiting",
        running="furiosa_llm_num_requests_running",
        series_labels=("engine", "leader_device", "model_name"),
        excluded=_ABORTED,
    ),
    Runtime.VLLM: _Preset(
        port=8000,
        served={
            "tokens": "vllm:generation_tokens_total",
            "requests": "vllm:request_success_total",
        },
        waiting="vllm:num_requests_waiting",
        running="vllm:num_requests_running",
        series_labels=("engine", "model_name"),
        excluded=_ABORTED,
    ),
    Runtime.TRITON: _Preset(
        port=8002,
        served={"requests": "nv_inference_request_success", **_INFERENCES},
        waiting="nv_inference_pending_request_count",
        series_labels=("model", "version"),
    ),
    Runtime.KSERVE: _Preset(
        port=8080,
        served={"requests": "request_predict_seconds_count"},
        series_labels=("model_name",),
    ),
    Runtime.CUSTOM: _Preset(),
}


def counters_of(counters: Counters | None) -> ParsedCounters | None:
    """Return where the pods of a service count and what they say, None where nobody told."""
    if counters is None:
        return None
    return ParsedCounters(
        runtime=counters.runtime.value,
        port=counters.port or PRESETS[counters.runtime].port,
        path=counters.path,
        unit=counters.unit,
        served=counters.served,
        arrived=counters.arrived,
        waiting=counters.waiting,
        running=counters.running,
    )


def counter_format(counters: ParsedCounters, unit: str) -> CounterFormat | Unreadable:
    """Return what to read for a profile that counts in `unit`, or why nothing that is served fits it."""
    preset = PRESETS[Runtime(counters.runtime)]
    if counters.unit is not None and counters.unit != unit:
        return Unreadable(
            Refusal.UNIT_MISMATCH,
            f"spec.counters counts {counters.unit}, the ModelProfile {unit}; correct one of them",
        )
    served = counters.served or preset.served.get(unit)
    if served is None:
        return Unreadable(
            Refusal.UNIT_MISMATCH,
            f"{counters.runtime} counts {' or '.join(sorted(preset.served))}, the ModelProfile {unit}; "
            "name a counter of it in spec.counters.served",
        )
    return CounterFormat(
        unit=unit,
        served=(served,),
        arrived=_names(counters.arrived or preset.arrived.get(unit)),
        waiting=_names(counters.waiting or preset.waiting),
        running=_names(counters.running or preset.running),
        series_labels=preset.series_labels,
        excluded=preset.excluded,
    )


def _names(name: str | None) -> tuple[str, ...]:
    return (name,) if name else ()
