"""Quotas of the snapshot: what a namespace may hold and what others already use of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from kwatt.model.snapshot import Quota
from kwatt.observation.values import Notice, NoticeReason, ParsedPod, ParsedQuota


def resolve_quotas(
    quotas: Iterable[ParsedQuota], foreign: Iterable[ParsedPod]
) -> tuple[tuple[Quota, ...], tuple[Notice, ...]]:
    """Add the use by pods that are not KWatt's; quotas with a scope are only named in a notice."""
    ordered = sorted(quotas, key=lambda quota: (quota.namespace, quota.name))
    used = _used(foreign, {quota.namespace for quota in ordered})
    resolved = tuple(
        _quota(quota, used.get(quota.namespace, {})) for quota in ordered if not quota.scoped
    )
    return resolved, tuple(notice for quota in ordered for notice in _notices(quota))


def _quota(quota: ParsedQuota, used: Mapping[str, int]) -> Quota:
    by_others = {resource: used.get(resource, 0) for resource in quota.hard}
    return Quota(quota.namespace, quota.name, quota.hard, by_others)


def _used(foreign: Iterable[ParsedPod], namespaces: set[str]) -> dict[str, dict[str, int]]:
    """Sum what unfinished pods ask for by namespace; a quota counts them from creation, bound or not."""
    used: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    for pod in foreign:
        if pod.finished or pod.namespace not in namespaces:
            continue
        sums = used[pod.namespace]
        sums["cpu"] += pod.cpu_milli
        sums["memory"] += pod.memory_bytes
        sums["pods"] += 1
        for resource, amount in pod.asked.items():
            sums[resource] += amount
    return {namespace: dict(sums) for namespace, sums in used.items()}


def _notices(quota: ParsedQuota) -> list[Notice]:
    if quota.scoped:
        return [_notice(quota, "has scopes, which the planner does not read; it is left out")]
    if quota.unread:
        return [
            _notice(quota, f"limits {', '.join(quota.unread)}, which the planner does not read")
        ]
    return []


def _notice(quota: ParsedQuota, what: str) -> Notice:
    message = f"ResourceQuota {quota.name} {what}"
    return Notice(
        "ResourceQuota", quota.namespace, quota.name, NoticeReason.QUOTA_NOT_READ, message
    )
