"""The status of an InferenceService: where it runs, what it does and draws, and why not more."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

from kwatt.api.v1alpha1.inference_service import (
    ClassRejection,
    InferenceServiceStatus,
    PlacedOn,
    Planned,
    ServiceSummary,
    Shortfall,
)
from kwatt.api.v1alpha1.measuring import Comparison, Figures
from kwatt.api.v1alpha1.measuring import Measured as Shown
from kwatt.api.v1alpha1.throughput import FollowedDemand
from kwatt.energy.efficiency import per_joule
from kwatt.model.npu import Basis
from kwatt.model.plan import Reason, Unplaced, furthest
from kwatt.status.conditions import Verdict, settled, timestamp
from kwatt.status.measuring import (
    comparison,
    energy_part,
    kept_verdict,
    measured_part,
    measured_verdict,
)
from kwatt.status.placements import (
    ServiceFacts,
    basis_of,
    placements_of,
    planned_of,
    rate_text,
)
from kwatt.status.routes import routed
from kwatt.units import NO_POWER, NO_THROUGHPUT, Throughput

_TEXT_LIMIT = 1024
_SHOWN = 8


def describe_service(facts: ServiceFacts, now: datetime) -> InferenceServiceStatus:
    """Return the whole status; equal facts give an equal status whatever `now` is."""
    previous = facts.previous or InferenceServiceStatus()
    placements = placements_of(facts)
    planned = planned_of(facts)
    measured = previous.measured
    if facts.measuring:
        measured = measured_part(facts.measured, previous.measured)
    efficiency = _efficiency(facts, planned, previous, measured)
    verdicts = (*_verdicts(facts, placements), _measured(facts, previous, efficiency))
    return InferenceServiceStatus(
        observed_generation=facts.generation,
        conditions=settled(previous.conditions, verdicts, facts.generation, now),
        summary=_summary(facts, placements, planned, verdicts),
        unit=facts.profile.unit if facts.profile else None,
        placements=placements,
        planned=planned,
        unplaced=_shortfall(facts.unplaced) if facts.unplaced and not facts.problem else None,
        measured=measured,
        energy=energy_part(facts.measured.counted if facts.measured else None, previous.energy),
        compared_with=efficiency if isinstance(efficiency, Comparison) else None,
        demand=_demand(facts.followed, previous.demand, now),
    )


def _demand(
    followed: Throughput | None, previous: FollowedDemand | None, now: datetime
) -> FollowedDemand | None:
    if followed is None:
        return None
    if previous is not None and previous.per_second == rate_text(followed):
        return previous
    return FollowedDemand(per_second=rate_text(followed), at=timestamp(now))


def _verdicts(facts: ServiceFacts, placements: tuple[PlacedOn, ...]) -> tuple[Verdict, ...]:
    accepted = Verdict("Accepted", True, "Valid", "the spec can be used")
    if facts.unknown_class:
        accepted = Verdict("Accepted", True, "PartlyUsable", facts.unknown_class)
    if facts.problem:
        accepted = Verdict("Accepted", False, "InvalidSpec", facts.problem)
    placed = _placed(facts)
    ready = _ready(facts, placed, placements)
    route = (routed(facts.route, facts.problem),) if facts.route else ()
    return (
        accepted,
        ready,
        placed,
        _throughput_met(facts, ready),
        _within_budget(facts),
        *route,
    )


def _measured(
    facts: ServiceFacts, previous: InferenceServiceStatus, compared: Comparison | str
) -> Verdict:
    if not facts.measuring and any(one.type == "Measured" for one in previous.conditions):
        return kept_verdict(previous.conditions)
    return measured_verdict(facts.measured, previous.conditions, compared)


def _efficiency(
    facts: ServiceFacts,
    planned: Planned | None,
    previous: InferenceServiceStatus,
    shown: Shown | None,
) -> Comparison | str:
    """Compare what was measured with the baseline; until something is, what is planned.

    What was compared last stays as long as the figures that were measured last do.
    """
    before = previous.compared_with
    if before and before.figures is Figures.MEASURED and shown and shown is previous.measured:
        return before
    baseline = facts.profile.baseline if facts.profile else None
    measured = facts.measured
    own = per_joule(measured.rate, measured.power) if measured else None
    if measured is not None and own is not None:
        return comparison(own, measured.scope, baseline, Figures.MEASURED)
    rate = sum((row.rate for row in facts.rows), NO_THROUGHPUT)
    power = sum((row.planned for row in facts.rows), NO_POWER)
    scope = planned.scope if planned else None
    return comparison(per_joule(rate, power), scope, baseline, Figures.PLANNED)


def _placed(facts: ServiceFacts) -> Verdict:
    if facts.problem and not facts.rows:
        return Verdict("Placed", False, "InvalidSpec", facts.problem)
    if facts.problem:
        why = f"keeps the replicas it has until the spec can be used: {facts.problem}"
        return Verdict("Placed", False, "Held", why)
    if facts.unplaced is None:
        return Verdict("Placed", True, "Placed", _where(facts))
    nearly = furthest(facts.unplaced.rejections)
    reason = nearly.reason if nearly else Reason.NO_MATCHING_PROFILE
    served = (facts.target or NO_THROUGHPUT) - facts.unplaced.shortfall
    parts = [f"serves {rate_text(served)} of {rate_text(facts.target or NO_THROUGHPUT)} per second"]
    parts += [nearly.message] if nearly else []
    if facts.unplaced.nearest:
        parts.append("it would fit with " + facts.unplaced.nearest[0].change)
    return Verdict("Placed", False, str(reason), "; ".join(parts))


def _where(facts: ServiceFacts) -> str:
    replicas: defaultdict[str, int] = defaultdict(int)
    assumed = set()
    for row in facts.rows:
        replicas[row.variant.npu_class] += row.replicas
        if basis_of(facts, row.variant, row.operating_point) is Basis.ASSUMPTION:
            assumed.add(row.variant.npu_class)
    where = ", ".join(f"{count} on {name}" for name, count in sorted(replicas.items()))
    note = f"; figures for {', '.join(sorted(assumed))} are assumptions" if assumed else ""
    return f"replicas: {where}{note}"


def _ready(facts: ServiceFacts, placed: Verdict, placements: tuple[PlacedOn, ...]) -> Verdict:
    ready = sum(p.ready_replicas for p in placements)
    wanted = sum(p.replicas for p in placements)
    if facts.failure:
        return Verdict("Ready", False, "ApplyFailed", facts.failure)
    if not placed.holds:
        return Verdict("Ready", False, placed.reason, placed.message)
    if ready < wanted and facts.moving:
        why = f"{wanted - ready} of {wanted} replicas start, those before them serve on until then"
        return Verdict("Ready", True, "Moving", why)
    if ready < wanted:
        return Verdict(
            "Ready", False, "ReplicasNotReady", f"{ready} of {wanted} replicas are ready"
        )
    return Verdict("Ready", True, "ReplicasReady", f"{wanted} of {wanted} replicas are ready")


def _throughput_met(facts: ServiceFacts, ready: Verdict) -> Verdict:
    if ready.holds:
        return Verdict("ThroughputMet", True, "Planned", "the ready replicas sustain it as planned")
    if facts.unplaced is not None and facts.rows and not facts.problem:
        short = f"{rate_text(facts.unplaced.shortfall)} per second are not served"
        return Verdict("ThroughputMet", False, "Shortfall", short)
    return Verdict("ThroughputMet", False, ready.reason, ready.message)


def _within_budget(facts: ServiceFacts) -> Verdict:
    if facts.exceeded:
        names = ", ".join(facts.exceeded)
        return Verdict(
            "WithinPowerBudget", False, "PowerBudgetExceeded", f"above its cap now: {names}"
        )
    return Verdict("WithinPowerBudget", True, "WithinCap", "every budget over its nodes holds")


def _summary(
    facts: ServiceFacts,
    placements: tuple[PlacedOn, ...],
    planned: Planned | None,
    verdicts: tuple[Verdict, ...],
) -> ServiceSummary:
    ready = sum(p.ready_replicas for p in placements)
    wanted = sum(p.replicas for p in placements)
    target = rate_text(facts.target) if facts.target else "?"
    failing = next((v for v in verdicts if v.type in ("Accepted", "Ready") and not v.holds), None)
    return ServiceSummary(
        npu_class=",".join(sorted({p.npu_class for p in placements}))[:_TEXT_LIMIT] or None,
        replicas=f"{ready}/{wanted}",
        rate=f"{planned.per_second if planned else 0}/{target}",
        watts=planned.watts if planned else None,
        per_joule=planned.units_per_joule if planned else None,
        reason=failing.reason if failing else None,
    )


def _shortfall(unplaced: Unplaced) -> Shortfall:
    return Shortfall(
        shortfall_per_second=rate_text(unplaced.shortfall),
        rejections=tuple(
            ClassRejection(
                npu_class=r.npu_class, reason=str(r.reason), message=r.message[:_TEXT_LIMIT]
            )
            for r in unplaced.rejections[:64]
        ),
        nearest=tuple(n.change[:_TEXT_LIMIT] for n in unplaced.nearest[:_SHOWN]),
    )
