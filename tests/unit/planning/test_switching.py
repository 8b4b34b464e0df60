"""A service that has to start replicas leaves the variant it runs as only where that lets somebody in."""

from __future__ import annotations

from collections import Counter

import builders as b
from kwatt.model.plan import Plan
from kwatt.model.snapshot import Service, Snapshot
from kwatt.planning.incremental import Planner
from kwatt.planning.plan import plan

ENV = {"BATCH": "1"}
BATCH = b.variant(env=ENV).setting
HIGH = b.service("high", priority=1, incumbents=(b.incumbent(env=ENV, draw=40),))


def rack(*services: Service) -> Snapshot:
    """Make a rack with 100 W beside idle NPUs; `yolo` serves 100/s for 50 W, or as a batch 90/s for 40 W."""
    yolo = b.profile(b.point(100, 60), b.point(90, 50, env=ENV))
    plain = b.profile(b.point(100, 60), name="plain")
    nodes, budgets = [b.node(npus=3)], [b.budget(cap=130)]
    return b.snapshot(list(services), nodes, budgets, profiles=[yolo, plain])


def settings_of(planned: Plan) -> dict[str, Counter[str]]:
    """Return replicas per setting of each service that has any."""
    found: dict[str, Counter[str]] = {}
    for placement in planned.placements:
        counts = found.setdefault(placement.service.name, Counter())
        counts[placement.variant.setting] += placement.replicas
    return found


def test_it_starts_more_of_what_runs_where_nobody_waits() -> None:
    assert settings_of(plan(rack(HIGH))) == {"high": {BATCH: 2}}


def test_it_switches_where_that_lets_a_lower_priority_in() -> None:
    planned = plan(rack(HIGH, b.service("low", model="plain")))

    assert settings_of(planned) == {"high": {"": 1}, "low": {"": 1}}


def test_it_starts_more_of_what_runs_where_who_waits_finds_no_room_either_way() -> None:
    planned = plan(rack(HIGH, b.service("low", 200, model="plain", min_replicas=2)))

    assert settings_of(planned)["high"] == {BATCH: 2}


def test_it_stays_as_it_is_where_it_has_what_it_needs_whoever_waits() -> None:
    running = (b.incumbent(env=ENV, draw=40, replicas=2),)
    full = b.service("high", priority=1, incumbents=running)

    planned = plan(rack(full, b.service("low", model="plain")))

    assert settings_of(planned) == {"high": {BATCH: 2}}


def test_the_planner_that_remembers_switches_too() -> None:
    planner, now = Planner(from_services=0), rack(HIGH, b.service("low", model="plain"))

    first, second = planner.plan(now), planner.plan(now)

    assert settings_of(first) == settings_of(second) == {"high": {"": 1}, "low": {"": 1}}
