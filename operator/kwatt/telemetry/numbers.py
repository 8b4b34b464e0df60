"""Numbers as expositions write them, made exact; what is no usable number comes back as a reason."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from kwatt.model.telemetry import Refusal
from kwatt.units import Ratio

_NUMBER = re.compile(rb"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_LONGEST: Final = 64
_LARGEST: Final = 30  # powers of ten; nothing that is counted or drawn comes near


def amount(text: bytes, unit: Ratio) -> int | Refusal:
    """Return `text` times `unit`, to the nearest whole number, a half upwards; or why it can't be used."""
    if len(text) > _LONGEST or _NUMBER.fullmatch(text) is None:
        return Refusal.NOT_A_NUMBER
    number = Decimal(text.decode())
    if number < 0:
        return Refusal.NEGATIVE
    exponent = number.adjusted()
    if exponent > _LARGEST:
        return Refusal.IMPLAUSIBLE
    if exponent < -_LARGEST:
        return 0
    numerator, denominator = number.as_integer_ratio()
    numerator, denominator = numerator * unit.numerator, denominator * unit.denominator
    return (2 * numerator + denominator) // (2 * denominator)


def has_fraction(text: bytes) -> bool:
    """Tell whether a number is written to less than a whole."""
    _, _, decimals = text.partition(b".")
    return bool(decimals.strip(b"0")) and decimals[:1].isdigit()
