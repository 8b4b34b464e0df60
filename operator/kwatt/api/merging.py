"""Lay what differs on one NPU class over a pod template, as a strategic merge patch would. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Lists that Kubernetes merges by something else than a name
# https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy
_KEYS = {
    "ports": ("containerPort", "protocol"),
    "volumeDevices": ("devicePath",),
    "volumeMounts": ("mountPath",),
}
_DEFAULTS = {"protocol": "TCP"}


def merged(base: Any, override: Any, field: str = "") -> Any:
    """Return `base` with `override` over it: mappings by key, lists of keyed items by item, else replaced."""
    if isinstance(base, Mapping) and isinstance(override, Mapping):
        both = {key: merged(base[key], override[key], key) for key in base if key in override}
        return {**base, **override, **both}
    if isinstance(base, list) and isinstance(override, list):
        return _merged_list(base, override, _KEYS.get(field, ("name",)))
    return override


def _merged_list(base: list[Any], override: list[Any], keys: tuple[str, ...]) -> list[Any]:
    if not all(_is_keyed(item, keys) for item in base + override):
        return override
    later = {_identity(item, keys): item for item in override}
    known = [merged(item, later.pop(_identity(item, keys), {})) for item in base]
    return known + list(later.values())


def _is_keyed(item: Any, keys: tuple[str, ...]) -> bool:
    return isinstance(item, Mapping) and all(
        isinstance(item.get(key, _DEFAULTS.get(key)), str | int) for key in keys
    )


def _identity(item: Mapping[str, Any], keys: tuple[str, ...]) -> tuple[object, ...]:
    return tuple(item.get(key, _DEFAULTS.get(key)) for key in keys)
