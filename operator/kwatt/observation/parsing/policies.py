"""What namespaces and priorities allow: ResourceQuotas and PriorityClasses."""

from __future__ import annotations

from kwatt.observation.parsing.demands import amount
from kwatt.observation.parsing.reading import (
    Body,
    read_flag,
    read_identity,
    read_integer,
    read_mapping,
)
from kwatt.observation.values import ParsedPriority, ParsedQuota

_UNREAD = ("limits.", "ephemeral-storage", "hugepages-")  # limits on pods beyond what is planned


def parse_priority_class(body: Body) -> ParsedPriority:
    """Parse a PriorityClass. Raises InvalidInput."""
    identity = read_identity(body, "PriorityClass", namespaced=False)
    value, is_default = read_integer(body, "value"), read_flag(body, "globalDefault")
    return ParsedPriority(identity.uid, identity.name, value, is_default)


def parse_quota(body: Body) -> ParsedQuota:
    """Parse a ResourceQuota. Raises InvalidInput.

    `requests.cpu` and `cpu` are the same, the lesser counts; limits on other objects than pods are left out.
    """
    identity = read_identity(body, "ResourceQuota", namespaced=True)
    spec = read_mapping(body, "spec")
    hard: dict[str, int] = {}
    unread: list[str] = []
    for key, value in read_mapping(spec, "hard", "spec.").items():
        name = _plain_name(str(key))
        if name is not None:
            limit = amount(name, value, f"spec.hard.{key}")
            hard[name] = min(limit, hard.get(name, limit))
        elif str(key).removeprefix("requests.").startswith(_UNREAD):
            unread.append(str(key))
    return ParsedQuota(
        uid=identity.uid,
        namespace=identity.namespace,
        name=identity.name,
        hard=dict(sorted(hard.items())),
        unread=tuple(sorted(unread)),
        scoped=bool(spec.get("scopes") or spec.get("scopeSelector")),
    )


def _plain_name(key: str) -> str | None:
    """Return the resource that `key` limits for pods, None if it is not one that the planner knows."""
    if key in ("pods", "count/pods"):
        return "pods"
    name = key.removeprefix("requests.")
    if name in ("cpu", "memory"):
        return name
    foreign = key.startswith(("count/", "limits.")) or ".storageclass.storage.k8s.io/" in key
    return name if "/" in name and not foreign else None
