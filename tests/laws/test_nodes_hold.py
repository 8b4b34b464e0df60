"""Law: no node gets more than it has, and no node that is unfit gets anything new."""

from __future__ import annotations

from hypothesis import given

from kwatt.model.selectors import tolerated
from kwatt.model.snapshot import Snapshot
from kwatt.planning.plan import plan
from laws.audit import is_kept, ran_on
from laws.strategies import LAW, snapshots


@LAW
@given(snapshots())
def test_no_node_is_overfilled(snapshot: Snapshot) -> None:
    """NPUs per node (allocatable), cpu and memory left; pods per node count like cpu (design 5)."""
    services = {service.key: service for service in snapshot.services}
    placements = plan(snapshot).placements

    for node in snapshot.nodes:
        here = [p for p in placements if p.node == node.name]
        new = [p for p in here if not is_kept(services[p.service], p)]
        held = sum(p.replicas * p.variant.npus for p in here)
        free = node.npus_allocatable - node.foreign_npus - node.stuck_npus
        pods = sum(p.replicas for p in here)
        of_class = [p for p in here if p.variant.resource == node.resource]
        assert len(of_class) < len(here) or not here or held <= free
        assert not new or (pods <= node.pods and pods * 1000 <= node.cpu_milli)


@LAW
@given(snapshots())
def test_new_replicas_go_to_fit_nodes_only(snapshot: Snapshot) -> None:
    """Node fitness: ready, schedulable, tolerated, node selector and required affinity (design 5)."""
    services = {service.key: service for service in snapshot.services}
    nodes = {node.name: node for node in snapshot.nodes}

    for p in plan(snapshot).placements:
        service, node = services[p.service], nodes[p.node]
        if p.replicas > ran_on(service, p):
            assert node.ready
            assert not node.unschedulable
            assert (node.npu_class, node.resource) == (p.variant.npu_class, p.variant.resource)
            assert tolerated(node.taints, service.shape.tolerations)
            terms = service.shape.affinity
            assert terms is None or any(t.matches(node.name, node.labels) for t in terms)
