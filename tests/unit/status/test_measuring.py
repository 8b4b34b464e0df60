"""What statuses say about measurements: fresh, lost, doubted, awaited, never begun."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import builders as b
from kwatt.api.v1alpha1.inference_service import InferenceServiceStatus
from kwatt.model.measurements import Counted, Loss, Measured
from kwatt.model.npu import Baseline, Basis, Scope
from kwatt.status.placements import ServiceFacts
from kwatt.status.services import describe_service
from kwatt.units import Energy
from unit.status.facts import service_facts

COUNTED = Counted(Energy(7_200_500), b.NOW, 30, b.NOW + timedelta(hours=1), Scope.DEVICE)
FRESH = Measured(
    counted=COUNTED,
    power=b.watts(120),
    rate=b.rate(150),
    window_seconds=60,
    at=b.NOW + timedelta(hours=1),
    scope=Scope.DEVICE,
)
GPU = Baseline("NVIDIA A2", b.rate(60), b.watts(60), Scope.DEVICE, Basis.MEASURED)


def facts(measured: Measured | None, baseline: Baseline | None = GPU) -> ServiceFacts:
    """Return the facts of a service that is placed."""
    rows = [{"node": "n1", "replicas": 2, "rate": 160, "watts": 120}]
    made = service_facts({"target": 160, "ready": 2, "rows": rows})
    assert made.profile is not None
    profile = replace(made.profile, baseline=baseline)
    return replace(made, measured=measured, measuring=True, profile=profile)


def after(measured: Measured | None, *, first: Measured | None = FRESH) -> InferenceServiceStatus:
    """Return the status that follows another."""
    before = describe_service(facts(first), b.NOW)
    return describe_service(replace(facts(measured), previous=before), b.NOW)


def said(status: InferenceServiceStatus) -> tuple[str, str, str]:
    """Return the condition Measured."""
    (found,) = (one for one in status.conditions if one.type == "Measured")
    return found.status, found.reason, found.message


def test_fresh_figures_are_told_and_compared_with_the_baseline() -> None:
    status = describe_service(facts(FRESH), b.NOW)

    assert status.measured is not None
    assert status.measured.units_per_joule == "1.25"
    assert (status.measured.watts, status.measured.window) == ("120", "60s")
    assert status.energy is not None
    assert (status.energy.joules, status.energy.unmeasured_seconds) == ("7200.5", 30)
    assert status.compared_with is not None
    assert (status.compared_with.saved_percent, status.compared_with.figures) == ("20", "Measured")
    assert said(status)[:2] == ("True", "Measured")


def test_a_baseline_of_another_scope_is_not_compared_and_the_reason_is_told() -> None:
    status = describe_service(facts(FRESH, replace(GPU, scope=Scope.WALL)), b.NOW)

    assert status.compared_with is None
    assert "not compared: the watts of the baseline NVIDIA A2 are Wall" in said(status)[2]


def test_until_it_is_measured_the_plan_is_compared() -> None:
    status = describe_service(facts(None), b.NOW)

    assert status.compared_with is not None
    assert status.compared_with.figures == "Planned"
    assert said(status)[:2] == ("Unknown", "NoTelemetry")
    assert (status.measured, status.energy) == (None, None)


def test_lost_watts_leave_the_last_figures_with_their_time_and_say_how_old_they_are() -> None:
    lost = Measured(counted=COUNTED, lost="no watts for 5 min (node n1)", loss=Loss.STALE)
    status = after(lost)

    assert status.measured == describe_service(facts(FRESH), b.NOW).measured
    told = "no watts for 5 min (node n1); planning holds what it decided"
    assert said(status) == ("False", "Stale", told)


def test_until_enough_samples_are_there_nothing_turns() -> None:
    status = after(Measured(counted=COUNTED))

    assert status == describe_service(facts(FRESH), b.NOW)


def test_a_rate_that_is_doubted_is_not_told_but_watts_are() -> None:
    status = after(replace(FRESH, rate=None, doubt="1e18/s is too much"))

    assert status.measured is not None
    assert (status.measured.per_second, status.measured.watts) == (None, "120")
    assert said(status)[:2] == ("False", "Implausible")


def test_what_holds_nothing_keeps_its_joules_and_tells_no_figures() -> None:
    status = after(Measured(counted=replace(COUNTED, at=None)))

    assert status.measured is None
    assert status.energy is not None
    assert (status.energy.joules, status.energy.at) == ("7200.5", None)
    assert said(status)[:2] == ("Unknown", "NoReplicas")


def test_a_restart_that_has_read_nothing_yet_writes_nothing() -> None:
    before = describe_service(facts(FRESH), b.NOW)
    restarted = replace(facts(None), previous=before, measuring=False)

    kept = describe_service(restarted, b.NOW)
    assert (kept.measured, kept.energy) == (before.measured, before.energy)
    assert kept.conditions == before.conditions
