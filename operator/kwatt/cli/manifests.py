"""Manifests from files, folders and standard input: YAML with several documents, JSON, and Lists.

YAML is read as kubectl reads it: `17:00` is text and not a number to base 60, a time is text as well.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TextIO, TypeVar

import yaml

from kwatt.cli.lists import pieces_of, read_list
from kwatt.errors import InvalidInput
from kwatt.observation.parsing.reading import Body, Identity, read_identity
from kwatt.observation.parsing.table import API_VERSIONS, NAMESPACED

STDIN = "-"
_SUFFIXES = (".yaml", ".yml", ".json")
_INTEGER = re.compile(
    r"^(?:[-+]?0b[0-1]+|[-+]?0o?[0-7]+|[-+]?(?:0|[1-9][0-9]*)|[-+]?0x[0-9a-fA-F]+)$"
)
_FLOAT = re.compile(
    r"^(?:[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
)
_FastLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml, 8 times as fast


class KubernetesLoader(_FastLoader):  # type: ignore[misc]  # the C loader is chosen at run time
    """A safe loader whose plain scalars are those of Kubernetes."""


def _without(tags: frozenset[str]) -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    resolvers = yaml.SafeLoader.yaml_implicit_resolvers
    return {
        first: [(tag, regex) for tag, regex in pairs if tag not in tags]
        for first, pairs in resolvers.items()
    }


_INT, _REAL = "tag:yaml.org,2002:int", "tag:yaml.org,2002:float"
KubernetesLoader.yaml_implicit_resolvers = _without(
    frozenset({_INT, _REAL, "tag:yaml.org,2002:timestamp"})
)
KubernetesLoader.add_implicit_resolver(_INT, _INTEGER, list("-+0123456789"))
KubernetesLoader.add_implicit_resolver(_REAL, _FLOAT, list("-+0123456789."))


Key = tuple[str, str, str]
Objects = dict[Key, Body]
Made = TypeVar("Made")


def by_key(made: Iterable[tuple[Key, Made] | None]) -> dict[Key, Made]:
    """Keep what was made of each object by its key; of two with one name the later one counts."""
    found: dict[Key, Made] = {}
    for one in made:
        if one is not None:
            (kind, namespace, name), value = one
            found[kind, namespace, name or f"(number {len(found)})"] = value
    return found


def key_of(body: Body) -> Key | None:
    """Return kind, namespace and name; None for an object that no plan is made from.

    The name is "" where it can't be read; parsing says what is wrong with such an object.
    """
    kind = str(body.get("kind"))
    if kind not in API_VERSIONS or not _is_of_group(body, kind):
        return None
    try:
        identity: Identity = read_identity(body, kind, namespaced=kind in NAMESPACED)
    except InvalidInput:
        return kind, "", ""
    return kind, identity.namespace, identity.name


def _is_of_group(body: Body, kind: str) -> bool:
    """Tell KWatt's InferenceService from KServe's; without an apiVersion the kind alone decides."""
    version = body.get("apiVersion")
    return version is None or _group(str(version)) == _group(API_VERSIONS[kind])


def _group(api_version: str) -> str:
    return api_version.partition("/")[0] if "/" in api_version else ""


def read_each(
    sources: Iterable[str], stdin: TextIO, make: Callable[[Body], Made]
) -> Iterator[Made]:
    """Yield what `make` gives for each object in files, folders (with all below them) and `-`, `stdin`.

    Raises InvalidInput. `make` may be called for objects of which nothing is yielded.
    """
    for source in sources:
        if source == STDIN:
            yield from _from_text(_text(stdin.read, "standard input"), "standard input", make)
            continue
        for path in _files(Path(source)):
            yield from _from_file(path, make)


def _from_file(path: Path, make: Callable[[Body], Made]) -> Iterable[Made]:
    if path.is_file():  # a pipe can't be read twice
        with contextlib.suppress(OSError, UnicodeDecodeError), path.open(encoding="utf-8") as file:
            made = read_list(file.read, make)
            if made is not None:
                return made
    text = _text(partial(path.read_text, encoding="utf-8"), str(path))
    return _from_text(text, str(path), make)


def _from_text(text: str, source: str, make: Callable[[Body], Made]) -> Iterable[Made]:
    made = read_list(pieces_of(text), make)
    return map(make, read_documents(text, source)) if made is None else made


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        found = (one for one in path.rglob("*") if one.suffix in _SUFFIXES and one.is_file())
        return sorted(found)
    return [path]


def _text(read: Callable[[], str], source: str) -> str:
    try:
        return read()
    except UnicodeDecodeError as error:
        raise InvalidInput(source, "is not UTF-8 text") from error
    except OSError as error:
        raise InvalidInput(source, (error.strerror or "can't be read").lower()) from error


def read_documents(text: str, source: str) -> Iterator[Body]:
    """Read the objects in one text; `source` names it in errors. Raises InvalidInput."""
    for document in _documents(text, source):
        yield from _unfolded(document, source)


def _documents(text: str, source: str) -> Iterator[object]:
    if text.lstrip()[:1] in ("{", "["):
        try:
            whole = json.loads(text)
        except (ValueError, RecursionError):
            pass  # perhaps YAML in braces; what the YAML reader says names the line
        else:
            yield whole
            return
    try:
        yield from yaml.load_all(text, Loader=KubernetesLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{source}:{mark.line + 1}:{mark.column + 1}" if mark else source
        raise InvalidInput(place, f"is not YAML: {error.problem}") from error
    except (yaml.YAMLError, ValueError, RecursionError, TypeError) as error:
        first = str(error).splitlines()[0] if str(error) else "it is nested too deeply"
        raise InvalidInput(source, f"is not YAML: {first}") from error


def _unfolded(document: object, source: str) -> Iterator[Body]:
    """Yield an object, or those of a List; documents that are no objects are left out."""
    if isinstance(document, list):
        for item in document:
            yield from _unfolded(item, source)
    if not isinstance(document, Mapping):
        return
    kind, items = document.get("kind"), document.get("items")
    if not isinstance(kind, str) or not kind.endswith("List") or not isinstance(items, list):
        yield document
        return
    of = {"kind": kind.removesuffix("List"), "apiVersion": document.get("apiVersion")}
    for item in items:
        if isinstance(item, Mapping):
            yield item if "kind" in item else {**of, **item}
