"""From a manifest as the API server or a file gives it to a model, or to a sentence about its field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from kwatt.api.kinds import AnyKind
from kwatt.api.v1alpha1.inference_service import InferenceService
from kwatt.api.v1alpha1.model_profile import ModelProfile
from kwatt.api.v1alpha1.npu_class import NPUClass
from kwatt.api.v1alpha1.power_budget import PowerBudget
from kwatt.errors import InvalidInput
from kwatt.names import API_VERSION

_MODELS: Final[Mapping[str, type[AnyKind]]] = {
    model.__name__: model for model in (InferenceService, NPUClass, ModelProfile, PowerBudget)
}


def parse(manifest: Mapping[str, Any]) -> AnyKind:
    """Return the model of a manifest of one of the four kinds.

    Raises InvalidInput, which names the first field that is wrong. A status that does not fit is left
    out rather than refused: an older operator wrote it, and its owner can't mend it.
    """
    model = _MODELS.get(str(manifest.get("kind")))
    if model is None or manifest.get("apiVersion") != API_VERSION:
        raise InvalidInput("kind", f"must be {', '.join(_MODELS)} of {API_VERSION}")
    try:
        return model.model_validate(manifest)
    except ValidationError as error:
        if all(entry["loc"][:1] == ("status",) for entry in error.errors()):
            return model.model_validate({**manifest, "status": None})
        raise _invalid(error.errors()) from error


def _invalid(errors: Sequence[ErrorDetails]) -> InvalidInput:
    first = next(entry for entry in errors if entry["loc"][:1] != ("status",))
    return InvalidInput(_path(first["loc"]), first["msg"].removeprefix("Value error, "))


def _path(location: tuple[int | str, ...]) -> str:
    """Write a location as kubectl does: spec.points[1].watts."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return "".join(parts).removeprefix(".")
