"""Amounts of a resource as people read them; inside, cpu is counted in millicores and all else in ones."""

from __future__ import annotations

from typing import Final

from kwatt.names import WATTS
from kwatt.units import plain, quantity

_UNITS: Final = {WATTS: "W", "cpu": "cores", "memory": "bytes", "pods": "pods"}


def unit_of(resource: str) -> str:
    """Return the unit of `figure_of`."""
    return _UNITS.get(resource, "NPUs")


def figure_of(resource: str, amount: int) -> float | int:
    """Return an amount in its unit, for programs."""
    return amount / 1000 if resource == "cpu" else amount


def number_of(resource: str, amount: int) -> str:
    """Write an amount where its resource was named before: '1.5', '4Gi', '10'."""
    return plain(amount, 1000) if resource == "cpu" else quantity(resource, amount)


def told(resource: str, amount: int) -> str:
    """Write an amount with its resource: '1.5 cores of cpu', '4Gi of memory', '5 pods'."""
    number, unit = number_of(resource, amount), unit_of(resource)
    if unit == resource:
        return f"{number} {unit}"
    return f"{number} of {resource}" if resource == "memory" else f"{number} {unit} of {resource}"
