"""What runtimes count: one sample per engine, in the profile's unit, or nothing."""

from __future__ import annotations

import pytest

from kwatt.model.keys import PodKey
from kwatt.model.targets import CounterFormat, Unreadable
from kwatt.model.telemetry import CounterSample, Refusal
from kwatt.observation.parsing.counters import counter_format
from kwatt.observation.sources import ParsedCounters
from kwatt.telemetry.counters import judge_counters, names_of
from kwatt.telemetry.exposition import Scanner
from kwatt.telemetry.refusals import Tally

POD = PodKey("city", "traffic-0")


def format_for(runtime: str, profile_unit: str, /, **fields: str) -> CounterFormat:
    found = counter_format(ParsedCounters(runtime, 8000, "/metrics", **fields), profile_unit)
    assert isinstance(found, CounterFormat)
    return found


def judged(format: CounterFormat, text: str) -> tuple[list[CounterSample], dict[Refusal, int]]:
    scanner, tally = Scanner(names_of(format)), Tally()
    scanner.feed(text.encode())
    return judge_counters(format, POD, scanner.series, 5, tally), tally.counts


def test_engines_are_samples_of_their_own() -> None:
    text = """\
vllm:generation_tokens_total{engine="0",model_name="m"} 10.0
vllm:generation_tokens_total{engine="1",model_name="m"} 2.5
vllm:num_requests_waiting{engine="1",model_name="m"} 3.0
"""
    samples, refused = judged(format_for("VLLM", "tokens"), text)

    assert [(one.series, one.served, one.waiting) for one in samples] == [
        ("engine=0,model_name=m", 10_000_000, None),
        ("engine=1,model_name=m", 2_500_000, 3),
    ]
    assert refused == {}


def test_aborted_requests_are_not_served() -> None:
    text = """\
furiosa_llm_request_success_total{finished_reason="stop",model_name="m"} 7
furiosa_llm_request_success_total{finished_reason="length",model_name="m"} 2
furiosa_llm_request_success_total{finished_reason="abort",model_name="m"} 9
"""
    (sample,), _ = judged(format_for("FuriosaLLM", "requests"), text)

    assert sample.served == 9_000_000


@pytest.mark.parametrize(
    ("runtime", "unit", "text"),
    [
        ("Triton", "images", 'nv_inference_count{model="m",version="1"} 42\n'),
        ("Triton", "requests", 'nv_inference_request_success{model="m",version="1"} 42\n'),
        ("KServe", "requests", 'request_predict_seconds_count{model_name="m"} 42.0\n'),
        ("FuriosaLLM", "tokens", 'furiosa_llm_generation_tokens_total{model_name="m"} 42\n'),
    ],
)
def test_each_runtime_counts_by_its_own_names(runtime: str, unit: str, text: str) -> None:
    (sample,), _ = judged(format_for(runtime, unit), text)

    assert (sample.served, sample.unit, sample.at) == (42_000_000, unit, 5)


def test_a_counter_of_anybodys_own_is_read_by_its_name() -> None:
    format = format_for("Custom", "images", unit="images", served="app_images_total")
    samples, _ = judged(format, 'app_images_total{worker="0"} 1\napp_images_total{worker="1"} 2\n')

    assert [one.served for one in samples] == [1_000_000, 2_000_000]


@pytest.mark.parametrize(
    ("value", "reason"),
    [("-5", Refusal.NEGATIVE), ("NaN", Refusal.NOT_A_NUMBER), ("1e80", Refusal.IMPLAUSIBLE)],
)
def test_an_engine_with_an_impossible_part_has_no_count(value: str, reason: Refusal) -> None:
    text = f"""\
vllm:request_success_total{{engine="0",finished_reason="stop"}} 8
vllm:request_success_total{{engine="0",finished_reason="length"}} {value}
vllm:request_success_total{{engine="1",finished_reason="stop"}} 4
"""
    samples, refused = judged(format_for("VLLM", "requests"), text)

    assert [(one.series, one.served) for one in samples] == [("engine=1", 4_000_000)]
    assert refused == {reason: 1}


def test_equal_series_twice_are_refused() -> None:
    samples, refused = judged(
        format_for("VLLM", "tokens"), 'vllm:generation_tokens_total{engine="0"} 1\n' * 2
    )

    assert samples == []
    assert refused == {Refusal.DUPLICATE_SERIES: 1}


def test_thousands_of_engines_are_refused() -> None:
    text = "".join(f'vllm:generation_tokens_total{{engine="{n}"}} 1\n' for n in range(65))
    samples, refused = judged(format_for("VLLM", "tokens"), text)

    assert samples == []
    assert refused == {Refusal.TOO_MANY_SERIES: 65}


@pytest.mark.parametrize(
    ("counters", "words"),
    [
        (
            ParsedCounters("KServe", 8080, "/metrics"),
            "KServe counts requests, the ModelProfile images",
        ),
        (
            ParsedCounters("VLLM", 8000, "/metrics", unit="tokens"),
            "counts tokens, the ModelProfile images",
        ),
    ],
)
def test_another_unit_than_the_profiles_is_told(counters: ParsedCounters, words: str) -> None:
    found = counter_format(counters, "images")

    assert isinstance(found, Unreadable)
    assert found.reason is Refusal.UNIT_MISMATCH
    assert words in found.message
