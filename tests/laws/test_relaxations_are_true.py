"""Law: a change that is told to let a service in does let it in, and watts serve what they are worth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from hypothesis import given, settings

from kwatt.model.keys import ServiceKey
from kwatt.model.plan import Plan, Relaxation, Worth
from kwatt.model.snapshot import Service, Snapshot
from kwatt.observation.parsing.demands import amount
from kwatt.planning.plan import plan, proven_plan
from kwatt.units import Power, parse_quantity
from laws.strategies import LAW, snapshots, with_plan_running


def relaxed(snapshot: Snapshot, service: Service, relaxation: Relaxation) -> Snapshot:
    """Return the snapshot with the change made, as somebody who reads it would."""
    match dict(relaxation.figures):
        case {"like": like, "nodes": count, **watts}:
            return with_more_watts(with_nodes_like(snapshot, like, count), watts)
        case {"watts": _, **_others} as watts:
            return with_more_watts(snapshot, watts)
        case {"quota": name, "resource": key, "amount": more}:
            return with_quotas(snapshot, {(name, key): more})
        case {"quotas": names, "resources": keys, "amounts": more}:
            places = zip(names, keys, strict=True)
            return with_quotas(snapshot, dict(zip(places, more, strict=True)))
        case {"node": name}:
            nodes = [
                replace(n, ready=True, unschedulable=False) if n.name == name else n
                for n in snapshot.nodes
            ]
            return replace(snapshot, nodes=tuple(nodes))
        case {"field": "spec.template", "resource": resource, "request": request}:
            return with_service(snapshot, with_request(service, resource, request))
        case {"field": field, "amount": limit}:
            return with_service(snapshot, with_limit(service, field, limit))
    raise AssertionError(f"a change that nobody could make: {relaxation}")


def with_more_watts(snapshot: Snapshot, figures: Mapping[str, Any]) -> Snapshot:
    match figures:
        case {"budget": name, "watts": watts}:
            return with_caps(snapshot, {name: watts})
        case {"budgets": names, "watts": watts}:
            return with_caps(snapshot, dict(zip(names, watts, strict=True)))
    return snapshot


def with_quotas(snapshot: Snapshot, more: Mapping[tuple[str, str], str]) -> Snapshot:
    """Return the snapshot with quantities added to what quotas allow, read as those of a manifest are."""

    def raised(name: str, key: str, hard: int) -> int:
        return hard + amount(key, more.get((name, key), 0), "spec.hard")

    quotas = (
        replace(q, hard={key: raised(q.name, key, hard) for key, hard in q.hard.items()})
        for q in snapshot.quotas
    )
    return replace(snapshot, quotas=tuple(quotas))


def with_caps(snapshot: Snapshot, watts: Mapping[str, int]) -> Snapshot:
    budgets = (
        replace(b, cap=b.cap + Power.of_watts(watts.get(b.name, 0))) for b in snapshot.budgets
    )
    return replace(snapshot, budgets=tuple(budgets))


def with_nodes_like(snapshot: Snapshot, like: str, count: int) -> Snapshot:
    """Return the snapshot with empty nodes of other names where the selectors of budgets match as well."""
    names = [f"{like}-more-{number}" for number in range(count)]
    node = next(n for n in snapshot.nodes if n.name == like)
    labels = {key: value for key, value in node.labels.items() if value != like}
    empty = replace(node, labels=labels, foreign_npus=0, stuck_npus=0, stuck_watts=0)
    return replace(
        snapshot,
        nodes=(*snapshot.nodes, *(replace(empty, name=name) for name in names)),
        budgets=tuple(
            replace(b, nodes=(*b.nodes, *names)) if like in b.nodes else b for b in snapshot.budgets
        ),
    )


def with_limit(service: Service, field: str, amount: int) -> Service:
    changed = {
        "spec.power.watts": {"power_limit": Power.of_watts(amount)},
        "spec.replicas.max": {"max_replicas": amount},
        "spec.replicas.min": {"min_replicas": amount},
        "spec.latency.p99Milliseconds": {"latency_micros": amount * 1000},
    }
    return replace(service, **changed[field])


def with_request(service: Service, resource: str, request: str) -> Service:
    amount = parse_quantity(request, resource)
    less = {"cpu_milli": int(amount * 1000)} if resource == "cpu" else {"memory_bytes": int(amount)}
    return replace(service, shape=replace(service.shape, **less))


def with_service(snapshot: Snapshot, service: Service) -> Snapshot:
    services = (service if s.key == service.key else s for s in snapshot.services)
    return replace(snapshot, services=tuple(services))


def with_one_waiting(snapshot: Snapshot) -> Snapshot:
    """Return the planned world, without those that wait behind the first one that waits."""
    first = plan(snapshot)
    waiting = {u.service for u in first.unplaced}
    running = with_plan_running(snapshot, first)
    one = sorted(waiting)[:1]
    services = tuple(s for s in running.services if s.key not in waiting or s.key in one)
    return replace(running, services=services)


def served(snapshot: Snapshot, plan: Plan) -> dict[ServiceKey, int]:
    """Return what each service is served, in millionths of a unit per second."""
    short = {u.service: u.shortfall.micros for u in plan.unplaced}
    return {s.key: s.target.micros - short.get(s.key, 0) for s in snapshot.services}


@LAW
@given(snapshots())
def test_the_nearest_change_lets_the_service_in(snapshot: Snapshot) -> None:
    """Typed rejections and the nearest change that would let it in (design 5)."""
    running = with_one_waiting(snapshot)

    for unplaced in plan(running).unplaced:
        service = next(s for s in running.services if s.key == unplaced.service)
        for relaxation in unplaced.nearest:
            changed = relaxed(running, service, relaxation)
            assert service.key not in {u.service for u in plan(changed).unplaced}, relaxation


@settings(LAW, max_examples=120)
@given(snapshots())
def test_more_watts_serve_what_they_are_said_to_be_worth(snapshot: Snapshot) -> None:
    """Budgets carry what more watts there would serve (issue B 8)."""
    running = with_one_waiting(snapshot)
    result = plan(running)
    before = served(running, result)

    for use in result.budgets:
        if use.worth is not None:
            after = served_with(running, use.name, use.worth, plan)
            key = ServiceKey(*str(use.worth.figures["service"]).split("/"))
            assert after[key] - before[key] == micros(use.worth), use.worth


@settings(LAW, max_examples=60)
@given(snapshots())
def test_a_worth_that_was_proven_holds_beside_all_that_wait(snapshot: Snapshot) -> None:
    """Planning all again with the raise serves what it says, and nobody less."""
    result = proven_plan(snapshot)
    before = served(snapshot, result)

    for use in result.budgets:
        if use.worth is not None and "service" in use.worth.figures:
            after = served_with(snapshot, use.name, use.worth, proven_plan)
            key = ServiceKey(*str(use.worth.figures["service"]).split("/"))
            assert after[key] - before[key] == micros(use.worth), use.worth
            assert all(after[other] >= before[other] for other in before)


def served_with(
    snapshot: Snapshot, budget: str, worth: Worth, planner: Callable[[Snapshot], Plan]
) -> dict[ServiceKey, int]:
    figures = worth.figures
    beside = zip(figures.get("besideBudgets", ()), figures.get("besideWatts", ()), strict=True)
    changed = with_caps(snapshot, {budget: figures["watts"], **dict(beside)})
    return served(changed, planner(changed))


def micros(worth: Worth) -> int:
    return round(worth.figures["perSecond"] * 10**6)
