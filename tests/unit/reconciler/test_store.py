"""The store keeps what was last seen, and knows when limits changed."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from builders import watts
from kwatt.model.keys import ServiceKey
from kwatt.observation.values import Invalid, ParsedBudget
from kwatt.observation.world import World
from kwatt.reconciler.store import Store
from kwatt.reconciler.trigger import Trigger
from unit.observation.bodies import budget, node, own_pod, service


def stored() -> tuple[Store, Trigger]:
    trigger = Trigger(quiet_seconds=0.0, longest_seconds=0.0)
    return Store(trigger), trigger


def poked(trigger: Trigger) -> bool:
    return asyncio.run(trigger.wait(0.0))


def unreadable(**metadata: Any) -> dict[str, Any]:
    broken = budget(watts="NaN")
    return {**broken, "metadata": {**broken["metadata"], **metadata}}


def test_a_change_that_matters_wakes_the_loop() -> None:
    store, trigger = stored()

    store.take("Node", "ADDED", node())

    assert poked(trigger)


def test_a_heartbeat_wakes_nobody() -> None:
    store, trigger = stored()
    store.take("Node", "ADDED", node())
    poked(trigger)

    body = node()
    body["metadata"]["resourceVersion"] = "8"
    store.take("Node", "MODIFIED", body)

    assert not poked(trigger)
    assert [one.resource_version for one in store.world({}).nodes] == ["8"]


def test_what_another_leader_wrote_into_a_status_is_remembered_and_wakes_nobody() -> None:
    store, trigger = stored()
    store.take("PowerBudget", "ADDED", budget())
    poked(trigger)

    store.take("PowerBudget", "MODIFIED", {**budget(), "status": {"withheldWatts": "700"}})

    assert not poked(trigger)
    assert [one.withheld for one in store.world({}).budgets] == [watts(700)]


def test_limits_count_what_says_how_many_watts_there_are() -> None:
    store, _ = stored()

    store.take("PowerBudget", "ADDED", budget())
    store.take("PowerBudget", "MODIFIED", budget(watts=8000))
    store.take("Pod", "ADDED", own_pod("a"))

    assert store.limits == 2


def test_a_budget_that_becomes_unreadable_keeps_its_last_cap_and_says_so() -> None:
    store, trigger = stored()
    store.take("PowerBudget", "ADDED", budget())
    poked(trigger)

    store.take("PowerBudget", "MODIFIED", unreadable())

    world = store.world({})
    assert [type(one) for one in world.budgets] == [ParsedBudget]
    assert [type(one) for one in world.invalid] == [Invalid]
    assert poked(trigger)


def test_a_budget_that_is_mended_is_valid_again() -> None:
    store, _ = stored()
    store.take("PowerBudget", "ADDED", budget())
    store.take("PowerBudget", "MODIFIED", unreadable())

    store.take("PowerBudget", "MODIFIED", budget(watts=7000))

    world = store.world({})
    assert [one.cap.watts for one in world.budgets] == [7000]
    assert world.invalid == ()


def test_an_unreadable_budget_that_is_deleted_is_gone() -> None:
    store, _ = stored()
    store.take("PowerBudget", "ADDED", budget())
    store.take("PowerBudget", "MODIFIED", unreadable())

    store.take("PowerBudget", "DELETED", budget())

    assert (store.world({}).budgets, store.world({}).invalid) == ((), ())


def test_pods_that_were_recognised_stay_so() -> None:
    store, _ = stored()

    store.recognise(["uid-a"])

    assert store.world({}).recognised == frozenset({"uid-a"})


def test_a_route_is_kept_by_the_name_of_its_service_and_is_no_input_of_a_plan() -> None:
    store, trigger = stored()
    metadata = {"namespace": "city", "name": "traffic", "uid": "r1", "generation": 1}

    store.take("HTTPRoute", "ADDED", {"metadata": metadata, "spec": {}})

    assert [key for key in store.routes()] == [ServiceKey("city", "traffic")]
    assert poked(trigger)
    assert store.world({}) == World(serves_routes=False)
    store.take("HTTPRoute", "DELETED", {"metadata": metadata})
    assert store.routes() == {}


async def test_it_wakes_the_loop_once_when_routes_are_served_or_not_any_more() -> None:
    store, trigger = stored()

    woken = []
    for served in (False, True, True, False):
        store.note_routes(served)
        woken.append(await trigger.wait(0.0))

    assert woken == [False, True, False, True]
    assert not store.world({}).serves_routes


def test_equal_texts_of_many_objects_are_held_once() -> None:
    store, _ = stored()
    spec = json.dumps({"model": "m", "template": {"spec": {"containers": [{"image": "a/server"}]}}})
    for name in ("a", "b"):
        body = service(name)
        body["metadata"]["uid"] = f"uid-{name}"
        store.take("InferenceService", "ADDED", body | {"spec": json.loads(spec)})

    first, second = (
        one.spec["template"]["spec"]["containers"][0] for one in store.own("InferenceService")
    )

    assert first == {"image": "a/server"}
    assert first["image"] is second["image"]


def test_a_status_is_remembered_as_it_was_seen_or_written() -> None:
    store, _ = stored()
    seen = {"conditions": [{"message": "처리량 100/s", "observedGeneration": 3}], "unit": "images"}
    store.take("InferenceService", "ADDED", service("a") | {"status": seen})
    (before,) = store.own("InferenceService")
    store.note_status("InferenceService", before.uid, {"unit": "tokens"})
    (after,) = store.own("InferenceService")

    assert (before.status, after.status) == (seen, {"unit": "tokens"})


def test_of_each_own_object_that_is_gone_somebody_is_told() -> None:
    gone: list[str] = []
    store = Store(Trigger(), gone=lambda one: gone.append(f"{one.kind} {one.name}"))
    name = budget()["metadata"]["name"]
    store.take("PowerBudget", "ADDED", budget())
    store.take("Node", "ADDED", node())

    store.take("PowerBudget", "DELETED", budget())
    store.take("PowerBudget", "DELETED", budget())
    store.take("Node", "DELETED", node())

    assert gone == [f"PowerBudget {name}"]


def named(uid: str, version: int) -> dict[str, Any]:
    body = service("a")
    return body | {"metadata": body["metadata"] | {"uid": uid, "resourceVersion": str(version)}}


def test_who_has_the_name_of_another_follows_it() -> None:
    """A list tells of the new one before it tells that the old one is gone, and maybe of the old one again."""
    gone: list[str] = []
    store = Store(Trigger(), gone=lambda one: gone.append(one.uid))
    store.take("InferenceService", "ADDED", named("old", 7))

    store.take("InferenceService", "ADDED", named("new", 9))
    store.take("InferenceService", "ADDED", named("old", 8))
    store.forget("InferenceService", "old")

    assert ([one.uid for one in store.own("InferenceService")], gone) == (["new"], ["old"])
    assert store.sizes()["InferenceService"] == 1
