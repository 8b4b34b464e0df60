"""`--set`: what if a cap, a rate, a class's watts or the number of nodes were another."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count, islice
from typing import Any, Final

from kwatt import names
from kwatt.cli.manifests import Objects
from kwatt.errors import InvalidInput
from kwatt.model.npu import NpuClass
from kwatt.model.selectors import tolerated
from kwatt.observation.nodes import match_classes
from kwatt.observation.parsing.reading import Body
from kwatt.observation.parsing.table import parse
from kwatt.observation.values import Invalid, ParsedClass, ParsedNode
from kwatt.units import parse_quantity

MOST_NODES = 100_000
_HELP = "write budget/NAME=6kW, service/NAMESPACE/NAME.perSecond=1500, class/NAME.idle=20 or nodes/CLASS=+2"
_COPY = "-added-"


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a spec that can be set, and the unit that may stand behind its value."""

    path: tuple[str, ...]
    unit: str


_SERVICE: Final = {
    "perSecond": Field(("throughput", "perSecond"), "/s"),
    "watts": Field(("power", "watts"), "W"),
    "p99Milliseconds": Field(("latency", "p99Milliseconds"), "ms"),
    "replicas.min": Field(("replicas", "min"), ""),
    "replicas.max": Field(("replicas", "max"), ""),
}
_CLASS: Final = {
    "idle": Field(("watts", "idle"), "W"),
    "max": Field(("watts", "max"), "W"),
    "memory": Field(("memory",), "B"),
}
_CAP: Final = Field(("watts",), "W")


_READ: Final = {
    "budget": ("PowerBudget",),
    "service": ("InferenceService",),
    "class": ("NPUClass",),
    "nodes": ("NPUClass", "Node"),
}


def kinds_of(edits: Iterable[str]) -> frozenset[str]:
    """Return the kinds of the objects that `apply_edits` needs."""
    return frozenset(kind for edit in edits for kind in _READ.get(edit.partition("/")[0], ()))


def apply_edits(objects: Objects, edits: Iterable[str]) -> Objects:
    """Return `objects` with each `TARGET=VALUE` applied in turn. Raises InvalidInput."""
    for edit in edits:
        target, equals, value = edit.partition("=")
        kind, _, name = target.partition("/")
        if not equals or not name or kind not in _EDITORS:
            raise InvalidInput(f"--set {edit}", f"is not known; {_HELP}")
        objects = _EDITORS[kind](objects, name, value.strip(), f"--set {target}")
    return objects


def about_copies(before: Objects, after: Objects) -> list[str]:
    """Say which nodes the edits copied, in the order of their names."""
    added = (name for kind, _, name in after.keys() - before.keys() if kind == "Node")
    copies = Counter(name.rpartition(_COPY)[0] for name in added)
    return [
        f"{number} node{'' if number == 1 else 's'} like {original} added"
        for original, number in sorted(copies.items())
    ]


def _set_budget(objects: Objects, name: str, value: str, place: str) -> Objects:
    """Set the cap that holds, whatever windows say."""
    key = ("PowerBudget", "", name)
    body = _found(objects, key, place)
    spec: Any = body.get("spec")
    spec = {one: spec[one] for one in spec if one != "windows"} if isinstance(spec, Mapping) else {}
    return _checked(objects, key, _with_field({**body, "spec": spec}, _CAP, value, place), place)


def _set_service(objects: Objects, name: str, value: str, place: str) -> Objects:
    whole, _, field = name.partition(".")
    namespace, slash, service = whole.rpartition("/")
    key = ("InferenceService", namespace if slash else "default", service)
    body = _found(objects, key, place)
    if field == "perSecond":  # a fixed rate takes the place of one that follows the demand
        body = _with_value(body, ("spec", "throughput"), {})
    return _checked(
        objects, key, _with_field(body, _field(_SERVICE, field, place), value, place), place
    )


def _set_class(objects: Objects, name: str, value: str, place: str) -> Objects:
    whole, _, field = name.partition(".")
    key = ("NPUClass", "", whole)
    body = _found(objects, key, place)
    return _checked(
        objects, key, _with_field(body, _field(_CLASS, field, place), value, place), place
    )


