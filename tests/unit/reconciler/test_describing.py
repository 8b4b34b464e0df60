"""Which statuses have to be written, and what every object is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import builders as b
from kwatt.model.snapshot import Coming, Snapshot
from kwatt.observation.values import Invalid, Notice, NoticeReason
from kwatt.planning.plan import plan
from kwatt.reconciler.describing import Findings, status_changes
from kwatt.reconciler.memo import Memo
from kwatt.reconciler.status_change import StatusChange
from kwatt.reconciler.store import Written, packed
from unit.reconciler.scenes import KEY, own, world

LATER = b.NOW + timedelta(hours=1)


def findings(snapshot: Snapshot, **facts: Any) -> Findings:
    """Make what a cycle without troubles knows."""
    defaults: dict[str, Any] = {
        "invalid": (),
        "missing": {},
        "failures": {},
        "left": {budget.name: b.watts(100) for budget in snapshot.budgets},
        "profiles": snapshot.profiles,
    }
    return Findings(snapshot=snapshot, plan=plan(snapshot), **(defaults | facts))


def described(written: Written, found: Findings) -> dict[str, Any]:
    """Return the status of one object."""
    (change,) = status_changes([written], found, b.NOW)
    return change.status


def reason(status: dict[str, Any], type_: str) -> str:
    """Return the reason of a condition."""
    return next(c["reason"] for c in status["conditions"] if c["type"] == type_)


def test_an_equal_status_is_not_written_again_whatever_the_time() -> None:
    found = findings(world(budgets=[b.budget()]))
    objects = [own(), own("NPUClass", "atom"), own("ModelProfile", "yolo")]
    objects.append(own("PowerBudget", "rack-a1"))

    first = status_changes(objects, found, b.NOW)
    written = [replace(change.written, packed=packed(change.status)) for change in first]

    assert len(first) == len(objects)
    assert status_changes(written, found, LATER) == []


def test_a_condition_that_turns_is_urgent_and_a_figure_is_not() -> None:
    two = [b.service(target=100), b.service("other", 100)]
    status = described(own(), findings(world(services=two[:1])))
    seen = replace(own(), packed=packed(status))

    (figure,) = status_changes([seen], findings(world(services=[b.service(target=90)])), LATER)
    (turned,) = status_changes([seen], findings(world(nodes=[b.node(ready=False)])), LATER)

    assert isinstance(figure, StatusChange)
    assert (figure.urgent, turned.urgent) == (False, True)


def test_an_invalid_service_is_told_which_field_to_mend() -> None:
    invalid = Invalid("InferenceService", "city", "traffic", "spec.model", "does not exist")

    status = described(own(), findings(world(services=[]), invalid=(invalid,)))

    assert status["conditions"][0]["message"] == "spec.model: does not exist"
    assert reason(status, "Ready") == "InvalidSpec"


def test_a_service_is_told_what_the_api_server_refused() -> None:
    status = described(own(), findings(world(), failures={KEY: "Deployment x: exceeded quota"}))

    assert reason(status, "Ready") == "ApplyFailed"


def test_a_service_is_told_of_exceeded_budgets_over_its_nodes_only() -> None:
    nodes = [b.node("n1"), b.node("n2")]
    racks = [b.budget("one", 5000, ("n1",)), b.budget("two", 5000, ("n2",))]
    snapshot = world(nodes=nodes, budgets=racks)
    (placement,) = plan(snapshot).placements
    here, there = ("one", "two") if placement.node == "n1" else ("two", "one")

    above = described(own(), findings(snapshot, left={here: b.watts(-1), there: b.watts(1)}))
    beside = described(own(), findings(snapshot, left={there: b.watts(-1), here: b.watts(1)}))

    assert reason(above, "WithinPowerBudget") == "PowerBudgetExceeded"
    assert reason(beside, "WithinPowerBudget") == "WithinCap"


def test_a_service_is_told_of_classes_that_nobody_made() -> None:
    notice = Notice("InferenceService", "city", "traffic", NoticeReason.UNKNOWN_CLASS, "no atomm")

    assert reason(described(own(), findings(world(), notices=(notice,))), "Accepted") == (
        "PartlyUsable"
    )


def test_a_budget_that_was_not_planned_with_says_so() -> None:
    status = described(own("PowerBudget", "rack-a1"), findings(world()))

    assert reason(status, "Enforced") == "InvalidSpec"
    assert "capWatts" not in status


def test_a_budget_shows_the_open_window() -> None:
    peak = b.budget(cap=600, window="evening-peak")

    status = described(own("PowerBudget", "rack-a1"), findings(world(budgets=[peak])))

    assert (status["window"], status["capWatts"]) == ("evening-peak", "600")


def test_a_class_is_told_what_is_missing() -> None:
    missing = {"hpu": ("spec.watts.max",)}

    status = described(own("NPUClass", "hpu"), findings(world(), missing=missing))

    assert status["missingFields"] == ["spec.watts.max"]


def test_a_profile_counts_points_on_classes_that_do_not_exist() -> None:
    whole = b.profile(b.point(), b.point(npu_class="gone"))

    found = findings(world(profiles=[b.profile()]), profiles={"yolo": whole})

    status = described(own("ModelProfile", "yolo"), found)
    assert (status["points"], status["pointsUsable"]) == (2, 1)


def test_a_status_that_another_version_wrote_is_started_anew() -> None:
    strange = own(status={"placements": "none"})

    assert reason(described(strange, findings(world())), "Accepted") == "Valid"


def test_a_service_is_above_no_cap_that_only_comes() -> None:
    at = b.NOW + timedelta(minutes=1)
    coming = Coming("peak", True, at, b.NOW, "UTC", b.watts(250))
    budget = b.budget(cap=200, coming=coming)
    within, above = ({budget.name: b.watts(left)} for left in (-50, -51))

    kept = described(own(), findings(world(budgets=[budget]), left=within))
    exceeded = described(own(), findings(world(budgets=[budget]), left=above))

    assert reason(kept, "WithinPowerBudget") == "WithinCap"
    assert reason(exceeded, "WithinPowerBudget") == "PowerBudgetExceeded"


def test_of_a_status_that_another_version_wrote_the_energy_is_kept() -> None:
    energy = {"joules": "12.5", "since": "2026-11-22T12:00:00Z", "unmeasuredSeconds": 3}
    seen = own(status={"energy": energy, "placements": "what is this?"})

    assert described(seen, findings(world()))["energy"] == energy


def test_replicas_that_are_not_ready_again_waver_where_nothing_else_turned() -> None:
    found = findings(world(services=[b.service(target=100)]))
    conditions = described(own(), found)["conditions"]

    def waver(**reasons: str) -> bool:
        """Describe a service again whose conditions were true, with these reasons."""
        before = [c | {"status": "True", "reason": reasons.get(c["type"], "x")} for c in conditions]
        (change,) = status_changes([own(status={"conditions": before})], found, LATER)
        return change.wavering

    kept = {c["type"]: c["reason"] for c in conditions}
    assert kept["Ready"] == "ReplicasNotReady"
    assert waver(**(kept | {"Ready": "ReplicasReady", "ThroughputMet": "Sustained"}))
    assert not waver(**(kept | {"Placed": "Partly"}))


def test_replicas_that_a_new_spec_adds_are_told_of_as_an_edit_unless_fewer_are_ready() -> None:
    found = findings(world(services=[b.service(target=100)]))
    status = described(own(), found)
    ready = [c | {"status": "True", "reason": "ReplicasReady"} for c in status["conditions"]]
    kept = [
        r if c["type"] in ("Ready", "ThroughputMet") else c
        for c, r in zip(status["conditions"], ready, strict=True)
    ]

    def edit(generation: int, replicas_ready: int) -> bool:
        """Describe a service that was ready with so many replicas, as its status of a generation says."""
        placements = [{"readyReplicas": replicas_ready}]
        before = {"observedGeneration": generation, "conditions": kept, "placements": placements}
        (change,) = status_changes([own(status=before)], found, LATER)
        assert change.wavering
        return change.edited

    assert edit(generation=2, replicas_ready=0)
    assert not edit(generation=3, replicas_ready=0)
    assert not edit(generation=2, replicas_ready=1)


def test_a_status_is_made_again_when_what_it_tells_changes_and_only_then() -> None:
    described: Memo[StatusChange | None] = Memo()
    one, two = (findings(world(services=[b.service(target=rate)])) for rate in (100, 200))
    (first,) = status_changes([own()], one, b.NOW, described)
    seen = own(status=first.status)

    assert status_changes([seen], one, LATER, described) == []
    assert status_changes([seen], one, LATER, described) == []
    assert status_changes([seen], two, LATER, described) == status_changes([seen], two, LATER)
    assert status_changes([own()], one, LATER, described) == status_changes([own()], one, LATER)
