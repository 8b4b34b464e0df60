"""A JSON List read item by item: of a file larger than memory only one object at a time is there."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeVar

from kwatt.observation.parsing.reading import Body

Made = TypeVar("Made")
Read = Callable[[int], str]
_CHUNK: Final = 2**20
_SPACE: Final = re.compile(r"[ \t\n\r]*")
_decode: Final = json.JSONDecoder().raw_decode


class _NoListError(Exception):
    """The text is no List of objects that say what they are, or no JSON at all."""


def read_list(read: Read, make: Callable[[Body], Made]) -> list[Made] | None:
    """Return what `make` gives for each object in the JSON List that `read` delivers in pieces.

    None where the text is anything else, whatever that is; `make` may have been called before that is known.
    """
    try:
        return _read_list(_Text(read), make)
    except (_NoListError, RecursionError):
        return None


def pieces_of(text: str) -> Read:
    """Return a reader of a text that is in memory already."""
    end = 0

    def read(size: int) -> str:
        nonlocal end
        begin, end = end, end + size
        return text[begin:end]

    return read


class _Text:
    """A text that is read when it is needed and forgotten once it was decoded."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._text = ""
        self._at = 0
        self._length = 0

    def next(self) -> str:
        """Return the next character that is not white space, "" at the end."""
        while True:
            if self._at < len(self._text):
                character = self._text[self._at]
                if character not in " \t\n\r":
                    return character
                match = _SPACE.match(self._text, self._at)
                self._at = match.end() if match else self._at
            elif not self._more():
                return ""

    def skip(self, character: str) -> None:
        """Go past `character`, which must be next."""
        if self.next() != character:
            raise _NoListError
        self._at += 1

    def value(self) -> Any:
        """Decode a string, an object or an array; a number could be cut off without a sign of it."""
        if self.next() not in ('"', "{", "["):
            raise _NoListError
        if len(self._text) - self._at < 2 * self._length:
            self._more()  # to find out that a value like the last one is cut off would take longer
        while True:
            try:
                value, end = _decode(self._text, self._at)
            except ValueError as error:  # cut off, or no JSON
                if not self._more():
                    raise _NoListError from error
            else:
                self._length, self._at = end - self._at, end
                return value

    def _more(self) -> bool:
        """Read on, ever larger pieces, so that an object of any size is decoded a few times only."""
        piece = self._read(max(_CHUNK, len(self._text) - self._at))
        self._text = self._text[self._at :] + piece
        self._at = 0
        return bool(piece)


def _read_list(text: _Text, make: Callable[[Body], Made]) -> list[Made]:
    members: dict[str, Any] = {}
    text.skip("{")
    while True:
        key = _new_key(text, members)
        text.skip(":")
        if key == "items":
            members[key] = [make(body) for body in _items(text, members)]
        else:
            members[key] = text.value()
        if text.next() == "}":
            break
        text.skip(",")
    text.skip("}")
    kind = members.get("kind")
    if text.next() or "items" not in members or not str(kind).endswith("List"):
        raise _NoListError
    made: list[Made] = members["items"]
    return made


def _new_key(text: _Text, members: Mapping[str, Any]) -> str:
    key = text.value()
    if not isinstance(key, str) or key in members:
        raise _NoListError
    return key


def _items(text: _Text, members: Mapping[str, Any]) -> Iterator[Body]:
    """Yield the objects of an array; those of a NodeList and its like are what the list says that they are."""
    text.skip("[")
    if text.next() == "]":
        text.skip("]")
        return
    while True:
        item = text.value()
        if isinstance(item, dict):
            yield item if "kind" in item else {**_kind_of_items(members), **item}
        if text.next() == "]":
            break
        text.skip(",")
    text.skip("]")


def _kind_of_items(members: Mapping[str, Any]) -> Body:
    kind, version = members.get("kind"), members.get("apiVersion")
    if not isinstance(kind, str) or not isinstance(version, str):
        raise _NoListError  # it may stand behind the items
    return {"kind": kind.removesuffix("List"), "apiVersion": version}
