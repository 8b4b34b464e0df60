"""The counters of serving runtimes. What is served is split over engines; a restart lets them begin anew.

furiosa-llm: metric list of developer.furiosa.ai (label `engine` from 2026.3, `leader_device` before that).
vLLM: docs.vllm.ai, production metrics. Triton: nv_inference_* of its metrics page. KServe v2: MLServer's
model_infer_request_* and the KServe model server's request_predict_seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from fakenpu.exposition.text import Family, Hand, Sample, by_label_name, render
from fakenpu.faults import Faults
from fakenpu.pods import Runtime, Service
from fakenpu.quantities import NANO

_FINISHED: Final = "finished_reason"


@dataclass(frozen=True, slots=True)
class Engine:
    """The counts of one engine of a pod, since its counters began; amounts in whole units."""

    name: str
    units: int
    requests: int
    arrived: int
    arrived_requests: int
    running: int
    waiting: int


@dataclass(frozen=True, slots=True)
class RuntimeReading:
    """All that a runtime says at one scrape."""

    service: Service
    engines: tuple[Engine, ...]
    faults: Faults
    timestamp: int | None = None


def runtime_text(reading: RuntimeReading) -> str:
    """Return the exposition of a pod's runtime."""
    families = _WRITERS[reading.service.runtime](reading)
    plain = reading.service.runtime is Runtime.TRITON
    hand = Hand(python=not plain, whole_in_full=plain, timestamp=reading.timestamp)
    return render(families, hand)


def _furiosa(reading: RuntimeReading) -> tuple[Family, ...]:
    service = reading.service
    engine_label = "" if service.sdk_2025 else service.engine_label
    finished = {} if service.sdk_2025 else {_FINISHED: "stop"}
    per = _Writer(reading, engine_label)
    received = per.counter(
        "furiosa_llm_request_received_total", "Count of received requests.",
        lambda engine: engine.arrived_requests,
    )  # fmt: skip
    return (
        per.gauge("furiosa_llm_num_requests_running", "Number of requests in execution.",
                  lambda engine: engine.running),
        per.gauge("furiosa_llm_num_requests_waiting", "Number of requests waiting to be processed.",
                  lambda engine: engine.waiting),
        per.counter("furiosa_llm_prompt_tokens_total", "Number of prefill tokens processed.",
                    lambda engine: engine.requests * service.prompt_per_request),
        per.counter("furiosa_llm_generation_tokens_total", "Number of generation tokens processed.",
                    lambda engine: engine.units),
        per.counter("furiosa_llm_request_success_total", "Count of successfully processed requests.",
                    lambda engine: engine.requests, **finished),
        *([received] if service.sdk_2025 else []),
    )  # fmt: skip


def _vllm(reading: RuntimeReading) -> tuple[Family, ...]:
    service = reading.service
    per = _Writer(reading, "engine")
    return (
        per.gauge("vllm:num_requests_running", "Number of requests in model execution batches.",
                  lambda engine: engine.running),
        per.gauge("vllm:num_requests_waiting", "Number of requests waiting to be processed.",
                  lambda engine: engine.waiting),
        per.gauge("vllm:kv_cache_usage_perc", "KV-cache usage. 1 means 100 percent usage.",
                  lambda engine: min(1.0, engine.running / 100)),
        per.counter("vllm:prompt_tokens_total", "Number of prefill tokens processed.",
                    lambda engine: engine.requests * service.prompt_per_request),
        per.counter("vllm:generation_tokens_total", "Number of generation tokens processed.",
                    lambda engine: engine.units),
        per.counter("vllm:request_success_total", "Count of successfully processed requests.",
                    lambda engine: engine.requests, **{_FINISHED: "stop"}),
    )  # fmt: skip


def _triton(parts: RuntimeReading) -> tuple[Family, ...]:
    reading = _as_one(parts)
    per = _Writer(reading, "", {"model": reading.service.model, "version": "1"})
    return (
        per.counter("nv_inference_request_success",
                    "Number of successful inference requests, all batch sizes",
                    lambda engine: engine.requests),
        per.counter("nv_inference_request_failure",
                    "Number of failed inference requests, all batch sizes", lambda _: 0),
        per.counter("nv_inference_count",
                    "Number of inferences performed (does not include cached requests)",
                    lambda engine: engine.units),
        per.counter("nv_inference_exec_count",
                    "Number of model executions performed (does not include cached requests)",
                    lambda engine: engine.requests),
        per.gauge("nv_inference_pending_request_count",
                  "Instantaneous number of pending requests awaiting execution per-model.",
                  lambda engine: engine.waiting),
    )  # fmt: skip


