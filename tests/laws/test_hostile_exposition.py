"""Whatever surrounds them, the cards of whole, well-formed lines are read exactly, and nothing else is.

No bytes at all, and no JSON in a Prometheus server's place, do more than to be refused.
"""

from __future__ import annotations

import json
from collections import defaultdict
from contextlib import suppress
from decimal import ROUND_HALF_UP, Decimal

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from kwatt.telemetry.cards import Memory, Place, judge
from kwatt.telemetry.exposition import Scanner
from kwatt.telemetry.queries import results_in
from kwatt.telemetry.refusals import Tally, Unusable
from unit.telemetry.formats import HELD, NODE, POWER, RNGD, rngd

NAMES = st.sampled_from(["a", "b", "c", "d"])
WATTS = st.decimals("5", "360", places=3).map(lambda n: f"{n.normalize():f}")
WRITTEN = st.one_of(WATTS, WATTS.map(lambda text: f"{Decimal(text):e}"))
NASTY = st.text(
    st.characters(codec="utf-8", exclude_characters='\n\\"'), max_size=8
) | st.sampled_from(["}", "} 7", r"\"", r"\n", r"\\", "# ", "{", ","])
CLEAN = st.builds(lambda card, watts, pod: rngd(card, watts, pod=pod), NAMES, WRITTEN, NASTY)
NUMBERS = st.one_of(
    st.sampled_from(["NaN", "+Inf", "-Inf", "-1", "--1", "1e400", "1e999999999", "9" * 5000]),
    st.sampled_from(
        ["141000000", "0", "0.001", "0x10", "1_0", "", "1 2 3", "１２", "14.1.2", "true"]
    ),
)
BROKEN = st.one_of(
    NUMBERS.map(lambda number: rngd("bad", number)),
    st.just(f'{POWER}{{label="rms",uuid="bad" 12\n'),
    st.just(f'{POWER}{{label="rms",uuid="bad}} 12\n'),
    st.just(f'{POWER}{{label="rms",uuid="bad",uuid="bad2"}} 12\n'),
    st.just(f'{POWER}{{label="rms"}} 12\n'),
    st.just(f'{POWER}{{label="peak",uuid="bad"}} 12\n'),
    st.just(f"{POWER} 12\n"),
    st.just(f"{POWER}\n"),
).map(str.encode)
NOISE = st.one_of(
    st.binary(max_size=60).map(lambda raw: b"x" + raw.replace(b"\n", b"") + b"\n"),
    st.just(f'{POWER}_max{{label="rms",uuid="bad"}} 12\n'.encode()),
    st.just(f'# HELP {POWER} {POWER}{{label="rms",uuid="bad"}} 12\n'.encode()),
    st.just(f'{POWER}{{label="rms",uuid="\xff"}} 12\n'.encode("latin-1")),
    st.just(f'{POWER}{{label="rms",uuid="{"x" * 70_000}"}} 12\n'.encode()),
    st.just(b"\n"),
)
LINES = st.lists(st.one_of(CLEAN, BROKEN, NOISE), max_size=30)
TAILS = st.one_of(st.just(b""), CLEAN.map(lambda line: line.encode()[:-1]), BROKEN)


def oracle(lines: list[str]) -> dict[str, int]:
    """Return the milliwatts by card as the reference parser reads the clean lines."""
    cards: defaultdict[str, list[int]] = defaultdict(list)
    for line in lines:
        for family in text_string_to_metric_families(line):
            for sample in family.samples:
                watts = Decimal(repr(sample.value)) * 1000
                cards[sample.labels["uuid"]].append(int(watts.to_integral_value(ROUND_HALF_UP)))
    return {card: max(watts) for card, watts in cards.items()}


@settings(max_examples=1000, deadline=None)
@given(LINES, TAILS, st.integers(16, 5000))
def test_clean_lines_are_read_exactly_and_nothing_else_is(
    lines: list[str | bytes], tail: bytes, piece: int
) -> None:
    body = b"".join(line.encode() if isinstance(line, str) else line for line in lines) + tail
    scanner = Scanner(RNGD.metrics)
    for start in range(0, len(body), piece):
        scanner.feed(body[start : start + piece])

    memory, tally = Memory(), Tally()
    readings = memory.cards.readings(RNGD, scanner.series, tally)
    cards = judge(RNGD, readings, Place(NODE, HELD, 0), memory, tally)

    read = {one.card.card: one.power.milliwatts for one in cards}
    assert read == oracle([line for line in lines if isinstance(line, str)])


PIECES = st.lists(st.sampled_from([POWER.encode(), b"{", b"}", b'"', b"\\", b"=", b",", b" ", b"\n", b"label"])
                  | st.binary(max_size=6), max_size=60).map(b"".join)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(PIECES)
def test_bytes_are_read_or_refused(body: bytes) -> None:
    scanner, memory, tally = Scanner(RNGD.metrics), Memory(), Tally()
    scanner.feed(body)
    readings = memory.cards.readings(RNGD, scanner.series, tally)
    judge(RNGD, readings, Place(NODE, HELD, 0), memory, tally)
    with suppress(Unusable):
        scanner.finish()

    assert all(message.isprintable() for message in tally.messages.values())


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["metric", "value", "resultType", "result", "x"]), inner)
    ),
    max_leaves=12,
)
ANSWERS = st.fixed_dictionaries(
    {"status": st.just("success"), "data": JSON | st.fixed_dictionaries(
        {"resultType": st.sampled_from(["vector", "scalar"]), "result": JSON})}
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(ANSWERS | JSON)
def test_json_is_read_or_refused(answer: object) -> None:
    with suppress(Unusable):
        results_in(json.dumps(answer).encode())
