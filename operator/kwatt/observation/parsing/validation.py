"""Specs through the pydantic models again: one InvalidInput sentence with field and remedy.

An object may have been stored before a stricter schema, or come from a file that no API server has seen.
"""

from __future__ import annotations

from typing import TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from kwatt.api.v1alpha1.fields import Part
from kwatt.errors import InvalidInput
from kwatt.observation.parsing.reading import Body, read_mapping

Spec = TypeVar("Spec", bound=Part)
_OPENINGS = ("Input should be", "String should", "Dictionary should", "Tuple should", "List should")


def validated(model: type[Spec], body: Body) -> Spec:
    """Validate the body's spec by `model`. Raises InvalidInput."""
    spec = read_mapping(body, "spec")
    if not spec:
        raise InvalidInput("spec", "is missing; write what is wanted")
    try:
        return model.model_validate(spec)
    except ValidationError as error:
        raise invalid_input(error) from error
    except RecursionError as error:
        raise InvalidInput("spec", "is nested too deeply; make it flatter") from error


def invalid_input(error: ValidationError) -> InvalidInput:
    """Make one sentence of what pydantic found, naming the first field and how many more there are."""
    details = error.errors(include_url=False, include_input=False)
    first, more = details[0], len(details) - 1
    suffix = f" (and {more} more to mend)" if more else ""
    return InvalidInput(_path(first["loc"]), _sentence(first) + suffix)


def _path(loc: tuple[int | str, ...]) -> str:
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in loc)
    return "spec" + "".join(steps)


def _sentence(detail: ErrorDetails) -> str:
    if detail["type"] == "missing":
        return "is missing; add it"
    message = detail["msg"].removeprefix("Value error, ")
    for opening in _OPENINGS:
        if message.startswith(opening):
            return "must " + opening.partition("should")[2].strip() + message[len(opening) :]
    return message