def _kserve(parts: RuntimeReading) -> tuple[Family, ...]:
    reading = _as_one(parts)
    model = reading.service.model
    per = _Writer(reading, "", {"model": model, "version": "1"})
    predict = {"model_name": model}
    requests = sum(engine.requests for engine in reading.engines)
    histogram = (
        Sample({"le": "+Inf", **predict}, _told(requests, reading.faults), "_bucket"),
        Sample(predict, _told(requests, reading.faults), "_count"),
        Sample(predict, requests / 1_000, "_sum"),  # assumption: a millisecond each
    )
    return (
        per.counter("model_infer_request_success_total", "Model infer request success count",
                    lambda engine: engine.requests),
        per.counter("model_infer_request_failure_total", "Model infer request failure count",
                    lambda _: 0),
        Family("request_predict_seconds", "histogram", "predict request latency", histogram),
    )  # fmt: skip


def _counter(reading: RuntimeReading) -> tuple[Family, ...]:
    per = _Writer(reading, "engine" if len(reading.engines) > 1 else "", {})
    stem = reading.service.counter.removesuffix("_total")
    return (
        per.counter(reading.service.counter, "What was served.", lambda engine: engine.units),
        per.counter(f"{stem}_arrived_total", "What was asked for.", lambda engine: engine.arrived),
        per.gauge(f"{stem}_requests_waiting", "Requests that wait.", lambda engine: engine.waiting),
    )  # fmt: skip


_WRITERS: Final[Mapping[Runtime, Callable[[RuntimeReading], tuple[Family, ...]]]] = {
    Runtime.FURIOSA_LLM: _furiosa,
    Runtime.VLLM: _vllm,
    Runtime.TRITON: _triton,
    Runtime.KSERVE: _kserve,
    Runtime.COUNTER: _counter,
}


class _Writer:
    """Makes families with one series per engine."""

    def __init__(
        self, reading: RuntimeReading, engine_label: str, labels: Mapping[str, str] | None = None
    ) -> None:
        self._reading = reading
        self._engine_label = engine_label
        self._labels = {"model_name": reading.service.model} if labels is None else labels

    def counter(
        self, name: str, help_text: str, value: Callable[[Engine], int], **labels: str
    ) -> Family:
        faults = self._reading.faults
        samples = self._samples(lambda engine: _told(value(engine), faults), labels)
        return Family(name, "counter", help_text, samples)

    def gauge(self, name: str, help_text: str, value: Callable[[Engine], float]) -> Family:
        return Family(name, "gauge", help_text, self._samples(value, {}))

    def _samples(
        self, value: Callable[[Engine], float], labels: Mapping[str, str]
    ) -> tuple[Sample, ...]:
        return tuple(
            Sample(by_label_name({**self._labels, **self._engine(engine), **labels}), value(engine))
            for engine in self._reading.engines
        )

    def _engine(self, engine: Engine) -> Mapping[str, str]:
        return {self._engine_label: engine.name} if self._engine_label else {}


def _as_one(reading: RuntimeReading) -> RuntimeReading:
    """Add up the engines, for servers that count by model only."""
    engines = reading.engines
    total = Engine(
        name="0",
        units=sum(engine.units for engine in engines),
        requests=sum(engine.requests for engine in engines),
        arrived=sum(engine.arrived for engine in engines),
        arrived_requests=sum(engine.arrived_requests for engine in engines),
        running=sum(engine.running for engine in engines),
        waiting=sum(engine.waiting for engine in engines),
    )
    return replace(reading, engines=(total,))


def _told(count: int, faults: Faults) -> float:
    if faults.counter_value is not None:
        return float(faults.counter_value)
    return count if faults.counter_factor == 1 else count * faults.counter_factor


def whole_units(amount: int) -> int:
    """Return whole units of an amount in billionths; what is not whole is not counted yet."""
    return amount // NANO
