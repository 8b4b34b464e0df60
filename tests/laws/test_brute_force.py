"""Law: against every plan there is: admission is strictly by priority, and the bound is below all draws."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from kwatt.model.plan import Placement, Plan
from kwatt.model.snapshot import Service, Snapshot
from kwatt.planning.plan import plan, proven_plan
from laws.exhaustive import Cluster
from laws.strategies import LAW, crowds


def movable(snapshot: Snapshot) -> list[Service]:
    """Return the services that run nowhere yet and may be placed anywhere."""
    return [s for s in snapshot.services if not s.incumbents and s.held is None]


def of(placements: Sequence[Placement], services: Sequence[Service]) -> list[Placement]:
    """Return the placements of some services."""
    keys = {service.key for service in services}
    return [p for p in placements if p.service in keys]


def rate(placements: Sequence[Placement], service: Service) -> int:
    """Return the millionths a second that a service is served."""
    shares = [p.rate.micros for p in placements if p.service == service.key]
    rounded = abs(sum(shares) - service.target.micros) <= len(shares)
    return service.target.micros if shares and rounded else sum(shares)


class Weighed:
    """The free services of a plan: their cost, and the least cost of serving the same beside the others."""

    def __init__(self, snapshot: Snapshot, result: Plan) -> None:
        free = [s for s in movable(snapshot) if rate(result.placements, s)]
        mine = of(result.placements, free)
        self.cluster = Cluster(snapshot, [p for p in result.placements if p not in mine])
        self.wants = [[w for w in self.cluster.ways(s) if w.served == rate(mine, s)] for s in free]
        self.cost = sum((self._cost(s, of(mine, [s])) for s in free), Fraction(0))
        self.cost += self.cluster.woken({p.node for p in mine})

    def least(self) -> Fraction:
        """Return the least cost; the plan itself is among what is tried."""
        least = self.cluster.least_cost(self.wants, self.cost)
        assert least is not None
        return least

    def _cost(self, service: Service, mine: Sequence[Placement]) -> Fraction:
        replicas = sum(p.replicas for p in mine)
        (way,) = (
            way
            for way in self.cluster.ways(service)
            if (way.variant, way.replicas) == (mine[0].variant, replicas)
        )
        assert way.served == rate(mine, service)
        return way.cost


@LAW
@given(crowds(most=12))
def test_nobody_waits_for_what_lower_priorities_hold(snapshot: Snapshot) -> None:
    """Strict priority: no service waits while services of lower priority hold what it needs (design 5)."""
    result = plan(snapshot)

    for service in movable(snapshot):
        if rate(result.placements, service) < service.target.micros:
            others = [s for s in snapshot.services if s.priority >= service.priority]
            stay = of(result.placements, [s for s in others if s != service])
            assert not Cluster(snapshot, stay).can_be_whole(service)


@LAW
@given(crowds())
def test_the_bound_is_below_the_least_draw_and_that_below_the_plans(snapshot: Snapshot) -> None:
    """bound <= least draw <= draw, for the services and rates that the plan serves (design 4b)."""
    result = proven_plan(snapshot)
    weighed = Weighed(snapshot, result)

    saved = weighed.cost - weighed.least()

    assert result.bound is not None, result.unproven
    assert saved >= 0
    rounding = 1
    assert result.bound.power.milliwatts <= result.totals.draw.milliwatts - saved + rounding


@LAW
@given(crowds(most=12), st.randoms(use_true_random=True))
def test_the_bound_is_below_what_a_random_planner_finds(snapshot: Snapshot, chance: Random) -> None:
    """Whoever serves the same rates beside the same incumbents draws no less than the bound."""
    result = proven_plan(snapshot)
    weighed = Weighed(snapshot, result)

    tries = (weighed.cluster.any_cost(weighed.wants, chance) for _ in range(20))
    saved = [weighed.cost - cost for cost in tries if cost is not None]

    assert result.bound is not None, result.unproven
    highest = result.totals.draw.milliwatts - max(saved, default=Fraction(0)) + 1  # rounding
    assert result.bound.power.milliwatts <= highest
