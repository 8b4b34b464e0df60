"""Quantities as types, exact integers inside. No I/O.

Power is milliwatts, Energy millijoules, Throughput millionths of a unit per second, all parsed once from
Kubernetes quantities. Adding Power to Throughput is a type error, for mypy and at run time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, total_ordering
from typing import NamedTuple, Self

from kwatt.errors import InvalidInput

# Suffixes of resource.Quantity as numerator and denominator
# https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
_SUFFIXES = {
    "": (1, 1),
    "n": (1, 10**9),
    "u": (1, 10**6),
    "m": (1, 1000),
    "k": (1000, 1),
    "M": (1000**2, 1),
    "G": (1000**3, 1),
    "T": (1000**4, 1),
    "P": (1000**5, 1),
    "E": (1000**6, 1),
    "Ki": (1024, 1),
    "Mi": (1024**2, 1),
    "Gi": (1024**3, 1),
    "Ti": (1024**4, 1),
    "Pi": (1024**5, 1),
    "Ei": (1024**6, 1),
}
_BYTES = {suffix: _SUFFIXES[suffix][0] for suffix in ("", "Ki", "Mi", "Gi", "Ti", "M", "G", "T")}
_QUANTITY = re.compile(
    r"([+-]?[0-9]{1,24}(?:\.[0-9]{0,24})?|[+-]?\.[0-9]{1,24})([a-zA-Z]{0,2}|[eE][+-]?[0-9]{1,2})",
    re.ASCII,
)
_EXPONENT = re.compile(r"[eE]([+-]?[0-9]{1,2})", re.ASCII)
_LONGEST_INTEGER = 2**80  # beyond this an integer is refused before it is written out as text
_LARGEST = 2**63 - 1  # what resource.Quantity holds


class Ratio(NamedTuple):
    """An exact number, not in lowest terms: numerator over a denominator above 0."""

    numerator: int
    denominator: int


def parse_quantity(value: object, field: str) -> Fraction:
    """Parse a Kubernetes quantity (`600`, `"17.24"`, `500m`, `"16Gi"`) exactly.

    Raises InvalidInput, naming `field`, for anything else, and beyond ±2^63.
    """
    return Fraction(*parse_ratio(value, field))


def parse_ratio(value: object, field: str) -> Ratio:
    """Parse a quantity as `parse_quantity` does, where a fraction would cost more than it is worth."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise InvalidInput(
            field, f"{value!r} is not a quantity; write a number such as 600 or 500m"
        )
    if isinstance(value, int) and abs(value) > _LONGEST_INTEGER:
        raise InvalidInput(field, "the number is too large; the limit is 2^63-1")
    text = str(value).strip()
    ratio = _ratio(text)
    if ratio is None:
        raise InvalidInput(field, _problem(text))
    if abs(ratio.numerator) > _LARGEST * ratio.denominator:
        raise InvalidInput(field, f"{str(value)[:40]!r} is too large; the limit is 2^63-1")
    return ratio


# a cluster writes few distinct quantities, each on many objects
@lru_cache(maxsize=32768)
def _ratio(text: str) -> Ratio | None:
    """Return what `text` says, None if it is no quantity."""
    match = _QUANTITY.fullmatch(text)
    factor = _factor(match[2]) if match else None
    if match is None or factor is None:
        return None
    whole, _, decimals = match[1].partition(".")
    return Ratio(int(whole + decimals) * factor[0], 10 ** len(decimals) * factor[1])


def _factor(suffix: str) -> tuple[int, int] | None:
    exponent = _EXPONENT.fullmatch(suffix)
    if exponent is None:
        return _SUFFIXES.get(suffix)
    tens = int(exponent[1])
    return (10**tens, 1) if tens >= 0 else (1, 10**-tens)


def _problem(text: str) -> str:
    match = _QUANTITY.fullmatch(text)
    if match is None:
        return f"{text[:40]!r} is not a quantity; write a number such as 600 or 500m"
    return f"unknown suffix {match[2]!r}; use n, u, m, k, M, G, T, Ki, Mi, Gi or Ti"


def parse_scaled(value: object, scale: int, field: str) -> int:
    """Parse a quantity in units of 1/`scale`, rounded to the nearest, a half upwards. Raises InvalidInput."""
    numerator, denominator = parse_ratio(value, field)
    return (2 * numerator * scale + denominator) // (2 * denominator)


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
        return cls(parse_scaled(value, 1000, field))

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
        return cls(parse_scaled(value, 10**6, field))

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


@total_ordering
@dataclass(frozen=True, slots=True)
class Energy:
    """Energy as a whole number of millijoules."""

    millijoules: int

    @classmethod
    def parse(cls, value: object, field: str = "joules") -> Self:
        """Parse a quantity in joules, rounded to the nearest millijoule. Raises InvalidInput."""
        return cls(parse_scaled(value, 1000, field))

    @classmethod
    def of(cls, power: Power, seconds: int) -> Self:
        """Make the Energy of a power over whole seconds."""
        return cls(power.milliwatts * seconds)

    def __add__(self, other: Energy) -> Energy:
        return (
            Energy(self.millijoules + other.millijoules)
            if isinstance(other, Energy)
            else NotImplemented
        )

    def __mul__(self, count: int) -> Energy:
        return Energy(self.millijoules * count)

    def __lt__(self, other: Energy) -> bool:
        return self.millijoules < other.millijoules if isinstance(other, Energy) else NotImplemented

    def __str__(self) -> str:
        return f"{plain(self.millijoules, 1000)} J"


def plain(amount: int, scale: int) -> str:
    """Render amount/scale as a decimal number without trailing zeros ('41.2', '600', '0.0006')."""
    sign, amount = ("-", -amount) if amount < 0 else ("", amount)
    whole, rest = divmod(amount, scale)
    digits = len(str(scale)) - 1
    fraction = f"{rest:0{digits}d}".rstrip("0")
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"


def quantity(resource: str, amount: int) -> str:
    """Write an amount as Kubernetes does, exactly: cpu in millicores ('5', '500m'), memory in bytes ('2Gi').

    Everything else is counted in ones.
    """
    if resource == "cpu":
        return f"{amount}m" if amount % 1000 else str(amount // 1000)
    if resource != "memory":
        return str(amount)
    whole = [(amount // size, suffix) for suffix, size in _BYTES.items() if amount % size == 0]
    number, suffix = min(whole, key=lambda one: abs(one[0]))
    return f"{number}{suffix}"


NO_POWER = Power(0)
NO_ENERGY = Energy(0)
NO_THROUGHPUT = Throughput(0)
