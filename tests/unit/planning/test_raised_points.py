"""A point that draws more than declared is planned like a cut of the cap: nobody goes who need not go."""

from __future__ import annotations

import pytest

import builders as b
from kwatt.changes.diff import diff
from kwatt.model.plan import Plan
from kwatt.model.snapshot import Snapshot
from kwatt.planning.plan import plan

SERVICES = [f"s{number}" for number in range(8)]


def city(draw: float, cap: float) -> Snapshot:
    """Eight services of rising priority run one replica each, made when a replica was said to draw 60 W."""
    services = [
        b.service(name, priority=number, incumbents=(b.incumbent(draw=50),))
        for number, name in enumerate(SERVICES)
    ]
    profiles = [b.profile(b.point(100, draw))]
    nodes = [b.node(advertised_watts=400)]
    return b.snapshot(services, nodes, [b.budget(cap=cap)], profiles=profiles)


def served(planned: Plan) -> list[str]:
    return sorted(row.service.name for row in planned.placements)


@pytest.mark.parametrize(("draw", "gone"), [(60, 0), (62, 1), (66, 1), (70, 2), (72, 2)])
def test_no_more_go_than_the_cap_demands_and_the_lowest_priorities_first(
    draw: float, gone: int
) -> None:
    planned = plan(city(draw, cap=480))

    assert served(planned) == SERVICES[gone:]
    assert planned.budgets[0].headroom.milliwatts >= 0


def test_where_the_cap_has_room_everybody_stays() -> None:
    assert served(plan(city(72, cap=1000))) == SERVICES


def test_the_share_falls_and_nothing_is_released_before_those_who_go_are_gone() -> None:
    snapshot = city(66, cap=480)

    changes = diff(snapshot, plan(snapshot), {"n1": 400})

    assert [(share.node, share.after) for share in changes.lower] == [("n1", 7 * 56)]
    assert (changes.raise_, changes.release) == ((), ())
