"""Law: latency, replica bounds, allowed classes, memory and the service's own watts are kept."""

from __future__ import annotations

from hypothesis import given

from kwatt.model.keys import Variant
from kwatt.model.npu import OperatingPoint
from kwatt.model.plan import Placement
from kwatt.model.snapshot import Service, Snapshot
from kwatt.planning.plan import plan
from laws.audit import curves, meets
from laws.strategies import LAW, snapshots


def planned(snapshot: Snapshot) -> list[tuple[Service, list[Placement]]]:
    """Return the services that are planned, not only held, with their placements."""
    placements = plan(snapshot).placements
    found = [(s, [p for p in placements if p.service == s.key]) for s in snapshot.services]
    return [(service, mine) for service, mine in found if mine and service.held is None]


def curve_of(snapshot: Snapshot, service: Service, variant: Variant) -> list[OperatingPoint]:
    """Return the curve of a variant."""
    return curves(snapshot, service)[variant.npu_class, variant.npus, variant.setting]


@LAW
@given(snapshots())
def test_the_operating_point_meets_the_latency_limit(snapshot: Snapshot) -> None:
    """The lowest point whose rate covers its share; that point's p99 must meet the limit (design 6)."""
    for service, mine in planned(snapshot):
        for p in mine:
            curve = curve_of(snapshot, service, p.variant)
            rounding = p.replicas
            lowest = next(
                q for q in curve if q.rate.micros * p.replicas + rounding >= p.rate.micros
            )
            assert lowest.name == p.operating_point
            assert meets(service, lowest)


@LAW
@given(snapshots())
def test_all_replicas_of_a_service_are_alike(snapshot: Snapshot) -> None:
    """All replicas of a service are alike: one class, size and operating point (design 3.7)."""
    for _, mine in planned(snapshot):
        assert len({(p.variant, p.operating_point) for p in mine}) == 1
        shares = [p.rate.micros / p.replicas for p in mine]
        assert max(shares) - min(shares) <= 1


@LAW
@given(snapshots())
def test_bounds_of_the_service_hold(snapshot: Snapshot) -> None:
    """With at least `min` replicas or none; power.watts limits its reserved watts (design 4b, 6)."""
    for service, mine in planned(snapshot):
        replicas = sum(p.replicas for p in mine)
        reserved = sum(p.reserved.milliwatts for p in mine)
        assert service.min_replicas <= replicas <= (service.max_replicas or replicas)
        assert service.power_limit is None or reserved <= service.power_limit.milliwatts


@LAW
@given(snapshots())
def test_a_part_is_all_that_its_replicas_sustain(snapshot: Snapshot) -> None:
    """A service served in part gets all that its replicas sustain within its latency limit (design 5)."""
    shortfalls = {u.service: u.shortfall.micros for u in plan(snapshot).unplaced}

    for service, mine in planned(snapshot):
        replicas, served = sum(p.replicas for p in mine), sum(p.rate.micros for p in mine)
        assert abs(served + shortfalls.get(service.key, 0) - service.target.micros) <= len(mine)
        if shortfalls.get(service.key):
            curve = curve_of(snapshot, service, mine[0].variant)
            within = [p.rate.micros for p in curve if meets(service, p)]
            best = max(r for r in within if r * replicas <= service.target.micros)
            assert served == best * replicas
