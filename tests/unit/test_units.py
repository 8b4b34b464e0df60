"""Quantities are parsed exactly once, and power is no throughput."""

from __future__ import annotations

import contextlib
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwatt.errors import InvalidInput
from kwatt.units import Energy, Power, Throughput, parse_quantity, quantity


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (600, Fraction(600)),
        ("17.24", Fraction(1724, 100)),
        ("500m", Fraction(1, 2)),
        ("16Gi", Fraction(16 * 1024**3)),
        ("9k", Fraction(9000)),
        ("1e3", Fraction(1000)),
        ("2E-2", Fraction(2, 100)),
        ("1E", Fraction(10**18)),
        ("1Ei", Fraction(2**60)),
        ("-3", Fraction(-3)),
        (".5", Fraction(1, 2)),
    ],
)
def test_a_quantity_is_exact(text: object, value: Fraction) -> None:
    assert parse_quantity(text, "f") == value


@pytest.mark.parametrize(
    "bad",
    ["NaN", "inf", "600W", "", "1 0", "9" * 30, "1Ek", "0EA", "1e99", True, None, "١٢"],
)
def test_anything_else_is_refused_with_the_field(bad: object) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_quantity(bad, "spec.watts")

    assert refused.value.field == "spec.watts"


def test_an_integer_too_long_to_be_written_out_is_refused() -> None:
    with pytest.raises(InvalidInput, match="too large"):
        parse_quantity(10**5000, "spec.watts")


@given(st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.binary()))
def test_parsing_raises_nothing_but_invalid_input(junk: object) -> None:
    with contextlib.suppress(InvalidInput):
        assert isinstance(parse_quantity(junk, "f"), Fraction)


@pytest.mark.parametrize(
    ("resource", "amount", "text"),
    [
        ("cpu", 5000, "5"),
        ("cpu", 500, "500m"),
        ("cpu", 0, "0"),
        ("memory", 2 * 1024**3, "2Gi"),
        ("memory", 1536 * 1024**2, "1536Mi"),
        ("memory", 3 * 10**9, "3G"),
        ("memory", 4294967297, "4294967297"),
        ("memory", 0, "0"),
        ("pods", 1024, "1024"),
        ("kwatt.dev/watts", 10, "10"),
    ],
)
def test_an_amount_is_written_as_kubernetes_writes_it(
    resource: str, amount: int, text: str
) -> None:
    assert quantity(resource, amount) == text


@given(st.sampled_from(["cpu", "memory", "pods"]), st.integers(0, 2**50))
def test_what_is_written_reads_as_the_same_amount(resource: str, amount: int) -> None:
    scale = 1000 if resource == "cpu" else 1

    assert parse_quantity(quantity(resource, amount), "f") * scale == amount


def test_adding_power_to_throughput_is_a_type_error() -> None:
    with pytest.raises(TypeError):
        Power(1) + Throughput(1)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("power", "text"), [(Power(41200), "41.2 W"), (Power(-500), "-0.5 W"), (Power(600000), "600 W")]
)
def test_power_prints_without_trailing_zeros(power: Power, text: str) -> None:
    assert str(power) == text


@pytest.mark.parametrize(("text", "milliwatts"), [("0.0005", 1), ("0.00049", 0), ("17.24", 17240)])
def test_watts_are_rounded_to_the_nearest_milliwatt(text: str, milliwatts: int) -> None:
    assert Power.parse(text).milliwatts == milliwatts


def test_a_millionth_of_a_unit_per_second_is_kept() -> None:
    assert Throughput.parse("0.0006").micros == 600


def test_energy_is_power_over_time_and_nothing_else() -> None:
    assert Energy.of(Power.parse("12.5"), 60) == Energy.parse(750)
    assert str(Energy.parse("1.5k") + Energy(500) * 3) == "1501.5 J"
    assert Energy(1) < Energy(2)
    with pytest.raises(TypeError):
        Energy(1) + Power(1)
