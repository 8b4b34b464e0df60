"""Read members of an object's body (a dict as from the API server), and say which one is not as it must be.

Everything that is absent or null reads as empty; everything of a wrong type is an InvalidInput.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import NamedTuple, TypeGuard

from kwatt.errors import InvalidInput

Body = Mapping[str, object]
_TEXT = frozenset({str})
_MAPPINGS = (dict, Mapping)  # a dict is told at once, any other mapping is asked about


class Identity(NamedTuple):
    """What tells one object from another; without a uid (offline) the name stands in for it."""

    uid: str
    namespace: str
    name: str


def read_identity(body: Body, kind: str, *, namespaced: bool) -> Identity:
    """Read name, namespace (`default` where a namespaced object has none) and uid."""
    metadata = read_mapping(body, "metadata")
    name = read_text(metadata, "name", path="metadata.")
    if not name:
        raise InvalidInput("metadata.name", f"a {kind} needs a name")
    namespace = read_text(metadata, "namespace", path="metadata.") if namespaced else ""
    namespace = namespace or ("default" if namespaced else "")
    uid = read_text(metadata, "uid", path="metadata.")
    return Identity(uid or f"{kind}/{namespace}/{name}", namespace, name)


def read_mapping(body: Body, key: str, path: str = "") -> Body:
    """Return the mapping under `key`, empty if absent."""
    value = body.get(key)
    if value is None:
        return {}
    if not isinstance(value, _MAPPINGS):
        raise InvalidInput(path + key, "must be a mapping")
    return value


def read_items(body: Body, key: str, path: str = "") -> list[Body]:
    """Return the list of mappings under `key`, empty if absent."""
    value = body.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, _MAPPINGS) for item in value):
        raise InvalidInput(path + key, "must be a list of mappings")
    return value


def read_text(body: Body, key: str, path: str = "") -> str:
    """Return the string under `key`, "" if absent."""
    value = body.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidInput(path + key, f"must be a string; put {str(value)[:40]} in quotes")
    return value


def read_texts(body: Body, key: str, path: str = "") -> tuple[str, ...]:
    """Return the list of strings under `key`, empty if absent."""
    value = body.get(key)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InvalidInput(path + key, "must be a list of strings")
    return tuple(value)


def read_pairs(body: Body, key: str, path: str = "") -> dict[str, str]:
    """Return the mapping of strings to strings under `key`, such as labels."""
    pairs = read_mapping(body, key, path)
    if _is_text(pairs):
        return dict(pairs)
    return {name: read_text(pairs, name, f"{path}{key}.") for name in _names(pairs, path + key)}


def _is_text(pairs: Body) -> TypeGuard[Mapping[str, str]]:
    return _TEXT.issuperset(map(type, pairs)) and _TEXT.issuperset(map(type, pairs.values()))


def read_integer(body: Body, key: str, path: str = "") -> int:
    """Return the integer under `key`, 0 if absent."""
    value = body.get(key)
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidInput(path + key, "must be a whole number")
    return value


def read_flag(body: Body, key: str, path: str = "") -> bool:
    """Return the boolean under `key`, False if absent."""
    value = body.get(key)
    if value is not None and not isinstance(value, bool):
        raise InvalidInput(path + key, "must be true or false")
    return bool(value)


def read_time(text: str) -> datetime | None:
    """Read an RFC 3339 time in UTC; None where there is none or it can't be read."""
    try:
        time = datetime.fromisoformat(text)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def condition(body: Body, kind: str) -> Body | None:
    """Return the condition of type `kind` in the status, None if it is not there."""
    conditions = read_items(read_mapping(body, "status"), "conditions", "status.")
    return next((one for one in conditions if one.get("type") == kind), None)


def controller(body: Body) -> Body | None:
    """Return the ownerReference of the controlling object, None if nothing controls it."""
    owners = read_items(read_mapping(body, "metadata"), "ownerReferences", "metadata.")
    return next((owner for owner in owners if owner.get("controller") is True), None)


def _names(pairs: Body, path: str) -> Iterator[str]:
    for name in pairs:
        if not isinstance(name, str):
            raise InvalidInput(path, f"the key {str(name)[:40]} must be a string")
        yield name
