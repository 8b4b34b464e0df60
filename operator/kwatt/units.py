"""Quantities as types, exact integers inside. No I/O.

Power is milliwatts, Throughput millionths of a unit per second, both parsed once from Kubernetes
quantities. Adding Power to Throughput is a type error, for mypy and at run time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import total_ordering
from typing import Self

from kwatt.errors import InvalidInput

# Suffixes of resource.Quantity, https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
_SUFFIXES = {
    "": Fraction(1),
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 1000),
    "k": Fraction(1000),
    "M": Fraction(1000**2),
    "G": Fraction(1000**3),
    "T": Fraction(1000**4),
    "P": Fraction(1000**5),
    "E": Fraction(1000**6),
    "Ki": Fraction(1024),
    "Mi": Fraction(1024**2),
    "Gi": Fraction(1024**3),
    "Ti": Fraction(1024**4),
    "Pi": Fraction(1024**5),
    "Ei": Fraction(1024**6),
}
_QUANTITY = re.compile(
    r"([+-]?[0-9]{1,24}(?:\.[0-9]{0,24})?|[+-]?\.[0-9]{1,24})([a-zA-Z]{0,2}|[eE][+-]?[0-9]{1,2})",
    re.ASCII,
)
_EXPONENT = re.compile(r"[eE]([+-]?[0-9]{1,2})", re.ASCII)
_LONGEST_INTEGER = 2**80  # beyond this an integer is refused before it is written out as text
_LARGEST = Fraction(2**63 - 1)  # what resource.Quantity holds


def parse_quantity(value: object, field: str) -> Fraction:
    """Parse a Kubernetes quantity (`600`, `"17.24"`, `500m`, `"16Gi"`) exactly.

    Raises InvalidInput, naming `field`, for anything else, and beyond ±2^63.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise InvalidInput(
            field, f"{value!r} is not a quantity; write a number such as 600 or 500m"
        )
    if isinstance(value, int) and abs(value) > _LONGEST_INTEGER:
        raise InvalidInput(field, "the number is too large; the limit is 2^63-1")
    text = str(value).strip()
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise InvalidInput(
            field, f"{text[:40]!r} is not a quantity; write a number such as 600 or 500m"
        )
    number, suffix = match.groups()
    exponent = _EXPONENT.fullmatch(suffix)
    if exponent:
        factor = Fraction(10) ** int(exponent[1])
    elif suffix in _SUFFIXES:
        factor = _SUFFIXES[suffix]
    else:
        raise InvalidInput(
            field, f"unknown suffix {suffix!r}; use n, u, m, k, M, G, T, Ki, Mi, Gi or Ti"
        )
    exact = Fraction(number) * factor
    if abs(exact) > _LARGEST:
        raise InvalidInput(field, f"{str(value)[:40]!r} is too large; the limit is 2^63-1")
    return exact


def nearest(value: Fraction) -> int:
    """Round to the nearest integer, a half upwards."""
    return (2 * value.numerator + value.denominator) // (2 * value.denominator)


def ceiling(numerator: int, denominator: int) -> int:
    """Return numerator / denominator rounded up; denominator > 0."""
    return -(-numerator // denominator)


@total_ordering
@dataclass(frozen=True, slots=True)
class Power:
    """Electrical power as a whole number of milliwatts."""

    milliwatts: int

    @classmethod
    def parse(cls, value: object, field: str = "watts") -> Self:
        """Parse a quantity in watts, rounded to the nearest milliwatt. Raises InvalidInput."""
        return cls(nearest(parse_quantity(value, field) * 1000))

    @classmethod
    def of_watts(cls, watts: int) -> Self:
        """Make a Power of whole watts."""
        return cls(watts * 1000)

    @property
    def watts(self) -> float:
        """Watts for printing and JSON; exact to the milliwatt."""
        return self.milliwatts / 1000

    def __add__(self, other: Power) -> Power:
        return (
            Power(self.milliwatts + other.milliwatts)
            if isinstance(other, Power)
            else NotImplemented
        )

    def __sub__(self, other: Power) -> Power:
        return (
            Power(self.milliwatts - other.milliwatts)
            if isinstance(other, Power)
            else NotImplemented
        )

    def __mul__(self, count: int) -> Power:
        return Power(self.milliwatts * count)

    def __lt__(self, other: Power) -> bool:
        return self.milliwatts < other.milliwatts if isinstance(other, Power) else NotImplemented

    def __str__(self) -> str:
        return f"{plain(self.milliwatts, 1000)} W"


@total_ordering
@dataclass(frozen=True, slots=True)
class Throughput:
    """A rate as a whole number of millionths of a unit (image, token, request) per second."""

    micros: int

    @classmethod
    def parse(cls, value: object, field: str = "perSecond") -> Self:
        """Parse a quantity in units per second, to the nearest millionth. Raises InvalidInput."""
        return cls(nearest(parse_quantity(value, field) * 10**6))

    @property
    def per_second(self) -> float:
        """Units per second for printing and JSON."""
        return self.micros / 10**6

    def __add__(self, other: Throughput) -> Throughput:
        return (
            Throughput(self.micros + other.micros)
            if isinstance(other, Throughput)
            else NotImplemented
        )

    def __sub__(self, other: Throughput) -> Throughput:
        return (
            Throughput(self.micros - other.micros)
            if isinstance(other, Throughput)
            else NotImplemented
        )

    def __mul__(self, count: int) -> Throughput:
        return Throughput(self.micros * count)

    def __lt__(self, other: Throughput) -> bool:
        return self.micros < other.micros if isinstance(other, Throughput) else NotImplemented

    def __str__(self) -> str:
        return f"{plain(self.micros, 10**6)}/s"


def plain(amount: int, scale: int) -> str:
    """Render amount/scale as a decimal number without trailing zeros ('41.2', '600', '0.0006')."""
    sign, amount = ("-", -amount) if amount < 0 else ("", amount)
    whole, rest = divmod(amount, scale)
    digits = len(str(scale)) - 1
    fraction = f"{rest:0{digits}d}".rstrip("0")
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"


NO_POWER = Power(0)
NO_THROUGHPUT = Throughput(0)
