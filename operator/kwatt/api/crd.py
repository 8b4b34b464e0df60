"""CustomResourceDefinitions from the models: one structural schema per kind, without I/O.

Pydantic gives JSON schema with references, titles and null types; Kubernetes wants a tree with none of
them. Rules, list types and descriptions travel in the models' own schemas.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from kwatt.api.kinds import Column, Kind
from kwatt.names import GROUP, VERSION

Json = dict[str, Any]

_DROPPED: Final = ("title", "$defs", "additionalProperties")
_METADATA: Final[Json] = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 253}},
}
_OWN: Final = ("spec", "status")


def crd(kind: Kind) -> Json:
    """Return the CustomResourceDefinition of `kind`."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "names": _names(kind),
            "versions": [_version(kind)],
        },
    }


def _names(kind: Kind) -> Json:
    return {
        "kind": kind.name,
        "listKind": f"{kind.name}List",
        "plural": kind.plural,
        "singular": kind.name.lower(),
        "shortNames": [kind.short],
        "categories": ["kwatt"],
    }


def _version(kind: Kind) -> Json:
    return {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [_column(column) for column in kind.columns],
        "schema": {"openAPIV3Schema": _root(kind.model.model_json_schema())},
    }


def _column(column: Column) -> Json:
    wide = {"priority": 1} if column.wide else {}
    return {"name": column.name, "type": column.type, "jsonPath": column.path, **wide}


def _root(schema: Json) -> Json:
    definitions = schema["$defs"]
    own = {name: _structural(schema["properties"][name], definitions) for name in _OWN}
    properties = {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": _METADATA,
        **own,
    }
    return {**_structural(schema, definitions), "required": ["spec"], "properties": properties}


def _structural(schema: Mapping[str, Any], definitions: Mapping[str, Json]) -> Json:
    """Return `schema` without references, titles, nulls and defaults that say nothing."""
    flat = _flattened(schema, definitions)
    result = {key: value for key, value in flat.items() if key not in _DROPPED}
    if "properties" in flat:
        result["properties"] = {
            name: _structural(child, definitions) for name, child in flat["properties"].items()
        }
    if "items" in flat:
        result["items"] = _structural(flat["items"], definitions)
    if isinstance(values := flat.get("additionalProperties"), dict):
        result["additionalProperties"] = _structural(values, definitions)
    default = _meant(result.pop("default", None))
    return result if default is None else {**result, "default": default}


def _flattened(schema: Mapping[str, Any], definitions: Mapping[str, Json]) -> Json:
    """Merge the target of a reference, and the one type beside null, into the schema itself."""
    rest = {key: value for key, value in schema.items() if key not in ("$ref", "anyOf")}
    if "$ref" in schema:
        return {**_flattened(definitions[_target(schema["$ref"])], definitions), **rest}
    if "anyOf" in schema:
        (kept,) = (option for option in schema["anyOf"] if option.get("type") != "null")
        return {**_flattened(kept, definitions), **rest}
    return rest


def _meant(default: Any) -> Any:
    """Return a default as the API server should fill it in; None where it says nothing."""
    if isinstance(default, dict):
        default = {key: value for key, value in default.items() if value is not None}
    return default if default not in ([], {}, "") else None


def _target(reference: str) -> str:
    return reference.removeprefix("#/$defs/")
