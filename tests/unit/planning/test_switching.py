"""A service that has to start replicas leaves the variant it runs as only where that lets somebody in."""

from __future__ import annotations

from collections import Counter

import pytest

import builders as b
from kwatt.model.plan import Plan
from kwatt.model.snapshot import PodShape, Service, Snapshot
from kwatt.planning import plan as planning
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


def two_racks(*services: Service) -> Snapshot:
    """Make the rack and another of two nodes with watts for everybody; `lean` as a batch takes fewer NPUs."""
    made = rack(*services)
    far = [b.node(name, npus=4) for name in FAR]
    lean = b.profile(b.point(100, 60), b.point(90, 50, env=ENV), name="lean")
    budgets = (*made.budgets, b.budget("rack-b", cap=2000, nodes=FAR))
    return b.snapshot(
        services, [*made.nodes, *far], budgets, profiles=[*made.profiles.values(), lean]
    )


def on(names: tuple[str, ...], name: str, **facts: object) -> Service:
    """Make a service whose pods go to some nodes only."""
    return b.service(name, shape=PodShape(1000, b.GIB, affinity=b.on_hosts(*names)), **facts)


FAR = ("m1", "m2")
NEAR_HIGH = on(("n1",), "high", priority=1, incumbents=HIGH.incumbents)
NEAR_LOW = on(("n1",), "low", model="plain")
RUNNING = (b.incumbent("m2", env=ENV, draw=40),)


def bystander(name: str = "other", priority: int = 1) -> Service:
    """Make a service in the other rack that grows and would be lighter as something else."""
    return on(FAR, name, priority=priority, incumbents=RUNNING)


@pytest.mark.parametrize("priority", [0, 1, 2])
def test_another_that_grows_is_not_restarted_where_its_switch_lets_nobody_in(priority: int) -> None:
    planned = plan(two_racks(NEAR_HIGH, NEAR_LOW, bystander(priority=priority)))

    assert settings_of(planned) == {"high": {"": 1}, "low": {"": 1}, "other": {BATCH: 2}}
    assert "m2" in {row.node for row in planned.placements if row.service.name == "other"}


def test_of_many_that_grow_only_whose_switch_lets_somebody_in_are_restarted() -> None:
    others = [bystander(f"other{number}") for number in range(3)]

    planned = plan(two_racks(NEAR_HIGH, NEAR_LOW, *others))

    found = settings_of(planned)
    assert (found.pop("high"), found.pop("low")) == ({"": 1}, {"": 1})
    assert found == {service.key.name: {BATCH: 2} for service in others}


@pytest.mark.parametrize(
    "waiting",
    [
        b.service("low", model="never measured"),
        b.service("low", model="plain", latency_micros=1),
        b.service("low", model="plain", max_replicas=1, target=900),
    ],
)
def test_nothing_is_planned_again_where_nobody_who_is_short_could_get_more(
    waiting: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Snapshot] = []
    placed = planning._placed
    monkeypatch.setattr(planning, "_placed", lambda now: seen.append(now) or placed(now))
    roomy = two_racks(bystander(), waiting)

    planned = plan(roomy)

    assert [short.service.name for short in planned.unplaced] == ["low"]
    assert settings_of(planned)["other"] == {BATCH: 2}
    assert seen == [roomy]
