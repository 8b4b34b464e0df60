"""Law: quotas bound what is started, and the watts of all that runs."""

from __future__ import annotations

from hypothesis import given

from kwatt.model.snapshot import Snapshot
from kwatt.planning.plan import plan
from laws.audit import quota_excess, ran_on
from laws.strategies import LAW, snapshots


@LAW
@given(snapshots())
def test_nothing_is_started_beyond_a_quota(snapshot: Snapshot) -> None:
    """Every PowerBudget over the node, ResourceQuota, the service's own watt limit (design 5)."""
    services = {service.key: service for service in snapshot.services}
    placements = plan(snapshot).placements

    for namespace in ("city", "mart"):
        exceeded = quota_excess(snapshot, placements, namespace)
        assert "kwatt.dev/watts" not in exceeded
        for p in placements:
            if p.service.namespace == namespace and p.replicas > ran_on(services[p.service], p):
                assert not exceeded - {b_only(p.variant.resource)}


def b_only(resource: str) -> str:
    """Return the one NPU resource that replicas of another class do not use."""
    return "" if resource == "rebellions.ai/ATOM" else "rebellions.ai/ATOM"
