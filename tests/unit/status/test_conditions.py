"""Conditions: what moves the transition time, and what does not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta, timezone

import builders as b
from kwatt.api.v1alpha1.meta import ConditionStatus
from kwatt.status.conditions import MESSAGE_LIMIT, Verdict, settled, timestamp
from kwatt.status.services import describe_service
from unit.status.facts import service_facts

LATER = b.NOW + timedelta(minutes=5)
GOOD = Verdict("Placed", True, "Placed", "replicas: 1 on atom")


def test_a_condition_that_flips_moves_its_transition_time() -> None:
    before = settled((), [GOOD], 1, b.NOW)

    (after,) = settled(before, [GOOD._replace(holds=False)], 1, LATER)

    assert (after.status, after.last_transition_time) == (ConditionStatus.FALSE, timestamp(LATER))


def test_another_reason_or_message_does_not_move_the_transition_time() -> None:
    before = settled((), [GOOD], 1, b.NOW)

    (after,) = settled(before, [GOOD._replace(reason="Moved", message="2 on atom")], 2, LATER)

    assert (after.reason, after.message, after.observed_generation) == ("Moved", "2 on atom", 2)
    assert after.last_transition_time == timestamp(b.NOW)


def test_unknown_is_a_status_of_its_own() -> None:
    before = settled((), [GOOD], 1, b.NOW)

    (after,) = settled(before, [GOOD._replace(holds=None)], 1, LATER)

    assert (after.status, after.last_transition_time) == (ConditionStatus.UNKNOWN, timestamp(LATER))


def test_conditions_that_are_not_said_any_more_are_dropped() -> None:
    before = settled((), [GOOD, GOOD._replace(type="Old")], 1, b.NOW)

    assert [c.type for c in settled(before, [GOOD], 1, LATER)] == ["Placed"]


def test_a_long_message_is_cut() -> None:
    (condition,) = settled((), [GOOD._replace(message="x" * 9999)], 1, b.NOW)

    assert len(condition.message) == MESSAGE_LIMIT


def test_times_are_written_in_utc_whatever_the_clock_says() -> None:
    seoul = b.NOW.astimezone(timezone(timedelta(hours=9))).replace(microsecond=999_999)

    assert timestamp(seoul) == "2026-11-22T12:00:00Z"


def test_equal_facts_give_an_equal_status_at_any_time() -> None:
    facts = service_facts(
        {"target": 100, "rows": [{"node": "n1", "replicas": 1, "rate": 100, "watts": 60}]}
    )
    first = describe_service(facts, b.NOW)

    assert describe_service(replace(facts, previous=first), LATER) == first


def test_what_was_measured_is_kept_until_somebody_measures_again() -> None:
    facts = service_facts({"target": 100})
    measured = {"perSecond": "99", "watts": "58", "at": "2026-11-22T11:59:00Z"}
    energy = {"joules": "5400", "since": "2026-11-22T10:00:00Z"}
    first = describe_service(facts, b.NOW)
    before = type(first).model_validate({"measured": measured, "energy": energy})

    after = describe_service(replace(facts, previous=before), b.NOW)

    assert (after.measured, after.energy) == (before.measured, before.energy)
