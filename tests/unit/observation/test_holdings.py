"""Who holds which NPUs, by what was observed and planned."""

from __future__ import annotations

from dataclasses import replace

import builders as b
from kwatt.energy.holdings import Holdings, PoolKey
from kwatt.model.keys import PodKey, ServiceKey
from kwatt.model.measurements import PointKey
from kwatt.model.plan import Plan
from kwatt.observation.holdings import Existing, holdings_of
from kwatt.observation.observe import observe
from kwatt.planning.plan import plan
from unit.observation.bodies import (
    NOW,
    budget,
    deployment,
    node,
    npu_class,
    own_pod,
    pod,
    profile,
    service,
)  # fmt: skip
from unit.observation.worlds import world

KEY = ServiceKey("city", "traffic")
EXISTING = Existing(frozenset({KEY}), frozenset({"rack-a1", "broken"}), frozenset({b.ATOM}))


def held(*bodies: dict[str, object]) -> tuple[Holdings, Plan]:
    """Observe and plan a world with a service; return who holds what."""
    seen = world(node(), npu_class(), profile(), service(), budget(), *bodies)
    snapshot = observe(seen, NOW).snapshot
    planned = plan(snapshot)
    return holdings_of(snapshot, planned, seen, EXISTING), planned


def test_an_own_pod_holds_its_npus_at_its_share_of_the_plan() -> None:
    found, planned = held(deployment(), own_pod("p1"))

    (key,) = found.pools
    (holder,) = found.pools[key].holders
    (row,) = planned.placements
    assert holder.service == KEY
    assert holder.planned.milliwatts == row.planned.milliwatts // row.replicas
    assert holder.point == PointKey("yolo", row.variant.npu_class, 1, row.operating_point)


def test_a_foreign_pod_holds_npus_at_the_most_they_draw() -> None:
    found, _ = held(pod("stranger", **{b.RESOURCE: "2"}))

    ((key, pool),) = found.pools.items()
    (holder,) = pool.holders
    assert key == PoolKey("n1", holder_class(found))
    assert (holder.pod, holder.npus, holder.service) == (PodKey("city", "stranger"), 2, None)


def holder_class(found: Holdings) -> str:
    """Return the only class."""
    ((_, npu_class),) = found.pools
    return npu_class


def test_objects_that_cannot_be_used_are_known_all_the_same() -> None:
    found, _ = held()

    assert found.budgets["broken"] == ()
    assert set(found.services) == {KEY}
    assert found.classes == {b.ATOM}


def test_a_service_of_an_unknown_model_is_judged_by_nothing() -> None:
    seen = world(node(), npu_class(), service())
    snapshot = observe(seen, NOW).snapshot
    found = holdings_of(snapshot, plan(snapshot), replace(seen, profiles=()), EXISTING)

    assert found.services[KEY] is None
    assert found.curves == {}
