"""Exact whole numbers from what people write: milliwatts, millionths of a unit, milliseconds.

Joules are counted in microjoules (milliwatts times milliseconds) and work in billionths of a unit (millionths
per second times milliseconds), so that no sum of the kit's own meter is ever rounded.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Final

MILLI: Final = 1_000
MICRO: Final = 1_000_000
NANO: Final = 1_000_000_000

Number = int | float | str | Decimal


class BadInput(Exception):
    """What somebody wrote cannot be used; the message names the field and the remedy."""


def milliwatts(value: Number, field: str) -> int:
    """Return watts as whole milliwatts, rounded to the nearest."""
    return _scaled(value, MILLI, field)


def micro_units(value: Number, field: str) -> int:
    """Return units per second as whole millionths per second, rounded to the nearest."""
    return _scaled(value, MICRO, field)


def milliseconds(value: Number, field: str) -> int:
    """Return seconds as whole milliseconds, rounded to the nearest."""
    return _scaled(value, MILLI, field)


def _scaled(value: Number, scale: int, field: str) -> int:
    try:
        number = Decimal(str(value))
    except InvalidOperation as error:
        raise BadInput(f"{field}: {value!r} is no number; write digits such as 38.67") from error
    if not number.is_finite() or number < 0 or number > 10**15:
        raise BadInput(f"{field}: {value!r} is out of range; write a number from 0 to 1e15")
    return int((number * scale).to_integral_value())
