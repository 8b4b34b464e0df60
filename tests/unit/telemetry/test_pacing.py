"""When targets are due."""

from __future__ import annotations

from collections import Counter

from kwatt.telemetry.pacing import Pace


def test_many_new_targets_are_spread_evenly_over_their_interval() -> None:
    pace, intervals = Pace(), dict.fromkeys(range(1000), 15_000)
    asked = Counter(second for second in range(15) for _ in pace.due(intervals, second * 1000))

    assert max(asked.values()) - min(asked.values()) <= 67
    assert sum(asked.values()) > 900


def test_a_single_new_target_is_due_at_once() -> None:
    pace = Pace()

    assert pace.due({"a": 15_000}, 7) == ["a"]
    assert pace.due({"a": 15_000, "b": 15_000}, 8) == ["b"]


def test_no_target_is_due_twice_within_its_interval_however_late_the_caller_is() -> None:
    pace, asked = Pace(), []
    for now in (0, 14_000, 29_000, 30_000, 44_000):
        asked += [now] if pace.due({"a": 15_000}, now) else []

    assert asked == [0, 29_000, 44_000]


def test_failures_put_off_the_next_turn_for_at_most_four_intervals() -> None:
    pace, asked = Pace(), []
    for now in range(0, 300_000, 1000):
        if pace.due({"a": 15_000}, now):
            asked.append(now // 1000)
            pace.note("a", 15_000, read=False)

    assert asked == [0, 15, 45, 105, 165, 225, 285]
    assert pace.is_failing("a")


def test_a_target_that_is_back_is_read_at_its_interval_again() -> None:
    pace = Pace()
    pace.due({"a": 10}, 0)
    pace.note("a", 10, read=False)
    pace.due({"a": 10}, 10)
    pace.note("a", 10, read=True)

    assert pace.due({"a": 10}, 20) == ["a"]
    assert not pace.is_failing("a")
