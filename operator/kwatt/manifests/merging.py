"""Merge what differs on one NPU class into a pod template: mappings by key, named lists by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Json = Mapping[str, Any]
_LIST_KEYS = {"volumeMounts": "mountPath", "ports": "containerPort", "tolerations": "", "args": ""}


def merged(base: Any, override: Any, field: str = "") -> Any:
    """Return `base` with `override` laid over it; lists of named items merge by name, others replace."""
    if isinstance(base, Mapping) and isinstance(override, Mapping):
        both = {**base}
        for key, value in override.items():
            both[key] = merged(base[key], value, key) if key in base else value
        return both
    if isinstance(base, list) and isinstance(override, list):
        return _merged_list(base, override, _LIST_KEYS.get(field, "name"))
    return override


def _merged_list(base: list[Any], override: list[Any], key: str) -> list[Any]:
    keyed = key and all(isinstance(item, Mapping) and key in item for item in base + override)
    if not keyed:
        return override
    later = {item[key]: item for item in override}
    known = [merged(item, later.pop(item[key], {})) for item in base]
    return known + list(later.values())
