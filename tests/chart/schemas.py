"""JSON schemas for kubeconform, made of what the API server itself publishes and of our CRDs: no network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from e2e.harness import Kubectl

CRDS = Path(__file__).resolve().parents[2] / "crds"
LOCATION = "{{.Group}}_{{.ResourceKind}}_{{.ResourceAPIVersion}}.json"
QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
PREFIX = "#/definitions/"
Schema = dict[str, Any]


def write_schemas(kubectl: Kubectl, folder: Path) -> str:
    """Write a strict schema of every kind into a folder; return where kubeconform finds them."""
    definitions = json.loads(kubectl("get", "--raw", "/openapi/v2"))["definitions"]
    strict = {name: strictly(one) for name, one in definitions.items()}
    strict[QUANTITY] = {"type": ["string", "number"]}  # published as a string, accepted as both
    for name, one in definitions.items():
        for kind in one.get("x-kubernetes-group-version-kind", ()):
            needed = {key: strict[key] for key in reached(name, strict)}
            _write(folder, kind, {"$ref": PREFIX + name, "definitions": needed})
    for path in CRDS.glob("*.yaml"):
        spec = yaml.safe_load(path.read_text())["spec"]
        for version in spec["versions"]:
            kind = {
                "group": spec["group"],
                "version": version["name"],
                "kind": spec["names"]["kind"],
            }
            schema = strictly(version["schema"]["openAPIV3Schema"])
            schema["properties"]["metadata"] = {"type": "object"}
            _write(folder, kind, schema)
    return str(folder / LOCATION)


def strictly(schema: Any) -> Any:
    """Return a schema that lets no key through that it does not list."""
    if isinstance(schema, list):
        return [strictly(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("format") == "int-or-string":
        return {"type": ["string", "integer"]}
    made = {key: strictly(value) for key, value in schema.items()}
    if (
        isinstance(made.get("properties"), dict)
        and "x-kubernetes-preserve-unknown-fields" not in made
    ):
        made.setdefault("additionalProperties", False)
    return made


def reached(name: str, definitions: Mapping[str, Schema]) -> set[str]:
    """Return the definitions that one refers to, itself among them."""
    found, waiting = set(), [name]
    while waiting:
        if (one := waiting.pop()) not in found:
            found.add(one)
            text = json.dumps(definitions[one])
            waiting += [part.split('"')[0] for part in text.split(PREFIX)[1:]]
    return found


def _write(folder: Path, kind: Mapping[str, str], schema: Schema) -> None:
    group = kind["group"] or kind["version"]  # what kubeconform calls the group of core kinds
    name = f"{group}_{kind['kind'].lower()}_{kind['version']}.json"
    (folder / name).write_text(json.dumps(schema))
