"""What all fields have in common: camelCase names, quantities without floats, rules for CEL and Python.

A rule is written once: its CEL expression goes into the CRD, its sentence is what both the API server and
Python say. Nothing here knows a kind.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.alias_generators import to_camel, to_snake
from pydantic_core import CoreSchema, core_schema

from kwatt.errors import InvalidInput
from kwatt.units import Ratio, parse_ratio

QUANTITY_LENGTH = 40
MARKER = "x-kubernetes-validations"
Json = dict[str, Any]


class Part(BaseModel):
    """Base of every part of a manifest: immutable, camelCase outside, unknown fields ignored."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore"
    )


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition on a part, in CEL for the API server and as a sentence for everybody."""

    cel: str
    sentence: str

    def require(self, holds: bool) -> None:  # noqa: FBT001  (an assertion reads best with its condition)
        """Raise ValueError with the sentence unless `holds`."""
        if not holds:
            raise ValueError(self.sentence)

    def marker(self) -> Json:
        """Return the entry of x-kubernetes-validations."""
        return {"rule": self.cel, "message": self.sentence}


def ruled(*rules: Rule) -> ConfigDict:
    """Configure a part so that its schema carries `rules`."""
    return ConfigDict(json_schema_extra={MARKER: [rule.marker() for rule in rules]})


@dataclass(frozen=True, slots=True)
class Pattern:
    """A text that matches `regex` as a whole and contains none of `refused`."""

    regex: str
    sentence: str
    refused: tuple[str, ...] = ()

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> Json:
        refusals = (f" && !self.contains('{part}')" for part in self.refused)
        cel = f"self.matches('^({self.regex})$')" + "".join(refusals)
        return {**handler(schema), MARKER: [Rule(cel, self.sentence).marker()]}

    def _checked(self, text: str) -> str:
        fits = re.fullmatch(self.regex, text) and not any(part in text for part in self.refused)
        if not fits:
            raise ValueError(self.sentence)
        return text


@dataclass(frozen=True, slots=True)
class Keyed:
    """An array without two items of equal `keys` (field names as in YAML); without keys, of equal items."""

    keys: tuple[str, ...] = ()

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> Json:
        if not self.keys:
            return {**handler(schema), LIST_TYPE: "set"}
        return {
            **handler(schema),
            LIST_TYPE: "map",
            "x-kubernetes-list-map-keys": list(self.keys),
        }

    def _checked(self, items: tuple[Any, ...]) -> tuple[Any, ...]:
        keys = [self._key(item) for item in items]
        if twice := next((key for index, key in enumerate(keys) if key in keys[:index]), None):
            raise ValueError(f"{' '.join(map(str, twice))} is there twice; keep one")
        return items

    def _key(self, item: Any) -> tuple[Any, ...]:
        return tuple(getattr(item, _attribute(key)) for key in self.keys) or (item,)


_attribute = lru_cache(to_snake)
LIST_TYPE = "x-kubernetes-list-type"
ATOMIC: Json = {LIST_TYPE: "atomic"}


@dataclass(frozen=True, slots=True)
class Range:
    """A Kubernetes quantity from `least` to `most`, kept as written: an integer or a string."""

    least: str
    most: str
    sentence: str

    def __get_pydantic_core_schema__(self, _: Any, __: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._checked)

    def __get_pydantic_json_schema__(self, _: CoreSchema, __: GetJsonSchemaHandler) -> Json:
        return {
            "x-kubernetes-int-or-string": True,
            "maxLength": QUANTITY_LENGTH,
            MARKER: [Rule(self._cel(), self.sentence).marker()],
        }

    def _checked(self, value: object) -> int | str:
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise ValueError(
                f'{self.sentence}; put a number with a decimal point in quotes: "17.24"'
            )
        if not _within(self._exact(value), self.least, self.most):
            raise ValueError(self.sentence)
        return value

    def _exact(self, value: int | str) -> Ratio:
        try:
            return parse_ratio(value, "")
        except InvalidInput as error:
            raise ValueError(self.sentence) from error

    def _cel(self) -> str:
        amount = "quantity(string(self))"
        return (
            f"isQuantity(string(self)) && {amount}.compareTo(quantity('{self.least}')) >= 0 "
            f"&& {amount}.compareTo(quantity('{self.most}')) <= 0"
        )


def _within(value: Ratio, least: str, most: str) -> bool:
    low, high = _bound(least), _bound(most)
    return (
        low.numerator * value.denominator <= value.numerator * low.denominator
        and value.numerator * high.denominator <= high.numerator * value.denominator
    )


@lru_cache
def _bound(text: str) -> Ratio:
    return parse_ratio(text, "bound")


_SUCH_AS = 'write a number such as 600, "17.24" or 9k, without a unit'

Watts = Annotated[int | str, Range("0", "1G", f"must be watts from 0 to 1G; {_SUCH_AS}")]
PositiveWatts = Annotated[
    int | str, Range("1m", "1G", f"must be watts above 0 and at most 1G; {_SUCH_AS}")
]
Rate = Annotated[
    int | str, Range("1u", "1G", f"must be a rate per second above 0 and at most 1G; {_SUCH_AS}")
]
Milliseconds = Annotated[
    int | str, Range("1m", "100M", f"must be milliseconds above 0 and at most 100M; {_SUCH_AS}")
]
Joules = Annotated[
    int | str, Range("1m", "1G", f"must be joules above 0 and at most 1G; {_SUCH_AS}")
]
Bytes = Annotated[
    int | str, Range("1", "1Pi", "must be bytes above 0 and at most 1Pi; write for example 16Gi")
]
"""The types of quantities in specs: what they count and how far they go."""

Decimal = Annotated[str, Field(max_length=QUANTITY_LENGTH)]
"""A quantity in a status: always a string with decimals, so that equal figures are equal text."""

Name = Annotated[str, Field(min_length=1, max_length=253)]
Label = Annotated[str, Field(min_length=1, max_length=63)]
Text = Annotated[str, Field(max_length=1024)]
"""Strings by length: the name of an object, a label's value or short word, a sentence or two."""

Timestamp = Annotated[str, Field(max_length=40, json_schema_extra={"format": "date-time"})]
"""An RFC 3339 time as text."""
