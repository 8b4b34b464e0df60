"""Pod templates of InferenceServices: what KWatt refuses in them, and what differs on one NPU class.

NPUs and watts go to the first container of the template.
"""

from __future__ import annotations

import json

from pydantic_core import to_json

from kwatt import names
from kwatt.errors import InvalidInput
from kwatt.model.snapshot import PodShape
from kwatt.observation.parsing.demands import REQUIRED, shape_of
from kwatt.observation.parsing.reading import (
    Body,
    read_integer,
    read_items,
    read_mapping,
    read_text,
)

LARGEST_BYTES = 256 * 1024
_UNTIL = "is not read by the planner yet"


def checked_shape(template: Body, path: str) -> PodShape:
    """Read the shape of the pods that `template` makes. Raises InvalidInput for what can't be planned."""
    spec = read_mapping(template, "spec", f"{path}.")
    path = f"{path}.spec."
    if not read_items(spec, "containers", path):
        raise InvalidInput(path + "containers", "is empty; add the container that serves the model")
    if read_text(spec, "nodeName", path):
        raise InvalidInput(path + "nodeName", "must not be set; KWatt chooses the node")
    if read_items(spec, "schedulingGates", path):
        raise InvalidInput(path + "schedulingGates", "must not be set; KWatt adds its own gate")
    _refuse_affinity(spec, path)
    metadata = read_mapping(template, "metadata", path.removesuffix("spec."))
    for key in ("labels", "annotations"):
        read_mapping(metadata, key, f"{path.removesuffix('spec.')}metadata.")
    read_items(spec, "tolerations", path)
    for container in _containers(spec, path):
        _check_container(container, f"{path}containers.")
        if names.WATTS in _asked_by(container, path):
            raise InvalidInput(
                path + "containers",
                f"{_name(container)} asks for {names.WATTS}; remove it, KWatt sets it",
            )
    return shape_of(spec, path)


def _check_container(container: Body, path: str) -> None:
    """Refuse what no Service and no Deployment could be built from."""
    read_text(container, "name", path)  # the API server says it when there is none
    read_items(container, "env", path)
    for port in read_items(container, "ports", path):
        read_integer(port, "containerPort", f"{path}ports.")


def asked_resources(template: Body, path: str) -> dict[str, str]:
    """Map the extended resources that a template asks for to a sentence's subject: who asks where."""
    spec = read_mapping(template, "spec", f"{path}.")
    return {
        resource: f"{_name(container)} in {path}"
        for container in _containers(spec, f"{path}.spec.")
        for resource in sorted(_asked_by(container, f"{path}.spec.containers."))
        if "/" in resource
    }


def refuse_large(template: object, path: str) -> None:
    """Refuse a template whose JSON is over 256 KiB, or that can't be written as JSON at all."""
    if _is_surely_small(template):
        return
    try:
        size = len(json.dumps(template, default=str).encode())
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidInput(path, "can't be written as JSON; remove what repeats itself") from error
    if size > LARGEST_BYTES:
        raise InvalidInput(
            path,
            f"is {size // 1024} KiB of JSON, the limit is {LARGEST_BYTES // 1024} KiB; "
            "move large content to a ConfigMap or a volume",
        )


def _is_surely_small(template: object) -> bool:
    """Tell by compact JSON in UTF-8, which is written faster and has at least a sixth of the bytes."""
    try:
        return len(to_json(template)) <= LARGEST_BYTES // 6
    except (ValueError, TypeError, RecursionError):
        return False


def _refuse_affinity(spec: Body, path: str) -> None:
    affinity = read_mapping(spec, "affinity", path)
    for kind in ("podAffinity", "podAntiAffinity"):
        if read_mapping(affinity, kind, f"{path}affinity.").get(REQUIRED):
            raise InvalidInput(
                f"{path}affinity.{kind}.{REQUIRED}", f"{_UNTIL}; remove it or make it preferred"
            )
    for constraint in read_items(spec, "topologySpreadConstraints", path):
        if constraint.get("whenUnsatisfiable", "DoNotSchedule") != "ScheduleAnyway":
            raise InvalidInput(
                f"{path}topologySpreadConstraints", f"{_UNTIL}; remove it or write ScheduleAnyway"
            )


def _containers(spec: Body, path: str) -> list[Body]:
    return [*read_items(spec, "containers", path), *read_items(spec, "initContainers", path)]


def _asked_by(container: Body, path: str) -> set[str]:
    resources = read_mapping(container, "resources", path)
    return {
        str(name)
        for key in ("requests", "limits")
        for name in read_mapping(resources, key, f"{path}resources.")
    }


def _name(container: Body) -> str:
    return f"container {container.get('name', '')!r}"
