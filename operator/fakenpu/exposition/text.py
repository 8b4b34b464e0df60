"""The Prometheus text format (version 0.0.4), as the Go and the Python client libraries write it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Final, NamedTuple


class Sample(NamedTuple):
    """One series: labels in the order in which they are written, and a value; `suffix` as in `_sum`."""

    labels: Mapping[str, str]
    value: float | int
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Family:
    """A metric and its series."""

    name: str
    kind: str
    help: str
    samples: tuple[Sample, ...]


class Hand(NamedTuple):
    """How somebody writes: numbers as Go or as Python do, whole ones in full, a timestamp on each line."""

    python: bool = False
    whole_in_full: bool = False
    timestamp: int | None = None


GO: Final = Hand()


def render(families: Iterable[Family], hand: Hand = GO) -> str:
    """Return the exposition of `families`, in their order; a family without series is left out."""
    lines: list[str] = []
    for family in families:
        if not family.samples:
            continue
        lines += (f"# HELP {family.name} {family.help}", f"# TYPE {family.name} {family.kind}")
        lines += (_line(family.name, sample, hand) for sample in family.samples)
    return "\n".join([*lines, ""])


def by_label_name(labels: Mapping[str, str]) -> dict[str, str]:
    """Return labels in the order in which both client libraries write them."""
    return dict(sorted(labels.items()))


@lru_cache(maxsize=65_536)
def go_number(value: float) -> str:
    """Return a number as Go's client library does: strconv.FormatFloat(value, 'g', -1, 64).

    The shortest digits that read back the same, with an exponent below 1e-4 and from a million on.
    """
    special = _special(value)
    if special is not None:
        return special
    sign, digits, exponent = _decimal(value)
    if digits == "0":
        return "0"
    if exponent < -4 or exponent >= 6:
        fraction = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{sign}{digits[0]}{fraction}e{exponent:+03d}"
    return sign + _plain(digits, exponent)


def python_number(value: float) -> str:
    """Return a number as prometheus_client does: 63.0, and 1.234567e+06 from a million on."""
    special = _special(value)
    if special is not None:
        return special
    text = repr(float(value))
    whole = text.partition(".")[0]
    if value > 0 and "e" not in text and len(whole) > 6:
        digits = text.replace(".", "").rstrip("0")
        return f"{whole[0]}.{digits[1:]}e+{len(whole) - 1:02d}"
    return text


def _special(value: float) -> str | None:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return None


def _decimal(value: float) -> tuple[str, str, int]:
    """Return sign, shortest significant digits and the exponent of the first."""
    parts = Decimal(repr(float(value))).normalize().as_tuple()
    digits = "".join(map(str, parts.digits))
    return "-" if parts.sign else "", digits, len(digits) - 1 + int(parts.exponent)


def _plain(digits: str, exponent: int) -> str:
    if exponent < 0:
        return "0." + "0" * (-exponent - 1) + digits
    if exponent + 1 >= len(digits):
        return digits + "0" * (exponent + 1 - len(digits))
    return f"{digits[: exponent + 1]}.{digits[exponent + 1 :]}"


def _line(name: str, sample: Sample, hand: Hand) -> str:
    braces = _braces(tuple(sample.labels.items()))
    number = _number(sample.value, hand)
    stamp = "" if hand.timestamp is None else f" {hand.timestamp}"
    return f"{name}{sample.suffix}{braces} {number}{stamp}"


@lru_cache(maxsize=65_536)  # the same labels are written again and again
def _braces(labels: tuple[tuple[str, str], ...]) -> str:
    text = ",".join(f'{key}="{_escaped(value)}"' for key, value in labels)
    return f"{{{text}}}" if text else ""


def _number(value: float, hand: Hand) -> str:
    if hand.whole_in_full and isinstance(value, int):
        return str(value)
    return python_number(value) if hand.python else go_number(value)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
