"""What statuses say, read as they are: whatever is absent or can't be read is None. Pure.

Statuses come from any version of the operator, so nothing here refuses one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from kwatt.cli.text import Style, figure
from kwatt.errors import InvalidInput
from kwatt.model.keys import ServiceKey
from kwatt.units import parse_quantity

_STEPS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


class Fields:
    """A part of an object, asked for by paths."""

    def __init__(self, body: object) -> None:
        self._body: Mapping[str, Any] = body if isinstance(body, Mapping) else {}

    def __bool__(self) -> bool:
        return bool(self._body)

    def part(self, *path: str) -> Fields:
        """Return the part below, empty where there is none."""
        found: object = self._body
        for name in path:
            found = found.get(name) if isinstance(found, Mapping) else None
        return Fields(found)

    def parts(self, name: str) -> Iterator[Fields]:
        """Yield the parts of a list."""
        found = self._body.get(name)
        yield from (
            (Fields(one) for one in found if isinstance(one, Mapping))
            if isinstance(found, list)
            else ()
        )

    def text(self, name: str) -> str:
        """Return a text, or a number as text; "" where there is none."""
        found = self._body.get(name)
        return str(found) if isinstance(found, str | int) and not isinstance(found, bool) else ""

    def texts(self, name: str) -> list[str]:
        """Return a list of texts."""
        found = self._body.get(name)
        return [str(one) for one in found] if isinstance(found, list) else []

    def true(self, name: str) -> bool:
        """Tell whether a switch is on."""
        return self._body.get(name) is True

    def number(self, name: str) -> Fraction | None:
        """Return a quantity."""
        try:
            return parse_quantity(self._body.get(name), name)
        except InvalidInput:
            return None

    def time(self, name: str) -> datetime | None:
        """Return a time in UTC."""
        try:
            found = datetime.fromisoformat(self.text(name))
        except ValueError:
            return None
        return found if found.tzinfo else found.replace(tzinfo=UTC)

    def condition(self, type_: str) -> Fields:
        """Return the condition of that type, empty where there is none."""
        return next(
            (one for one in self.parts("conditions") if one.text("type") == type_), Fields({})
        )


def key_of(service: Fields) -> ServiceKey:
    """Return the name of an InferenceService."""
    metadata = service.part("metadata")
    return ServiceKey(metadata.text("namespace"), metadata.text("name"))


def amount(value: Fraction | None, style: Style) -> str:
    """Write a figure, a dash where it is not known."""
    if value is None:
        return style.sign("–", "-")
    return figure(value.numerator, value.denominator)


def joules(value: Fraction | None, style: Style) -> str:
    """Write an energy in J, kJ, MJ or GJ."""
    for scale, unit in ((10**9, "GJ"), (10**6, "MJ"), (10**3, "kJ")):
        if value is not None and value >= scale:
            return f"{amount(value / scale, style)} {unit}"
    return amount(value, style) + (" J" if value is not None else "")


def age(since: datetime | None, now: datetime) -> str | None:
    """Return how long ago that was, in one unit; None where it is not known."""
    if since is None:
        return None
    seconds = max(0, int((now - since).total_seconds()))
    size, unit = next(step for step in _STEPS if seconds >= step[0] or step[0] == 1)
    return f"{seconds // size} {unit}"


def milli(value: Fraction | None) -> int:
    """Return thousandths for a bar; what is not known has no length."""
    return 0 if value is None else round(value * 1000)
