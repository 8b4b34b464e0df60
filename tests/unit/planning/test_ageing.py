"""When steps have led so far from what a plan of everything draws that one is due."""

from __future__ import annotations

from dataclasses import replace

import builders as b
from kwatt.model.snapshot import Incumbent, Service
from kwatt.planning.ageing import LEAST_STEPS, OUTDATED_AFTER, is_outdated
from kwatt.planning.plan import drafted
from kwatt.planning.standing import Standing, standing_of

PARKING, TRAFFIC = b.service("parking", 300), b.service("traffic", 100)


def stands(*services: Service) -> Standing:
    """Return what stands on four atoms, and on plenty of NPUs that draw more."""
    made = drafted(
        b.snapshot(
            services,
            [b.node("a1", 4), b.node("r1", 32, "rngd")],
            classes=[b.npu_class(), b.npu_class("rngd", most=200)],
            profiles=[b.profile(b.point(100, 60), b.point(100, 160, npu_class="rngd"))],
        )
    )
    standing = standing_of(made.draft, made.market)
    assert standing, "there is room for all"
    return standing


def grown() -> Standing:
    """Return what stands after traffic grew beyond the atoms that are left."""
    standing = stands(PARKING, TRAFFIC)
    standing.change(replace(TRAFFIC, target=b.rate(200)))
    assert standing.holdings[TRAFFIC.key].demand.variant.npu_class == "rngd"
    return standing


def run(standing: Standing, service: Service) -> None:
    holding, nodes = standing.holdings[service.key], standing.layout.nodes
    variant, watts = holding.demand.variant, holding.demand.watts
    incumbents = [Incumbent(variant, nodes[n].name, count, watts) for n, count in holding.counts]
    standing.see([replace(service, incumbents=tuple(incumbents))])


def test_who_pays_more_than_it_would_elsewhere_makes_a_plan_due() -> None:
    assert is_outdated(grown(), LEAST_STEPS)


def test_a_plan_of_everything_is_not_due_after_a_few_steps() -> None:
    assert not is_outdated(grown(), LEAST_STEPS - 1)


def test_what_runs_would_stay_so_that_no_plan_is_due_for_it() -> None:
    standing = grown()
    run(standing, TRAFFIC)

    assert not is_outdated(standing, LEAST_STEPS)


def test_who_came_home_pays_no_more() -> None:
    standing = grown()
    standing.change(replace(PARKING, target=b.rate(200)))

    assert standing.holdings[TRAFFIC.key].demand.variant.npu_class == b.ATOM
    assert not is_outdated(standing, LEAST_STEPS)


def test_who_is_gone_pays_no_more() -> None:
    standing = grown()
    standing.remove(TRAFFIC.key)

    assert not is_outdated(standing, LEAST_STEPS)


def test_what_was_planned_long_ago_is_outdated_unless_most_of_it_runs() -> None:
    standing = stands(PARKING, TRAFFIC)
    idle = is_outdated(standing, OUTDATED_AFTER - 1), is_outdated(standing, OUTDATED_AFTER)
    for service in (PARKING, TRAFFIC):
        run(standing, service)

    assert idle == (False, True)
    assert not is_outdated(standing, OUTDATED_AFTER)