def _add_nodes(objects: Objects, name: str, value: str, place: str) -> Objects:
    """Add copies of a node of the class that could take pods; they are under the same budgets.

    It is the one behind `@`, or else the one that a nearest change names to a service that may run anywhere.
    """
    number, _, like = value.partition("@")
    if not re.fullmatch(r"\+[0-9]{1,6}", number) or int(number) > MOST_NODES:
        raise InvalidInput(place, f"{value!r} is not a number of nodes to add; write +2 or +2@NODE")
    _found(objects, ("NPUClass", "", name), place)
    original = objects["Node", "", _to_copy(_largest_first(objects, name), like, name, place)]
    copies = islice(_copies(objects, original), int(number))
    return {**objects, **{("Node", "", copy["metadata"]["name"]): copy for copy in copies}}


_EDITORS: Final[Mapping[str, Callable[[Objects, str, str, str], Objects]]] = {
    "budget": _set_budget,
    "service": _set_service,
    "class": _set_class,
    "nodes": _add_nodes,
}


def _found(objects: Objects, key: tuple[str, str, str], place: str) -> Body:
    if key in objects:
        return objects[key]
    kind, namespace, name = key
    there = sorted("/".join(filter(None, one[1:])) for one in objects if one[0] == kind)
    known = f"there are {', '.join(there[:8])}" if there else "there is none at all"
    wanted = "/".join(filter(None, (namespace, name)))
    raise InvalidInput(place, f"there is no {kind} {wanted}; {known}")


def _field(fields: Mapping[str, Field], name: str, place: str) -> Field:
    if name not in fields:
        raise InvalidInput(place, f"{name!r} can't be set; use .{', .'.join(fields)}")
    return fields[name]


def _with_field(body: Body, field: Field, value: str, place: str) -> Body:
    """Return `body` with the field of its spec set; the unit may be left out."""
    amount = value.removesuffix(field.unit).strip() if field.unit else value
    if not field.unit and not re.fullmatch("[0-9]{1,9}", amount):
        raise InvalidInput(place, f"{value!r} is not a whole number")
    parse_quantity(amount, place)
    return _with_value(body, ("spec", *field.path), amount if field.unit else int(amount))


def _with_value(body: Body, path: tuple[str, ...], value: object) -> Body:
    first, *rest = path
    inner: Any = body.get(first)
    inner = inner if isinstance(inner, Mapping) else {}
    return {**body, first: _with_value(inner, tuple(rest), value) if rest else value}


def _checked(objects: Objects, key: tuple[str, str, str], body: Body, place: str) -> Objects:
    parsed = parse(key[0], body)
    if isinstance(parsed, Invalid):
        raise InvalidInput(place, f"{parsed.field} {parsed.message}")
    return {**objects, key: body}


def _to_copy(names_of_class: list[str], like: str, name: str, place: str) -> str:
    if not names_of_class:
        raise InvalidInput(place, f"there is no node of NPUClass {name} to copy; add one with -f")
    if like and like not in names_of_class:
        there = ", ".join(sorted(names_of_class)[:8])
        raise InvalidInput(
            place, f"no node {like} of NPUClass {name} takes new replicas; there are {there}"
        )
    return like or names_of_class[0]


def _largest_first(objects: Objects, name: str) -> list[str]:
    """Return the nodes of a class that take new replicas: those that it tolerates, with the most NPUs."""
    classes, found = _schedulable(objects), []
    for key in (key for key in objects if key[0] == "Node"):
        node = parse("Node", objects[key])
        if not isinstance(node, ParsedNode) or not node.ready or node.unschedulable:
            continue
        match = match_classes(node, classes)
        if match.npu_class is not None and match.npu_class.name == name:
            npus = node.allocatable.get(match.resource or "", 0)
            is_tainted = not tolerated(node.taints, match.npu_class.tolerations)
            found.append((is_tainted, -npus, node.name))
    return [node for _, _, node in sorted(found)]


def _schedulable(objects: Objects) -> dict[str, NpuClass]:
    parsed = (parse(key[0], objects[key]) for key in objects if key[0] == "NPUClass")
    return {
        one.name: one.npu_class for one in parsed if isinstance(one, ParsedClass) and one.npu_class
    }


def _copies(objects: Objects, body: Body) -> Iterator[dict[str, Any]]:
    metadata: Any = body["metadata"]
    for number in count(1):
        name = f"{metadata['name']}{_COPY}{number}"
        if ("Node", "", name) not in objects:
            labels = {**(metadata.get("labels") or {}), names.HOSTNAME_LABEL: name}
            yield {**body, "metadata": {"name": name, "labels": labels}}
